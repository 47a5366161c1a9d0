-- cron_write.lua: write, change or remove periodic entries that are as they were read.
--
-- It is safe to run twice: each write makes another version of an entry, and a call names the one that it has
-- read. What is in the way of one entry is in the way of that one only, or, of a declared set, of all.
--
-- KEYS[1] due ZSET entry → when a scheduler looks at it next, ms
-- KEYS[2] names ZSET all entries, with the score 0
-- KEYS[3] sets HASH declared set → its revision and entries, JSON
-- KEYS[4...] HASH of each entry: its version, turn, entry and state
-- ARGV[1] channel on which schedulers are told of an earlier turn
-- ARGV[2] patient 1 to leave an entry that a scheduler has just taken
-- ARGV[3] set that is declared, or ''
-- ARGV[4] was what was read of it, or ''
-- ARGV[5] is what it becomes
-- ARGV[6...] groups of five for each entry, at most 2,000:
--     name    version that was read, 0 of one that was not there    turn: ms, or '' for none
--     entry: JSON, or '' to remove it    state: JSON
-- RETURN an integer for each entry: its version; 0 it has changed since; -1 a scheduler has it, try again
-- COST O(n log entries)
-- BY worker, operator
local due, names, sets = KEYS[1], KEYS[2], KEYS[3]
local channel, patient, set, was, is = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function wrong(key, kind)
  local have = redis.call('TYPE', key).ok
  return have ~= kind and have ~= 'none'
end
if wrong(due, 'zset') or wrong(names, 'zset') or wrong(sets, 'hash') then
  return redis.error_reply('WRONGTYPE of ' .. due .. ', ' .. names .. ' or ' .. sets)
end
for k = 4, #KEYS do
  if wrong(KEYS[k], 'hash') then return redis.error_reply('WRONGTYPE ' .. KEYS[k] .. ' is no hash') end
end

local result, free = {}, set == '' or (redis.call('HGET', sets, set) or '') == was
local refused = not free
for i = 6, #ARGV, 5 do
  local name, version, n = ARGV[i], ARGV[i + 1], 4 + (i - 6) / 5
  local have = redis.call('HMGET', KEYS[n], 'version', 'turn')
  local answer = 1
  -- A version that somebody has spoilt is none: the entry can be set again, and removed.
  if not free or (string.match(have[1] or '', '^%d+$') or '0') ~= version then
    answer = 0
  elseif patient == '1' then
    -- One that a scheduler has taken is due later than at its turn, for as long as the lease.
    local at = redis.call('ZSCORE', due, name)
    if at and have[2] ~= at and tonumber(at) > now and tonumber(have[2] or 0) <= now then answer = -1 end
  end
  if answer ~= 1 then refused = true end
  result[#result + 1] = answer
end
if set ~= '' and refused then
  for i, answer in ipairs(result) do
    if answer == 1 then result[i] = 0 end
  end
  return result
end

local before = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
redis.call('ZREM', due, '') -- a full Redis allows a script whose first write is this
for i = 6, #ARGV, 5 do
  local name, version, turn, entry, state, n = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], (i - 1) / 5
  local key = KEYS[n + 3]
  if result[n] ~= 1 then
    -- It stays.
  elseif entry == '' then
    redis.call('ZREM', names, name)
    redis.call('ZREM', due, name)
    redis.call('DEL', key)
  else
    -- Of one that was removed and is there again, no version comes twice.
    result[n] = math.max(tonumber(version) + 1, now)
    if version == '0' then redis.call('ZADD', names, 0, name) end
    if turn == '' then redis.call('ZREM', due, name) else redis.call('ZADD', due, turn, name) end
    -- Last: with another version it would not be written again by who repeats a call that has failed.
    redis.call('HSET', key, 'version', string.format('%.0f', result[n]), 'turn', turn, 'entry', entry, 'state', state)
  end
end
if set ~= '' then redis.call('HSET', sets, set, is) end
local after = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
if after and (not before or tonumber(after) < tonumber(before)) then redis.pcall('PUBLISH', channel, 'earlier') end
return result

-- sweep.lua: put back at the head what a dead incarnation held, each job once.
--
-- What is put back was read and written anew (its crash counted) before; the job moves only if it is
-- still there, and its record as it was read. Two sweepers, a lost reply or a settle that comes late change
-- nothing.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] suspect LIST jobs with two crashes behind them
-- KEYS[3] dead ZSET element → time of death, ms
-- KEYS[4] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[5] hand LIST what a BLMOVE had handed to it
-- KEYS[6] held HASH tag → element: what it held
-- KEYS[7] count HASH what was settled how
-- KEYS[8...] for each recorded job its record HASH, the lock STRING that its end frees, the one under which
--     it runs, who is parked behind that LIST: the record again where there is none
-- ARGV[1] it the dead incarnation
-- ARGV[2] channel of the queue, or '' when a push to ready wakes its workers
-- ARGV[3] jobs how many
-- ARGV[4...] groups of five for each job, the newest first, at most 500:
--     tag, or '' for one in hand    element as it is there    ready, suspect or dead
--     counted as: crashed, stopped    element as it is to be kept
--   then groups of six for each that is recorded: which of them it is, from 1 on    its id
--     generation as it is there, as it will be    job as it was read, as it is to be kept
-- RETURN how many were moved, or -1 when it may still claim
-- COST O(n log dead)
-- BY worker
local ready, suspect, dead, workers, hand, held, count = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local it, channel, jobs = ARGV[1], ARGV[2], tonumber(ARGV[3])
local behind = 4 + 5 * jobs

local score = redis.call('ZSCORE', workers, it)
if score and tonumber(score) == 0 then return -1 end
for key, kind in pairs({[ready] = 'list', [suspect] = 'list', [dead] = 'zset', [hand] = 'list', [held] = 'hash'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
redis.call('HDEL', held, '') -- a full Redis allows a script whose first write is this

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local records, k = {}, 8
for i = behind, #ARGV, 6 do
  records[tonumber(ARGV[i])] = {
    record = KEYS[k], lock = KEYS[k + 1], running = KEYS[k + 2], parked = KEYS[k + 3],
    id = ARGV[i + 1], was = ARGV[i + 2], gen = ARGV[i + 3], read = ARGV[i + 4], job = ARGV[i + 5],
  }
  k = k + 4
end

-- pass lets the next run that waits for the one that runs under the same key, if that is this job; or, of
-- one that goes for good, if it is none: then this job had the turn. One that comes too early parks again.
-- A stale pointer may have had the turn, but it is another one by which its job runs.
local function pass(r, gone, stale)
  if r.running == r.record then return end
  local owner = redis.pcall('GET', r.running)
  local ours = owner == r.id and not stale
  if not ours and (not gone or owner) then return end
  local next = redis.pcall('LINDEX', r.parked, 0)
  if type(next) == 'string' then redis.call('LPUSH', ready, next) end
  if ours then redis.call('DEL', r.running) end
  if type(next) == 'string' then redis.call('LPOP', r.parked) end
end

local lies = {} -- how many of the same bytes lie in hand
for _, element in ipairs(redis.call('LRANGE', hand, 0, -1)) do lies[element] = (lies[element] or 0) + 1 end
local moved, tell, counted = 0, channel ~= '', {}
for i = 4, behind - 1, 5 do
  local tag, was, to, as, kept = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local r = records[(i - 4) / 5 + 1]
  local of = r and redis.pcall('HMGET', r.record, 'gen', 'job', 'left')
  local there = 0
  if of and of[1] == r.was and of[2] and of[2] ~= r.read then
    -- It was edited since: it stays, to be read again.
  elseif tag == '' then
    there = lies[was] and lies[was] > 0 and 1 or 0
  else
    there = redis.call('HEXISTS', held, tag)
  end
  if there == 1 and of and (of.err or not of[2] and not of[3]) then
    redis.call('LPUSH', ready, was) -- the record is gone: whoever claims the pointer says so
  elseif there == 1 and of and of[1] ~= r.was then -- a move has left it behind
    if of[3] and tonumber(of[3]) > 1 then
      redis.call('HINCRBY', r.record, 'left', -1)
    elseif of[3] then
      redis.call('HDEL', r.record, 'left')
      if not of[2] and redis.call('HEXISTS', r.record, 'to') == 0 then redis.call('DEL', r.record) end
    end
    pass(r, true, true)
  elseif there == 1 then
    if r then
      if to == 'dead' and r.lock ~= r.record and redis.pcall('GET', r.lock) == r.id then
        redis.call('DEL', r.lock)
      end
      pass(r, to == 'dead')
    end
    if to == 'dead' then
      redis.call('ZADD', dead, 'NX', now, kept)
      counted.dead = (counted.dead or 0) + 1
      counted.poison = (counted.poison or 0) + 1
    elseif to == 'suspect' then
      redis.call('LPUSH', suspect, kept)
    else
      redis.call('LPUSH', ready, kept)
    end
    if r then -- behind the pointer: to the record's generation one has to lead
      redis.call('HSET', r.record, 'state', to, 'at', now, 'gen', r.gen, 'job', r.job)
      redis.pcall('PUBLISH', r.record, to)
    end
  end
  if there == 1 then
    if tag == '' then
      redis.call('LREM', hand, -1, was)
      lies[was] = lies[was] - 1
      counted.claimed = (counted.claimed or 0) + 1
    else
      redis.call('HDEL', held, tag)
    end
    counted[as] = (counted[as] or 0) + 1
    moved = moved + 1
  end
end
for name, n in pairs(counted) do redis.pcall('HINCRBY', count, name, n) end
if moved > 0 and tell then redis.pcall('PUBLISH', channel, 'ready') end
return moved

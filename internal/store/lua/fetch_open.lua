-- fetch_open.lua: read the records that claimed pointers lead to, and note in them that they run.
--
-- It is safe to run twice. A pointer of another generation than its record has been left behind by a
-- move: whoever holds it settles it, and runs nothing.
--
-- KEYS[1] held HASH tag → element: what I hold
-- KEYS[2] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[3...] for each pointer its record HASH; of one with a lock also the lock STRING of its time in the
--     queue, and the one under which it runs: the record again where there is none
-- ARGV[1] me incarnation
-- ARGV[2] place where I run, for others to read
-- ARGV[3...] groups of four for each, at most 500: tag    id    generation    '' without a lock,
--     1 if the start frees the first, else 0
-- RETURN for each {what, job, cursor, cancel, lines}, or without the last three of a record that has
--     nothing but gen, state, at and job
--     what   run; gone: it is not held any more; stale; missing: there is no record, or no job in it; alien:
--         the key has another type; parked: another runs under the same key, and nothing was done
-- COST O(n)
-- BY worker
local held, workers = KEYS[1], KEYS[2]
local me, place = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local since = string.format('%.0f ', time[1] * 1000 + math.floor(time[2] / 1000)) .. place
redis.call('HDEL', held, '') -- a full Redis allows a script whose first write is this

local score = redis.call('ZSCORE', workers, me)
local alive = score and tonumber(score) == 0
local tags = {}
for i = 3, #ARGV, 4 do tags[#tags + 1] = ARGV[i] end
local holds = redis.call('HMGET', held, unpack(tags))
local ends = {done = true, cancelled = true, expired = true}
local result, k = {}, 3
for i = 3, #ARGV, 4 do
  local id, gen, frees = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local n = frees == '' and 0 or 1
  local record, lock, running = KEYS[k], KEYS[k + n], KEYS[k + 2 * n]
  k = k + 1 + 2 * n
  local answer
  if not alive or not holds[#result + 1] then
    answer = {'gone'}
  else
    local is = redis.pcall('HMGET', record, 'gen', 'job', 'state', 'at')
    local more = not is.err and redis.call('HLEN', record) > (is[4] and 4 or 3)
      and redis.call('HMGET', record, 'cursor', 'cancel', 'lines')
    if is.err and not string.find(is.err, 'WRONGTYPE', 1, true) then return redis.error_reply(is.err) end
    if is.err then
      answer = {'alien'}
    elseif is[1] ~= gen and (is[1] and is[2] or not is[1] and (ends[is[3]] or is[2] and not is[3]) or redis.call('HEXISTS', record, 'left') == 1) then
      answer = {'stale'}
    elseif is[1] ~= gen or not is[2] then
      answer = {'missing'}
    else
      local what = 'run'
      local owner = running ~= record and redis.pcall('GET', running)
      if owner and owner ~= id then
        what = 'parked'
      elseif running ~= record then
        redis.call('SET', running, id)
      end
      if what == 'run' then
        if frees == '1' and redis.pcall('GET', lock) == id then redis.call('DEL', lock) end
        redis.call('HSET', record, 'state', 'running', 'at', since)
        redis.pcall('PUBLISH', record, 'running')
        answer = {what, is[2]}
        if more then answer = {what, is[2], more[1] or '', more[2] or '', more[3] or ''} end
      else
        answer = {what}
      end
    end
  end
  result[#result + 1] = answer
end
return result

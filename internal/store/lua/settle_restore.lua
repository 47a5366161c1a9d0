-- settle_restore.lua: jobs that an operation has taken away are put back, each once.
--
-- It is safe to run twice: what is put back leaves the trash in the same step.
--
-- KEYS[1] trash LIST what the operation has taken away
-- KEYS[2] ready LIST own ready jobs of the queue
-- KEYS[3] suspect LIST jobs with two crashes behind them
-- KEYS[4] scheduled ZSET element → due, ms
-- KEYS[5] retry ZSET element → due, ms
-- KEYS[6] dead ZSET element → time of death, ms
-- KEYS[7] alarm LIST at most one token: something is due earlier than before
-- KEYS[8] count HASH what was settled how
-- KEYS[9...] for each recorded job its record HASH, its lock STRING: the record again where there is none
-- ARGV[1] channel of the queue, or '' when a push to ready wakes its workers
-- ARGV[2] jobs how many
-- ARGV[3...] groups of four for each job, at most 100: entry of the trash    ready, suspect, scheduled, retry or
--     dead: where it was    its time there, ms    element as it is to be put there
--   then for each that is recorded: which of them it is, from 1 on    its id    how many fields, names and
--     values, follow    the fields of its record
-- RETURN an integer for each job: 1 it is done, 0 it is not in the trash, 2 another has its id, 3 its lock
-- COST O(n log set)
-- BY operator
local trash, ready, suspect, scheduled, retry = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local dead, alarm, count = KEYS[6], KEYS[7], KEYS[8]
local channel, jobs = ARGV[1], tonumber(ARGV[2])
for key, kind in pairs({[trash] = 'list', [ready] = 'list', [suspect] = 'list', [scheduled] = 'zset', [retry] = 'zset', [dead] = 'zset', [alarm] = 'list'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
redis.call('LTRIM', alarm, 0, 0) -- a full Redis allows a script whose first write is this

local records, i, k = {}, 3 + 4 * jobs, 9
while i <= #ARGV do
  local n = tonumber(ARGV[i + 2])
  records[tonumber(ARGV[i])] = {record = KEYS[k], lock = KEYS[k + 1], id = ARGV[i + 1], first = i + 3, last = i + 2 + n}
  i, k = i + 3 + n, k + 2
end
local result, restored, timed, woken = {}, 0, 0, 0
for n = 1, jobs do
  local at = 3 + 4 * (n - 1)
  local from, element, r = ARGV[at + 1], ARGV[at + 3], records[n]
  local is = r and redis.pcall('HMGET', r.record, 'gen', 'left')
  local owner = r and r.lock ~= r.record and redis.pcall('GET', r.lock)
  if r and (is.err or is[1]) then
    result[n] = 2
  elseif owner and owner ~= r.id then
    result[n] = 3
  elseif not redis.call('LPOS', trash, ARGV[at]) then
    result[n] = 0
  else
    result[n], restored = 1, restored + 1
    if from == 'ready' or from == 'suspect' then
      local list = from == 'ready' and ready or suspect
      redis.call('RPUSH', list, element)
      woken = woken + 1
    else
      local set = from == 'dead' and dead or from == 'retry' and retry or scheduled
      redis.call('ZADD', set, 'NX', ARGV[at + 2], element)
      if from ~= 'dead' then timed = timed + 1 end
    end
    if r then
      redis.call('DEL', r.record)
      for f = r.first, r.last, 100 do
        redis.call('HSET', r.record, unpack(ARGV, f, math.min(f + 99, r.last)))
      end
      if is[2] then redis.call('HSET', r.record, 'left', is[2]) end
      if r.lock ~= r.record and from ~= 'dead' then redis.call('SET', r.lock, r.id) end
      redis.pcall('PUBLISH', r.record, from)
    end
    redis.call('LREM', trash, 1, ARGV[at])
  end
end
if timed > 0 and redis.call('LLEN', alarm) == 0 then redis.call('RPUSH', alarm, '1') end
if restored > 0 then redis.pcall('HINCRBY', count, 'restored', restored) end
if woken > 0 and channel ~= '' then redis.pcall('PUBLISH', channel, 'ready') end
return result

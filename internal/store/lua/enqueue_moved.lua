-- enqueue_moved.lua: put in a recorded job that has left another queue, with all that its record has.
--
-- It is safe to run twice: what has come in is remembered, under the address and generation that it had,
-- in its record, and for a while beyond that.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] scheduled ZSET element → due, ms
-- KEYS[3] retry ZSET element → due, ms: counted only
-- KEYS[4] alarm LIST at most one token: something is due earlier than before
-- KEYS[5] seen ZSET id → time of enqueue, ms
-- KEYS[6] record HASH of the job
-- KEYS[7] lock STRING that its end frees, or the record again
-- ARGV[1] window how long an id is remembered, ms
-- ARGV[2] most how many ids are remembered at most
-- ARGV[3] from address and generation that it had
-- ARGV[4] id of the job
-- ARGV[5] due when: ms since 1970
-- ARGV[6] gen the generation that it has here
-- ARGV[7] pointer of that generation
-- ARGV[8...] fields of the record, names and values
-- RETURN done; there: another job has its id; locked: another has its lock
-- COST O(fields), log of the sets
-- BY worker, operator
local ready, scheduled, retry, alarm, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local record, lock = KEYS[6], KEYS[7]
local window, most, from, id = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local due, gen, pointer = tonumber(ARGV[5]), ARGV[6], ARGV[7]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for key, kind in pairs({[ready] = 'list', [scheduled] = 'zset', [retry] = 'zset', [alarm] = 'list', [seen] = 'zset', [record] = 'hash'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
local function known(name)
  local when = redis.call('ZSCORE', seen, name)
  return when and tonumber(when) > now - window
end
-- It may have been here before, and have left a record that leads to where it went.
local is = redis.call('HMGET', record, 'state', 'gen', 'job', 'left', 'from')
if is[5] == from or known(from) then return 'done' end
if is[2] or is[3] or is[1] ~= 'moved' and known(id) then return 'there' end
local owner = lock ~= record and redis.call('GET', lock)
if owner and owner ~= id then return 'locked' end

redis.call('HDEL', record, '') -- a full Redis allows a script whose first write is this
-- Whoever finds it known here takes it away where it was: so nothing says that it is before it lies here.
if due > now then redis.call('ZADD', scheduled, 'NX', due, pointer) else redis.call('RPUSH', ready, pointer) end
redis.call('DEL', record)
if is[4] then redis.call('HSET', record, 'left', is[4]) end
redis.call('HSET', record, 'gen', gen, 'state', due > now and 'scheduled' or 'ready', 'at', due, 'from', from, unpack(ARGV, 8))
if lock ~= record then redis.call('SET', lock, id) end
redis.call('ZADD', seen, now, id, now, from)
if due > now and redis.call('ZCOUNT', scheduled, '-inf', due) == 1 and redis.call('ZCOUNT', retry, '-inf', due) == 0
  and redis.call('LLEN', alarm) == 0 then
  redis.call('RPUSH', alarm, '1')
end
-- Each call forgets a little more than it adds, so that none has to forget much.
local old = redis.call('ZCOUNT', seen, '-inf', now - window)
if old > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(old, 10) - 1) end
local over = redis.call('ZCARD', seen) - most
if over > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(over, 10) - 1) end
redis.pcall('PUBLISH', record, due > now and 'scheduled' or 'ready')
return 'done'

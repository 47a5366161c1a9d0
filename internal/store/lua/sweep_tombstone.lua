-- sweep_tombstone.lua: end the lease of an incarnation in a queue. From now on it claims nothing here,
-- and another has the timer.
--
-- KEYS[1] workers ZSET incarnation → 0, or the time its lease ended
-- ARGV[1] it the incarnation
-- ARGV[2] channel of the queue
-- RETURN 1 when this ended it, 0 when it had ended or never was
-- COST O(log workers)
-- BY worker
local workers = KEYS[1]
local it, channel = ARGV[1], ARGV[2]
local score = redis.call('ZSCORE', workers, it)
if not score or tonumber(score) ~= 0 then return 0 end
redis.call('ZREM', workers, '') -- a full Redis allows a script whose first write is this
local time = redis.call('TIME')
redis.call('ZADD', workers, time[1] * 1000 + math.floor(time[2] / 1000), it)
redis.pcall('PUBLISH', channel, 'left')
return 1

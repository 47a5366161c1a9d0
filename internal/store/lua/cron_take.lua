-- cron_take.lua: take the periodic entries whose turn it is, for a time: then it is somebody else's.
--
-- KEYS[1] due ZSET entry → when a scheduler looks at it next, ms
-- ARGV[1] most how many at most
-- ARGV[2] lease for how long nobody else takes them, ms
-- RETURN the time, ms; how long until the next turn of any entry, ms, -1 if there is none; the names that were taken
-- COST O(n log entries)
-- BY worker
local due = KEYS[1]
local most, lease = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local names = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, most)
if #names > 0 then redis.call('ZREM', due, '') end -- a full Redis allows a script whose first write is this
for _, name in ipairs(names) do
  redis.call('ZADD', due, now + lease, name)
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local left = -1
if first[2] then left = math.max(tonumber(first[2]) - now, 0) end
return {now, left, unpack(names)}

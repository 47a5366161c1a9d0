-- settle_leave.lua: the last call of an incarnation to a queue: it ends its own lease, puts back what
-- was still handed to it, and tells the others to ask again, as it may have held the queue's timer or a
-- token of the alarm.
--
-- KEYS[1] list LIST where new jobs are taken
-- KEYS[2] hand LIST what a BLMOVE has just handed to me
-- KEYS[3] workers ZSET incarnation → 0, or the time its lease ended
-- ARGV[1] me incarnation
-- ARGV[2] head LEFT or RIGHT: the end of list where jobs are taken
-- ARGV[3] channel of the queue
-- RETURN how many were put back
-- COST O(handed)
-- BY worker
local list, hand, workers = KEYS[1], KEYS[2], KEYS[3]
local me, head, channel = ARGV[1], ARGV[2], ARGV[3]
local have = redis.call('TYPE', list).ok
if have ~= 'list' and have ~= 'none' and redis.call('EXISTS', hand) == 1 then
  return redis.error_reply('WRONGTYPE ' .. list .. ' is no list')
end
redis.call('ZREM', workers, '') -- a full Redis allows a script whose first write is this
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- XX: an incarnation that was forgotten does not come back as a tombstone.
redis.call('ZADD', workers, 'XX', now, me)
redis.pcall('PUBLISH', channel, 'left')
local n = 0
while true do
  local element = redis.call('LINDEX', hand, -1)
  if not element then return n end
  redis.call(head == 'RIGHT' and 'RPUSH' or 'LPUSH', list, element)
  redis.call('RPOP', hand)
  n = n + 1
end

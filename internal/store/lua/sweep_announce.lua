-- sweep_announce.lua: write what a worker is and does, also when Redis is full.
--
-- KEYS[1] info HASH worker → JSON
-- ARGV[1] me worker
-- ARGV[2] about JSON
-- RETURN 1
-- COST O(1)
-- BY worker
local info = KEYS[1]
local me, about = ARGV[1], ARGV[2]
redis.call('HDEL', info, '') -- a full Redis allows a script whose first write is this
redis.call('HSET', info, me, about)
return 1

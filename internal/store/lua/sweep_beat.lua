-- sweep_beat.lua: the sign of life of a worker, once a second, and who watches over all of them.
--
-- KEYS[1] workers HASH worker → beats; the field @observer → worker
-- ARGV[1] me worker
-- ARGV[2] enter 1 to enter me, 0 to beat only if I am there
-- ARGV[3] numsub NUMSUB or SHARDNUMSUB
-- ARGV[4] prefix of the channel that a worker is subscribed to
-- RETURN {known, observer or '', its beats, its subscriptions or -1 when that cannot be told}
--     known 0: I was not there, somebody took me for dead
-- COST O(1)
-- BY worker
local workers = KEYS[1]
local me, enter, numsub, prefix = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]
redis.call('HDEL', workers, '') -- a full Redis allows a script whose first write is this
local known = redis.call('HEXISTS', workers, me)
if known == 1 or enter then redis.call('HINCRBY', workers, me, 1) end
local observer = redis.call('HGET', workers, '@observer')
if not observer then return {known, '', 0, 0} end
local beats = redis.call('HGET', workers, observer)
local subscribed = redis.pcall('PUBSUB', numsub, prefix .. observer)
return {known, observer, tonumber(beats or 0), subscribed.err and -1 or subscribed[2]}

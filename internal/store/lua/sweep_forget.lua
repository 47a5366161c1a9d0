-- sweep_forget.lua: remove a tombstone that is old, if nothing is left of what it stands for.
--
-- KEYS[1] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[2] hand LIST what a BLMOVE had handed to it
-- KEYS[3] held HASH tag → element: what it held
-- ARGV[1] it the incarnation
-- ARGV[2] age how old the tombstone must be, ms
-- RETURN 1 when it was removed
-- COST O(log workers)
-- BY worker
local workers, hand, held = KEYS[1], KEYS[2], KEYS[3]
local it, age = ARGV[1], tonumber(ARGV[2])
local score = redis.call('ZSCORE', workers, it)
if not score or tonumber(score) == 0 then return 0 end
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(score) < age then return 0 end
if redis.call('EXISTS', hand) + redis.call('EXISTS', held) > 0 then return 0 end
return redis.call('ZREM', workers, it)

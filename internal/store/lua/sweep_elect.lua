-- sweep_elect.lua: put me in the place of an observer that is gone, if it is still the same one.
--
-- KEYS[1] workers HASH worker → beats; the field @observer → worker
-- ARGV[1] old the observer that is gone, or '' when there was none
-- ARGV[2] me worker
-- RETURN 1 when I observe now
-- COST O(1)
-- BY worker
local workers = KEYS[1]
local old, me = ARGV[1], ARGV[2]
if (redis.call('HGET', workers, '@observer') or '') ~= old then return 0 end
redis.call('HDEL', workers, '') -- a full Redis allows a script whose first write is this
redis.call('HSET', workers, '@observer', me)
return 1

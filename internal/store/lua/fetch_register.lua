-- fetch_register.lua: enter an incarnation among the workers of a queue, so that it may claim.
--
-- KEYS[1] workers ZSET incarnation → 0, or the time its lease ended
-- ARGV[1] me the incarnation that enters
-- ARGV[2] old the one before it, or '': it gets a tombstone unless it has one
-- RETURN 1, or 0 when me has a tombstone and stays out
-- COST O(log workers)
-- BY worker
local workers = KEYS[1]
local me, old = ARGV[1], ARGV[2]
local score = redis.call('ZSCORE', workers, me)
if score and tonumber(score) ~= 0 then return 0 end
redis.call('ZREM', workers, '') -- a full Redis allows a script whose first write is this
if old ~= '' then
  local was = redis.call('ZSCORE', workers, old)
  if not was or tonumber(was) == 0 then
    local time = redis.call('TIME')
    redis.call('ZADD', workers, time[1] * 1000 + math.floor(time[2] / 1000), old)
  end
end
redis.call('ZADD', workers, 0, me)
return 1

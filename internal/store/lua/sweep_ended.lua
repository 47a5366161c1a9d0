-- sweep_ended.lua: forget jobs that have ended: those whose time is over, and those that a cap has no room for.
--
-- It is safe to run twice, and beside another: an id is forgotten once.
--
-- KEYS[1] ended ZSET id → until when its record is kept, ms
-- KEYS[2...] records HASH of those that are forgotten first, at most 500
-- ARGV[1] cap how many may stay
-- ARGV[2...] their ids
-- RETURN how many were forgotten
-- COST O(n log ended)
local ended, cap = KEYS[1], tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', ended, '') -- a full Redis allows a script whose first write is this
local n, over = 0, redis.call('ZCARD', ended) - cap
for i = 2, #KEYS do
  local till = redis.call('ZSCORE', ended, ARGV[i])
  if till and (n < over or tonumber(till) <= now) then
    redis.call('ZREM', ended, ARGV[i])
    local is = redis.pcall('HMGET', KEYS[i], 'gen', 'state', 'left')
    if not is.err and not is[1] then -- else it is another job, with its id
      redis.call('DEL', KEYS[i])
      -- Pointers to it lie somewhere: whoever claims one has to see that it has ended.
      if is[2] and is[3] then redis.call('HSET', KEYS[i], 'state', is[2], 'left', is[3]) end
    end
    n = n + 1
  end
end
return n

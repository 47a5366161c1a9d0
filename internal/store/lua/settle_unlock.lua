-- settle_unlock.lua: free a uniqueness key by hand, and let the next run that waits for it.
--
-- KEYS[1] lock STRING id of the job that has the key
-- KEYS[2] running STRING id of the one that runs under it
-- KEYS[3] parked LIST who waits to run
-- KEYS[4] ready LIST own ready jobs of the queue
-- RETURN how many of the first two there were, and how many may run now
-- COST O(1)
local lock, running, parked, ready = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
for key, kind in pairs({[lock] = 'string', [running] = 'string', [parked] = 'list', [ready] = 'list'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
local freed = redis.call('DEL', lock, running)
local next = redis.call('LRANGE', parked, 0, 0)[1]
if next then
  redis.call('LREM', parked, 1, next)
  redis.call('RPUSH', ready, next)
  freed = freed + 1
end
return freed

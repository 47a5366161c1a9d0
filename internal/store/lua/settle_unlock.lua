-- settle_unlock.lua: free a uniqueness key by hand, and let the next run that waits for it.
--
-- KEYS[1] lock STRING id of the job that has the key
-- KEYS[2] running STRING id of the one that runs under it
-- KEYS[3] parked LIST who waits to run
-- KEYS[4] ready LIST own ready jobs of the queue
-- RETURN how many of the first two there were, and how many may run now
-- COST O(1)
-- BY operator
local lock, running, parked, ready = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
for key, kind in pairs({[lock] = 'string', [running] = 'string', [parked] = 'list', [ready] = 'list'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
local next, freed = redis.call('LRANGE', parked, 0, 0)[1], 0
if next then
  redis.call('RPUSH', ready, next)
  redis.call('LREM', parked, 1, next)
  freed = 1
end
return freed + redis.call('DEL', lock, running)

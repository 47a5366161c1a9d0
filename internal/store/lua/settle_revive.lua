-- settle_revive.lua: dead jobs become ready again, each once.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] dead ZSET element → time of death, ms
-- KEYS[3] count HASH what was settled how
-- ARGV[1] channel of the queue, or '' when a push to ready wakes its workers
-- ARGV[2...] groups of two for each job, at most 500: element as it is there, as it is to be kept
-- RETURN how many were moved
-- COST O(n log dead)
local ready, dead, count = KEYS[1], KEYS[2], KEYS[3]
local channel = ARGV[1]
local have = redis.call('TYPE', ready).ok
if have ~= 'list' and have ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. ready .. ' is no list')
end
local moved = 0
for i = 2, #ARGV, 2 do
  if redis.call('ZREM', dead, ARGV[i]) == 1 then
    redis.call('RPUSH', ready, ARGV[i + 1])
    moved = moved + 1
  end
end
if moved > 0 then
  redis.pcall('HINCRBY', count, 'revived', moved)
  if channel ~= '' then redis.pcall('PUBLISH', channel, 'ready') end
end
return moved

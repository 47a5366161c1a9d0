-- sweep_ended.lua: forget the oldest of the jobs that have ended.
--
-- It is safe to run twice, and beside another: it goes on only while the list begins with what the
-- caller has read.
--
-- KEYS[1] ended LIST ids of jobs whose records are kept, the oldest first
-- KEYS[2...] records HASH of the oldest, at most 500
-- ARGV[1] over how many of them have to go; those behind go if their record is gone
-- ARGV[2...] their ids
-- RETURN how many were forgotten
-- COST O(n)
-- BY worker
local ended, over = KEYS[1], tonumber(ARGV[1])
local n = 0
for i = 2, #KEYS do
  local live = redis.pcall('HEXISTS', KEYS[i], 'gen') ~= 0 -- another job, with its id, or what is no record
  local there = redis.call('EXISTS', KEYS[i]) == 1
  if redis.call('LINDEX', ended, 0) ~= ARGV[i] or there and not live and n >= over then break end
  if there and not live then
    local left = redis.pcall('HMGET', KEYS[i], 'state', 'left')
    redis.call('DEL', KEYS[i])
    -- Pointers to it lie somewhere: whoever claims one has to see that it has ended.
    if left[1] and left[2] then redis.call('HSET', KEYS[i], 'state', left[1], 'left', left[2]) end
  end
  redis.call('LPOP', ended)
  n = n + 1
end
return n

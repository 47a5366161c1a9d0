-- sweep_trim.lua: remove dead jobs that a cap has no room for, and count them.
--
-- It is safe to run twice: a record goes with its pointer, and only then.
--
-- KEYS[1] dead ZSET element → time of death, ms
-- KEYS[2] count HASH what was settled how
-- KEYS[3...] records HASH of those that have one
-- ARGV[1] jobs how many
-- ARGV[2...] elements to remove, at most 500
--   then groups of two for each that is recorded: which of them it is, from 1 on    generation
-- RETURN how many were removed
-- COST O(n log dead)
-- BY worker
local dead, count = KEYS[1], KEYS[2]
local jobs = tonumber(ARGV[1])

local records = {}
for k = 3, #KEYS do
  local i = 2 + jobs + 2 * (k - 3)
  records[tonumber(ARGV[i])] = {record = KEYS[k], gen = ARGV[i + 1]}
end
local removed = 0
for i = 1, jobs do
  if redis.call('ZSCORE', dead, ARGV[i + 1]) then
    local r = records[i]
    local of = r and redis.pcall('HMGET', r.record, 'gen', 'left')
    if of and of[1] == r.gen then
      redis.call('DEL', r.record)
      -- Pointers to it lie somewhere: whoever claims one has to see that it has ended.
      if of[2] then redis.call('HSET', r.record, 'state', 'dead', 'left', of[2]) end
    end
    redis.call('ZREM', dead, ARGV[i + 1])
    removed = removed + 1
  end
end
if removed > 0 then redis.pcall('HINCRBY', count, 'trimmed', removed) end
return removed

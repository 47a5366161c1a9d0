-- sweep_trim.lua: remove dead jobs that a cap has no room for, and count them.
--
-- KEYS[1] dead ZSET element → time of death, ms
-- KEYS[2] count HASH what was settled how
-- KEYS[3...] records HASH of the removed
-- ARGV[1...] elements to remove, at most 500
-- RETURN how many were removed
-- COST O(n log dead)
local dead, count = KEYS[1], KEYS[2]
local removed = redis.call('ZREM', dead, unpack(ARGV, 1, #ARGV))
if #KEYS > 2 then redis.call('DEL', unpack(KEYS, 3)) end
if removed > 0 then redis.pcall('HINCRBY', count, 'trimmed', removed) end
return removed

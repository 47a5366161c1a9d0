-- inspect_tally.lua: what a queue has counted and what is held, at one moment.
--
-- KEYS[1] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[2] count HASH what was settled how
-- KEYS[3...] for each incarnation that the caller knows: hand LIST, held HASH
-- RETURN {members, count as name, value …, lengths of hand and held for each}
--     members as in ZRANGE: whoever finds others than it knows, asks again with their keys
-- COST O(members)
-- BY operator
local workers, count = KEYS[1], KEYS[2]
local lengths = {}
for i = 3, #KEYS, 2 do
  lengths[#lengths + 1] = redis.call('LLEN', KEYS[i])
  lengths[#lengths + 1] = redis.call('HLEN', KEYS[i + 1])
end
return {redis.call('ZRANGE', workers, 0, -1), redis.call('HGETALL', count), lengths}

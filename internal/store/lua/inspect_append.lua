-- inspect_append.lua: an entry is put at the end of a log, and the oldest go.
--
-- KEYS[1] log LIST of entries: an id, a space, JSON
-- ARGV[1] most how many are kept
-- ARGV[2] entry JSON
-- RETURN the id of the entry: the time of the server in ms, a dash, a number; ids only grow
-- COST O(1)
-- BY operator
local log = KEYS[1]
local most, entry = tonumber(ARGV[1]), ARGV[2]
redis.call('LTRIM', log, -most, -1) -- a full Redis allows a script whose first write is this
local time = redis.call('TIME')
local now, n = time[1] * 1000 + math.floor(time[2] / 1000), 0
local last = redis.call('LINDEX', log, -1)
local ms, number = string.match(last or '', '^(%d+)-(%d+) ')
if ms and tonumber(ms) >= now then now, n = tonumber(ms), tonumber(number) + 1 end
local id = string.format('%.0f-%d', now, n)
redis.call('RPUSH', log, id .. ' ' .. entry)
redis.call('LTRIM', log, -most, -1)
return id

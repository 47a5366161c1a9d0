-- inspect_records.lua: fields of the records of several jobs.
--
-- KEYS[1] record HASH of a job
-- KEYS[2...] records HASH of others, at most 100 in all
-- ARGV[1...] names of fields
-- RETURN for each the values of these fields, as HMGET does; nothing of what is no record
-- COST O(fields) for each
-- BY operator
local record = KEYS[1]
local result = {}
for k = 1, #KEYS do
  local values = redis.pcall('HMGET', record, unpack(ARGV))
  result[k] = values.err and {} or values
  record = KEYS[k + 1]
end
return result

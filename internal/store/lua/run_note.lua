-- run_note.lua: what running jobs say of themselves: progress, a checkpoint, lines of their log.
--
-- A job that is not held any more writes nothing. It is safe to run twice.
--
-- KEYS[1] held HASH tag → element: what I hold
-- KEYS[2...] records HASH of the jobs
-- ARGV[1...] for each job: its tag    how many fields, names and values, follow    the fields
-- RETURN for each 1; 2 when somebody has asked to cancel it; 0 when it is not held, or has no record
-- COST O(fields)
-- BY worker
local held = KEYS[1]
redis.call('HDEL', held, '') -- a full Redis allows a script whose first write is this
local result, i = {}, 1
for k = 2, #KEYS do
  local record, tag, n = KEYS[k], ARGV[i], tonumber(ARGV[i + 1])
  local first = i + 2
  i = first + n
  local there = redis.call('HEXISTS', held, tag)
  if there == 1 and redis.call('TYPE', record).ok == 'hash' then
    if n > 0 then
      redis.call('HSET', record, unpack(ARGV, first, i - 1))
      redis.pcall('PUBLISH', record, 'note')
    end
    if redis.call('HEXISTS', record, 'cancel') == 1 then there = 2 end
  else
    there = 0
  end
  result[#result + 1] = there
end
return result

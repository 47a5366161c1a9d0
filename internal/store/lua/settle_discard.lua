-- settle_discard.lua: keep what an operation has taken away or moved, for a time.
--
-- A full Redis refuses it: then nothing of it is kept. It is safe to run twice, as one at a time runs an
-- operation. In one step, so that no trash is without an end.
--
-- KEYS[1] trash LIST what the operation has taken away
-- ARGV[1] keep for how long, ms
-- ARGV[2] before how many entries it had before: if it has more, this was done
-- ARGV[3...] entries, at most 500
-- RETURN 1
-- COST O(n)
-- BY operator
local trash, keep, before = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('LLEN', trash) > before then return 1 end
redis.call('RPUSH', trash, unpack(ARGV, 3))
return redis.call('PEXPIRE', trash, keep)

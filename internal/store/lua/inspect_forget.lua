-- inspect_forget.lua: forget a failure that was counted.
--
-- KEYS[1] failures ZSET fingerprint → last seen, ms
-- KEYS[2...] HASH of each: fingerprint → first seen, ms; how often; JSON of the last one; how often in each
--     hour that is kept
-- ARGV[1] fingerprint
-- RETURN 1, or 0 if it is not there
-- COST O(hours), log of the failures
-- BY operator
local failures = KEYS[1]
local fingerprint = ARGV[1]
for k = 2, #KEYS do
  local have = redis.call('TYPE', KEYS[k]).ok
  if have ~= 'hash' and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[k] .. ' is no hash')
  end
end
local there = redis.call('ZSCORE', failures, fingerprint) and 1 or 0
for k = 2, #KEYS do redis.call('HDEL', KEYS[k], fingerprint) end
redis.call('ZREM', failures, fingerprint)
return there

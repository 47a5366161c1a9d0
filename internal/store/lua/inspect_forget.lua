-- inspect_forget.lua: forget a failure that was counted.
--
-- KEYS[1] failures ZSET fingerprint → last seen, ms
-- KEYS[2] first HASH fingerprint → first seen, ms
-- KEYS[3] times HASH fingerprint → how often
-- KEYS[4] samples HASH fingerprint → JSON of the last one
-- ARGV[1] fingerprint
-- RETURN 1, or 0 if it is not there
-- COST O(log failures)
local failures, first, times, samples = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fingerprint = ARGV[1]
for _, key in ipairs({first, times, samples}) do
  local have = redis.call('TYPE', key).ok
  if have ~= 'hash' and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no hash')
  end
end
local there = redis.call('ZREM', failures, fingerprint)
for _, key in ipairs({first, times, samples}) do redis.call('HDEL', key, fingerprint) end
return there

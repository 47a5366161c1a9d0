-- settle_stats.lua: add to the statistics what a worker has counted since it last did.
--
-- It is safe to run twice: a call carries a number, and the worker's last one is known for ten minutes.
-- The keys are those of a minute. If by Redis' clock it is another one, nothing is done, and whoever calls
-- does so again with the right ones: so no clock but this one says when something was.
--
-- A full Redis refuses it: what is counted waits, and takes no room from jobs.
--
-- KEYS[1] minutes HASH of this minute: kind and queue → numbers
-- KEYS[2] hours HASH the same, of this hour
-- KEYS[3] days HASH the same, of this day
-- KEYS[4] failures ZSET fingerprint → last seen, ms
-- KEYS[5] first HASH fingerprint → first seen, ms
-- KEYS[6] times HASH fingerprint → how often
-- KEYS[7] samples HASH fingerprint → JSON of the last one
-- KEYS[8] hourly HASH of this hour: fingerprint → how often
-- KEYS[9] last STRING the number of the worker's last call
-- ARGV[1] minute that KEYS[1] is of, since 1970
-- ARGV[2] call number of this call
-- ARGV[3] most of kinds and queues in a hash
-- ARGV[4] fewest failures that are kept: those that were seen last
-- ARGV[5] minutes_for ms that a minute is kept
-- ARGV[6] hours_for the same of an hour
-- ARGV[7] days_for the same of a day
-- ARGV[8] hourly_for the same of the failures of an hour
-- ARGV[9] n how many kinds and queues follow
-- ARGV[10...] for each: its field    '' or the field of the others, which it is counted as when there is no room
--     numbers: see internal/tally
--   then for each fingerprint: itself    how often    its sample
-- RETURN the minute by Redis' clock: if it is another one, nothing was done
-- COST O(n + numbers), log of the failures
local minutes, hours, days = KEYS[1], KEYS[2], KEYS[3]
local failures, first, times, samples, hourly, last = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local minute, call, most, fewest = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local minutes_for, hours_for, days_for, hourly_for, n = ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local this = math.floor(now / 60000)
if this ~= minute then return this end
for i, key in ipairs(KEYS) do
  local have, want = redis.call('TYPE', key).ok, 'hash'
  if i == 4 then want = 'zset' elseif i == 9 then want = 'string' end
  if have ~= want and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. want)
  end
end
if redis.call('GET', last) == call then return this end
redis.call('SET', last, call, 'PX', 600000)

-- Numbers are pairs of a name and a number, in groups of seven bits, the lowest first.
local function add(into, text)
  local name, value, scale = nil, 0, 1
  for i = 1, #text do
    local b = string.byte(text, i)
    if b >= 128 then
      value, scale = value + (b - 128) * scale, scale * 128
    else
      value = value + b * scale
      if name then
        into[name] = (into[name] or 0) + value
        name = nil
      else
        name = value
      end
      value, scale = 0, 1
    end
  end
end
local function put(out, value)
  if not (value < 9007199254740992) then value = 0 end -- nobody has counted that
  while value >= 128 do
    out[#out + 1] = string.char(value % 128 + 128)
    value = math.floor(value / 128)
  end
  out[#out + 1] = string.char(value)
end
local function merged(was, more)
  local all, out = {}, {}
  add(all, was)
  add(all, more)
  for name, value in pairs(all) do
    put(out, name)
    put(out, value)
  end
  return table.concat(out)
end

for key, keep in pairs({[minutes] = minutes_for, [hours] = hours_for, [days] = days_for}) do
  local room = most - redis.call('HLEN', key)
  for i = 10, 9 + 3 * n, 3 do
    local field, others, numbers = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local was = redis.call('HGET', key, field)
    if not was and room <= 0 and others ~= '' then
      field = others
      was = redis.call('HGET', key, field)
    end
    if not was then room = room - 1 end
    -- Of the others there is one field for each queue, which has its own bound.
    if was or room > -most then redis.call('HSET', key, field, was and merged(was, numbers) or numbers) end
  end
  redis.call('PEXPIRE', key, keep)
end

for i = 10 + 3 * n, #ARGV, 3 do
  local fingerprint = ARGV[i]
  redis.call('ZADD', failures, now, fingerprint)
  if redis.call('HEXISTS', first, fingerprint) == 0 then redis.call('HSET', first, fingerprint, now) end
  redis.call('HINCRBY', times, fingerprint, ARGV[i + 1])
  redis.call('HINCRBY', hourly, fingerprint, ARGV[i + 1])
  redis.call('HSET', samples, fingerprint, ARGV[i + 2])
end
if 10 + 3 * n <= #ARGV then
  redis.call('PEXPIRE', hourly, hourly_for)
  local old = redis.call('ZRANGE', failures, 0, -fewest - 1)
  if #old > 0 then
    redis.call('ZREM', failures, unpack(old))
    for _, hash in ipairs({first, times, samples}) do redis.call('HDEL', hash, unpack(old)) end
  end
end
return this

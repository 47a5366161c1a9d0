-- settle_stats.lua: add to the statistics what a worker has counted since it last did.
--
-- It is safe to run twice: a call carries a number, and the worker's last one is known for ten minutes.
-- The keys are those of a minute. If by Redis' clock it is another one, nothing is done, and whoever calls
-- does so again with the right ones: so no clock but this one says when something was.
--
-- A full Redis refuses it: what is counted waits, and takes no room from jobs.
--
-- KEYS[1] minutes HASH of this minute: kind and queue → numbers, and sums of them
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
-- BY worker
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

-- Numbers are a map of MessagePack, from a name to a number. Redis reads and writes it in C, and takes a
-- table for an array only if its names begin with 1, which is none. The embedded server does not know it, and
-- has it done here: integers from 0 on, no others.
local read, write
local known, msgpack = pcall(function() return cmsgpack end)
if known and msgpack then
  read, write = msgpack.unpack, msgpack.pack
else
  read = function(text)
    local at = 1
    local function big(n) -- a number of n bytes, the highest first
      local value = 0
      for _ = 1, n do
        value, at = value * 256 + string.byte(text, at), at + 1
      end
      return value
    end
    local function number()
      local b = big(1)
      return b < 128 and b or big(2 ^ (b - 204))
    end
    local head = big(1)
    local all = {}
    for _ = 1, head == 222 and big(2) or head - 128 do
      local name = number()
      all[name] = number()
    end
    return all
  end
  write = function(all)
    local out, n = {}, 0
    local function big(value, size)
      local bytes = ''
      for _ = 1, size do
        bytes, value = string.char(value % 256) .. bytes, math.floor(value / 256)
      end
      out[#out + 1] = bytes
    end
    local function number(value)
      if value < 128 then return big(value, 1) end
      local wide = value < 256 and 0 or value < 65536 and 1 or value < 4294967296 and 2 or 3
      big(204 + wide, 1)
      big(value, 2 ^ wide)
    end
    for _ in pairs(all) do n = n + 1 end
    if n < 16 then
      big(128 + n, 1)
    else
      big(222, 1)
      big(n, 2)
    end
    for name, value in pairs(all) do
      number(name)
      number(value)
    end
    return table.concat(out)
  end
end

local more = {}
for i = 10, 9 + 3 * n, 3 do more[i] = read(ARGV[i + 2]) end

local function merged(was, more)
  local all = read(was)
  for name, value in pairs(more) do all[name] = (all[name] or 0) + value end
  return write(all)
end

local function count(key, keep)
  local room = most - redis.call('HLEN', key)
  for i = 10, 9 + 3 * n, 3 do
    local field, others, numbers = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local was = redis.call('HGET', key, field)
    if not was and room <= 0 and others ~= '' then
      field = others
      was = redis.call('HGET', key, field)
    end
    if was then
      local fine, sum = pcall(merged, was, more[i])
      if fine then numbers = sum end -- else somebody has spoilt what was there
    else
      room = room - 1
    end
    -- Of the others there is one field for each queue, which has its own bound.
    if was or room >= -most then redis.call('HSET', key, field, numbers) end
  end
  redis.call('PEXPIRE', key, keep)
end
count(minutes, minutes_for)
count(hours, hours_for)
count(days, days_for)

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
    for _, hash in ipairs({first, times, samples, hourly}) do redis.call('HDEL', hash, unpack(old)) end
  end
end
return this

-- fetch_due.lua: what the holder of a queue's timer does: make ready what is due, say what is next.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] list LIST the foreign list, or ready again
-- KEYS[3] scheduled ZSET element → due, ms
-- KEYS[4] retry ZSET element → due, ms
-- KEYS[5] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[6] alarm LIST at most one token: something is due earlier than before
-- ARGV[1] me incarnation
-- ARGV[2] most how many to move at most, at most 500
-- ARGV[3] channel of the queue
-- ARGV[4] rung 1 when I took the token out of alarm: it goes back if it was meant for another
-- RETURN {now ms, first, moved, due ms or -1}: first is 1 when I am the first of the workers;
--     nothing moves unless I am
-- COST O(moved · log set)
-- BY worker
local ready, list, scheduled, retry, workers, alarm = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local me, most, channel, rung = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4] == '1'

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZRANGEBYSCORE', workers, 0, 0, 'LIMIT', 0, 1)[1] ~= me then
  if rung and redis.call('LLEN', alarm) == 0 then
    redis.call('LTRIM', alarm, 0, 0) -- a full Redis allows a script whose first write is this
    redis.call('RPUSH', alarm, '1')
  end
  return {now, 0, 0, -1}
end

for key, kind in pairs({[ready] = 'list', [scheduled] = 'zset', [retry] = 'zset'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end

local moved, next = 0, -1
for _, set in ipairs({scheduled, retry}) do
  if moved < most then
    local due = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, most - moved)
    if #due > 0 then
      redis.call('ZREM', set, '') -- a full Redis allows a script whose first write is this
      redis.call('RPUSH', ready, unpack(due))
      redis.call('ZREM', set, unpack(due))
      moved = moved + #due
    end
  end
  local top = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if top[2] and (next < 0 or tonumber(top[2]) < next) then next = tonumber(top[2]) end
end
-- Nobody blocks on the own list of a foreign queue.
if moved > 0 and list ~= ready then redis.pcall('PUBLISH', channel, 'ready') end
return {now, 1, moved, next}

-- settle_move.lua: bare jobs that do not run go elsewhere, or away, each once.
--
-- It is safe to run twice: a job is found by all of its bytes, and what is put elsewhere has others.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] suspect LIST jobs with two crashes behind them
-- KEYS[3] scheduled ZSET element → due, ms
-- KEYS[4] retry ZSET element → due, ms
-- KEYS[5] dead ZSET element → time of death, ms
-- KEYS[6] alarm LIST at most one token: something is due earlier than before
-- KEYS[7] count HASH what was settled how
-- ARGV[1] channel of the queue, or '' when a push to ready wakes its workers
-- ARGV[2] when they are due: '' now, '+ms' from now, 'ms' since 1970; 'never': they go away
-- ARGV[3] mark an element that no other is equal to
-- ARGV[4...] groups of four for each job, at most 1,000:
--     ready, suspect, scheduled, retry or dead: where it is    in a list: how far from its tail it was
--     seen, from 1 on; those of one list lie within 2,000    element as it is there    as it is to be kept
-- RETURN an integer for each job: 1 it is done, 0 it is not there any more
-- COST O(n log set); of those in a list O(the way from its nearer end) for all of them together
-- BY operator
local ready, suspect, scheduled, retry, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local alarm, count = KEYS[6], KEYS[7]
local channel, when, mark = ARGV[1], ARGV[2], ARGV[3]

for key, kind in pairs({[ready] = 'list', [suspect] = 'list', [scheduled] = 'zset', [retry] = 'zset', [dead] = 'zset', [alarm] = 'list'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
redis.call('LTRIM', alarm, 0, 0) -- a full Redis allows a script whose first write is this

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = now
if string.sub(when, 1, 1) == '+' then
  due = now + tonumber(string.sub(when, 2))
elseif when ~= '' and when ~= 'never' then
  due = tonumber(when)
end

-- To look through a long list for each job would hold up everybody. What has been pushed or taken since
-- it was read has shifted it a little, so it is looked for around the place.
local result, places = {}, {}
local function look(list, name)
  local near, far
  for i = 4, #ARGV, 4 do
    if ARGV[i] == name then
      local at = tonumber(ARGV[i + 1])
      near, far = math.min(near or at, at), math.max(far or at, at)
    end
  end
  if not near then return end
  local slack = 500
  local length = redis.call('LLEN', list)
  local first, last = math.max(length - far - slack, 0), length - 1 - math.max(near - 1 - slack, 0)
  if last < first then return end
  local there, indexes = redis.call('LRANGE', list, first, last), {}
  for k = 1, #there do
    local at = indexes[there[k]] or {}
    at[#at + 1] = first + k - 1
    indexes[there[k]] = at
  end
  for i = 4, #ARGV, 4 do
    local at = ARGV[i] == name and indexes[ARGV[i + 2]]
    if at and #at > 0 then result[i / 4], places[i / 4] = 1, table.remove(at) end
  end
end
look(ready, 'ready')
look(suspect, 'suspect')

-- A script undoes nothing when it fails, so each is where it goes before it is taken away.
local sets = {scheduled = scheduled, retry = retry, dead = dead}
local moved, revived, taken = 0, 0, 0
for i = 4, #ARGV, 4 do
  local set = sets[ARGV[i]]
  local done = result[i / 4] or set and redis.call('ZSCORE', set, ARGV[i + 2]) and 1 or 0
  result[i / 4] = done
  if done == 1 then
    taken = taken + 1
    if set == dead then revived = revived + 1 end
    if when ~= 'never' and due > now then
      moved = moved + redis.call('ZADD', scheduled, 'NX', due, ARGV[i + 3])
    elseif when ~= 'never' then
      redis.call('RPUSH', ready, ARGV[i + 3])
    end
    if set then redis.call('ZREM', set, ARGV[i + 2]) end
  end
end

-- They are marked at their places, and one pass takes all that is marked.
local function unlist(list, name)
  local marked, first, last = 0, nil, nil
  for i = 4, #ARGV, 4 do
    local at = ARGV[i] == name and places[i / 4]
    if at then
      redis.call('LSET', list, at, mark)
      marked, first, last = marked + 1, math.min(first or at, at), math.max(last or at, at)
    end
  end
  if marked == 0 then return end
  local nearer = first > redis.call('LLEN', list) - 1 - last -- from the tail
  redis.call('LREM', list, nearer and -marked or marked, mark)
end
unlist(ready, 'ready')
unlist(suspect, 'suspect')

if moved > 0 and redis.call('ZCOUNT', scheduled, '-inf', due) == moved and redis.call('ZCOUNT', retry, '-inf', due) == 0
  and redis.call('LLEN', alarm) == 0 then
  redis.call('RPUSH', alarm, '1')
end
if when == 'never' then
  if taken > 0 then redis.pcall('HINCRBY', count, 'withdrawn', taken) end
else
  if revived > 0 then redis.pcall('HINCRBY', count, 'revived', revived) end
  if taken > moved and channel ~= '' then redis.pcall('PUBLISH', channel, 'ready') end
end
return result

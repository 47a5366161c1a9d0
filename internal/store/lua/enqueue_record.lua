-- enqueue_record.lua: put in recorded jobs: of each a record, and a pointer to it where it waits.
--
-- The first write is an RPUSH or ZADD, so a full Redis refuses the whole call before anything is done.
-- It is safe to run twice: a record that is there already is not written.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] count HASH what was settled how: enqueued twice is counted as existed
-- KEYS[3...] for each job: its record HASH, and the lock of its uniqueness key STRING, or the record again;
--     then, if a job has a time or an id to be remembered, scheduled ZSET element → due, ms; retry ZSET
--     element → due, ms: counted only; seen ZSET id → time of enqueue, ms; alarm LIST at most one token:
--     something is due earlier than before
-- ARGV[1] window how long an id is remembered, ms
-- ARGV[2] most how many ids are remembered at most
-- ARGV[3...] groups of six for each job, at most 500:
--     1 to remember the id, else 0    id    when: '' now, '+ms' from now, 'ms' since 1970
--     pointer    job    lock: '' is not taken now, '0' until it is freed, 'ms' for so long at most
-- RETURN for each job: '1' put in, '0' the id was there already, or the id of the job that has the lock
-- COST O(n log set)
-- BY producer, worker, operator
local ready, count = KEYS[1], KEYS[2]
local window, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local behind = 3 + (#ARGV - 2) / 3
local scheduled, retry, seen, alarm = KEYS[behind], KEYS[behind + 1], KEYS[behind + 2], KEYS[behind + 3]

-- A script undoes nothing when it fails, so all that could fail is looked at before the first write, of
-- what is not there little. Without times and ids of the callers' own that is the push itself: it comes
-- first, and needs no look.
local function is(key, kind)
  local have = redis.call('TYPE', key).ok
  return have == kind or have == 'none'
end
local there, owners = {}, {}
for i = 3, #ARGV, 6 do
  local k = 3 + (i - 3) / 3
  local record, lock = KEYS[k], KEYS[k + 1]
  if redis.call('EXISTS', record) == 1 then
    if not is(record, 'hash') then return redis.error_reply('WRONGTYPE ' .. record .. ' is no hash') end
    there[record] = true
  end
  if ARGV[i + 5] ~= '' then owners[lock] = redis.call('GET', lock) end
end
local now
if alarm then
  for key, kind in pairs({[ready] = 'list', [scheduled] = 'zset', [retry] = 'zset', [seen] = 'zset', [alarm] = 'list'}) do
    if not is(key, kind) then return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind) end
  end
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local result, existed, ids, earliest, mine = {}, 0, 0, nil, 0
local k = 3
for i = 3, #ARGV, 6 do
  local own, id, at, pointer, job, hold = ARGV[i] == '1', ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local record, lock = KEYS[k], KEYS[k + 1]
  local answer = '1'
  local when = own and redis.call('ZSCORE', seen, id)
  if there[record] or when and tonumber(when) > now - window then
    answer = '0'
    existed = existed + 1
  elseif hold ~= '' and owners[lock] then
    answer = owners[lock]
  else
    local due = 0
    if string.sub(at, 1, 1) == '+' then
      due = now + tonumber(string.sub(at, 2))
    elseif at ~= '' then
      due = tonumber(at)
    end
    if at == '' or due <= now then
      redis.call('RPUSH', ready, pointer)
      redis.call('HSET', record, 'gen', 1, 'state', 'ready', 'job', job)
    else
      local added = redis.call('ZADD', scheduled, 'NX', due, pointer)
      if not earliest or due < earliest then earliest, mine = due, 0 end
      if due == earliest then mine = mine + added end
      redis.call('HSET', record, 'gen', 1, 'state', 'scheduled', 'at', due, 'job', job)
    end
    there[record] = true
    if own then
      redis.call('ZADD', seen, now, id)
      ids = ids + 1
    end
    if hold ~= '' then
      if hold == '0' then redis.call('SET', lock, id) else redis.call('SET', lock, id, 'PX', hold) end
      owners[lock] = id
    end
  end
  k = k + 2
  result[#result + 1] = answer
end

if earliest and redis.call('ZCOUNT', scheduled, '-inf', earliest) == mine
  and redis.call('ZCOUNT', retry, '-inf', earliest) == 0 and redis.call('LLEN', alarm) == 0 then
  redis.call('RPUSH', alarm, '1')
end
if existed > 0 then redis.pcall('HINCRBY', count, 'existed', existed) end
if ids > 0 then
  local old = redis.call('ZCOUNT', seen, '-inf', now - window)
  if old > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(old, 2 * ids + 10) - 1) end
  local over = redis.call('ZCARD', seen) - most
  if over > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(over, 2 * ids + 10) - 1) end
end
return result

-- enqueue.lua: put in jobs that have a time, or an id of the caller's own.
--
-- The first write is a ZADD or RPUSH, so a full Redis refuses the whole call before anything is done.
-- It is safe to run twice for jobs with an id; a scheduled one without is told by its token.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] scheduled ZSET element → due, ms
-- KEYS[3] retry ZSET element → due, ms: counted only
-- KEYS[4] seen ZSET id → time of enqueue, ms
-- KEYS[5] alarm LIST at most one token: something is due earlier than before
-- KEYS[6] count HASH what was settled how: enqueued twice is counted as existed
-- ARGV[1] window how long an id is remembered, ms
-- ARGV[2] most how many ids are remembered at most
-- ARGV[3...] groups of three for each job, at most 500:
--     id or ''    when: '' now, '+ms' from now, 'ms' since 1970    element
-- RETURN an integer for each job: 1 put in, 0 the id was there already
-- COST O(n log set)
-- BY producer, worker, operator
local ready, scheduled, retry, seen, alarm, count = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local window, most = tonumber(ARGV[1]), tonumber(ARGV[2])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A script undoes nothing when it fails: an id that is remembered for a job that was not put in
-- would lose it, so the types are looked at before, and it is remembered behind the job.
local kinds = {[ready] = 'list', [scheduled] = 'zset', [seen] = 'zset', [alarm] = 'list', [retry] = 'zset'}
for key, kind in pairs(kinds) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end

local result, existed, ids, earliest, mine = {}, 0, 0, nil, 0
for i = 3, #ARGV, 3 do
  local id, at, element = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local new = 1
  if id ~= '' then
    local when = redis.call('ZSCORE', seen, id)
    if when and tonumber(when) > now - window then
      new = 0
      existed = existed + 1
    end
  end
  if new == 1 then
    local due = now
    if string.sub(at, 1, 1) == '+' then
      due = now + tonumber(string.sub(at, 2))
    elseif at ~= '' then
      due = tonumber(at)
    end
    if due <= now then
      redis.call('RPUSH', ready, element)
    else
      local added = redis.call('ZADD', scheduled, 'NX', due, element)
      if not earliest or due < earliest then earliest, mine = due, 0 end
      if due == earliest then mine = mine + added end
    end
    if id ~= '' then
      redis.call('ZADD', seen, now, id)
      ids = ids + 1
    end
  end
  result[#result + 1] = new
end

-- Counted, not read: a producer needs no right to read jobs.
if earliest and redis.call('ZCOUNT', scheduled, '-inf', earliest) == mine
  and redis.call('ZCOUNT', retry, '-inf', earliest) == 0 and redis.call('LLEN', alarm) == 0 then
  redis.call('RPUSH', alarm, '1')
end
if existed > 0 then redis.pcall('HINCRBY', count, 'existed', existed) end
if ids > 0 then
  -- Each call forgets a little more than it adds, so that none has to forget much.
  local old = redis.call('ZCOUNT', seen, '-inf', now - window)
  if old > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(old, 2 * ids + 10) - 1) end
  local over = redis.call('ZCARD', seen) - most
  if over > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(over, 2 * ids + 10) - 1) end
end
return result

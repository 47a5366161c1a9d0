-- settle_act.lua: move, change or end a recorded job that does not run, or let it go to another queue.
--
-- It is safe to run twice: it acts on one generation of the record, and leaves another.
--
-- KEYS[1] record HASH of the job
-- KEYS[2] ready LIST own ready jobs of the queue
-- KEYS[3] suspect LIST jobs with two crashes behind them
-- KEYS[4] scheduled ZSET element → due, ms
-- KEYS[5] retry ZSET element → due, ms
-- KEYS[6] dead ZSET element → time of death, ms
-- KEYS[7] alarm LIST at most one token: something is due earlier than before
-- KEYS[8] count HASH what was settled how
-- KEYS[9] ended LIST ids of jobs whose records are kept
-- KEYS[10] lock STRING that the job's end frees, or the record again
-- KEYS[11] parked LIST who waits to run under the same key, or the record again
-- KEYS[12] running STRING id of the job that runs under it, or the record again
-- ARGV[1] what edit, move, end, remove; leave: it goes to another queue; left: it has gone
-- ARGV[2] id of the job
-- ARGV[3] was its generation
-- ARGV[4] body the job as it was read
-- ARGV[5] job as it is to be kept
-- ARGV[6] pointer as it is there; '' of one that leaves, to which none leads
-- ARGV[7] next pointer of the generation after it
-- ARGV[8] when of a move: '' now, '+ms' from now, 'ms' since 1970
-- ARGV[9] state to end with
-- ARGV[10] keep of an end: 'ms', or '0' to remove the record
-- ARGV[11] to the address to which it leaves
-- RETURN done; or running, changed, ended, missing, locked: a dead one whose lock another job has
-- COST O(log set); of one in a list that is not long, O(length)
-- BY worker, operator
local record, ready, suspect, scheduled, retry, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local alarm, count, ended, lock, parked, running = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local what, id, was, body, job = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local pointer, next, when, state, keep, to = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]

for key, kind in pairs({[record] = 'hash', [ready] = 'list', [suspect] = 'list', [scheduled] = 'zset', [retry] = 'zset', [dead] = 'zset', [alarm] = 'list', [ended] = 'list'}) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
if parked ~= record and redis.call('TYPE', parked).ok ~= 'list' and redis.call('EXISTS', parked) == 1 then
  return redis.error_reply('WRONGTYPE ' .. parked .. ' is no list')
end
local is = redis.call('HMGET', record, 'state', 'gen', 'job', 'left')
if not is[3] then return 'missing' end
if not is[2] then
  if what ~= 'remove' then return 'ended' end
  if was ~= '' then return 'changed' end -- it has ended since it was read
  redis.call('DEL', record)
  if is[4] then redis.call('HSET', record, 'state', is[1] or 'done', 'left', is[4]) end
  return 'done'
end
if is[2] ~= was or is[3] ~= body then return 'changed' end
redis.call('HDEL', record, '') -- a full Redis allows a script whose first write is this
if is[1] == 'running' then
  if what == 'end' then redis.call('HSET', record, 'cancel', '1') end -- for a worker that hears no message
  return 'running'
end

if what == 'leave' and is[1] == 'dead' then return 'ended' end
local owner = is[1] == 'dead' and what == 'move' and lock ~= record and redis.call('GET', lock)
if owner and owner ~= id then return 'locked' end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if what == 'edit' then
  redis.call('HSET', record, 'job', job)
  redis.pcall('PUBLISH', record, 'edited')
  return 'done'
end

-- A script undoes nothing when it fails. So where the job goes is written before its pointer is taken
-- away, which from then on leads to another generation than the record's.
local due = now
if string.sub(when, 1, 1) == '+' then
  due = now + tonumber(string.sub(when, 2))
elseif when ~= '' then
  due = tonumber(when)
end
if what == 'leave' then
  -- No pointer leads to it from now on: who has moved it, or acts on it next, puts it in there.
  redis.call('HSET', record, 'state', 'parked', 'gen', was + 1, 'to', to)
elseif what == 'move' then
  state = due > now and 'scheduled' or 'ready'
  if is[1] == 'dead' and lock ~= record then redis.call('SET', lock, id) end
  if due > now then redis.call('ZADD', scheduled, 'NX', due, next) else redis.call('RPUSH', ready, next) end
  redis.call('HSET', record, 'state', state, 'at', due, 'gen', was + 1, 'job', job)
  redis.call('HDEL', record, 'to')
  if is[1] == 'dead' then redis.call('HDEL', record, 'cancel') end
end

-- Where it is not found, as somebody is just taking it, or a list is too long to look through, the pointer
-- is left behind: whoever claims it sees that it is of another generation. How many were is noted, so that
-- what is left of the record says so as long as one of them lies somewhere.
local longest = 10000
local function take(list)
  local near = redis.call('LLEN', list) <= longest
  if not near then
    -- Who goes through a long list from its head finds it there.
    for _, element in ipairs(redis.call('LRANGE', list, 0, 63)) do near = near or element == pointer end
  end
  return near and redis.call('LREM', list, 1, pointer)
end
local left = tonumber(is[4] or 0)
if pointer ~= '' and redis.call('ZREM', scheduled, pointer) + redis.call('ZREM', retry, pointer) + redis.call('ZREM', dead, pointer) == 0
  and take(ready) ~= 1 and take(suspect) ~= 1 and (parked == record or take(parked) ~= 1) then
  left = left + 1
  redis.call('HSET', record, 'left', left)
end

-- It may have been its turn to run under the key: then it is that of the next.
if running ~= record and redis.call('EXISTS', running) == 0 then
  local turn = redis.call('LRANGE', parked, 0, 0)[1]
  if turn then
    redis.call('RPUSH', ready, turn)
    redis.call('LREM', parked, 1, turn)
  end
end

if what == 'leave' then
  redis.pcall('PUBLISH', record, 'parked')
  return 'done'
end

if what == 'left' then
  redis.call('HSET', record, 'state', 'moved', 'to', to)
  if left == 0 then redis.call('PEXPIRE', record, keep) end -- before it is that of no job
  local names = redis.call('HKEYS', record)
  for n = 1, #names, 1000 do
    local gone = {''}
    for k = n, math.min(n + 999, #names) do
      if names[k] ~= 'state' and names[k] ~= 'to' and names[k] ~= 'left' then gone[#gone + 1] = names[k] end
    end
    redis.call('HDEL', record, unpack(gone))
  end
  redis.call('RPUSH', ended, id)
  if lock ~= record and redis.pcall('GET', lock) == id then redis.call('DEL', lock) end
  redis.pcall('PUBLISH', record, 'moved')
  redis.pcall('HINCRBY', count, 'moved', 1)
  return 'done'
end

if what == 'end' or what == 'remove' then
  if keep == '0' or what == 'remove' then
    redis.call('DEL', record)
    if left > 0 then redis.call('HSET', record, 'state', state, 'left', left) end
  else
    redis.call('HSET', record, 'state', state, 'job', job)
    -- Before it is that of no job: else, when a call fails in between, it stayed for ever. With pointers left
    -- behind it stays until the last of them, as nobody knew of them any more.
    if left == 0 then redis.call('PEXPIRE', record, keep) end
    redis.call('HDEL', record, 'gen', 'at', 'cursor', 'cancel')
    redis.call('RPUSH', ended, id)
  end
  if lock ~= record and redis.pcall('GET', lock) == id then redis.call('DEL', lock) end
  redis.pcall('PUBLISH', record, state)
  redis.pcall('HINCRBY', count, 'withdrawn', 1)
  return 'done'
end

if due > now and redis.call('ZCOUNT', scheduled, '-inf', due) == 1 and redis.call('ZCOUNT', retry, '-inf', due) == 0
  and redis.call('LLEN', alarm) == 0 then
  redis.call('RPUSH', alarm, '1')
end
redis.pcall('PUBLISH', record, state)
return 'done'

-- fetch.lua: the exchange. It settles what is finished, accepts what a BLMOVE has handed over,
-- moves what is due and claims ready jobs: one round trip for all that a worker wants of a queue.
--
-- It is safe to run twice. A tag leaves `held` once, so an outcome that comes again finds nothing;
-- whoever repeats a lost call brings new tags, for the lost one may have claimed or accepted too, or may
-- still come and do so.
-- A worker that is not in `workers` with score 0 gets nothing: what it still holds it may settle.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] list LIST where new jobs are taken: a foreign list, or ready again
-- KEYS[3] hand LIST what a BLMOVE has just handed to me
-- KEYS[4] held HASH tag → element: what I hold
-- KEYS[5] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[6] suspect LIST jobs with two crashes behind them
-- KEYS[7] scheduled ZSET element → due, ms
-- KEYS[8] retry ZSET element → due, ms
-- KEYS[9] dead ZSET element → time of death, ms
-- KEYS[10] alarm LIST at most one token: something is due earlier than before
-- KEYS[11] rules HASH what holds back the queue: paused
-- KEYS[12] count HASH what was settled how; claimed, of which the fence is made
-- KEYS[13] ended LIST ids of jobs whose records are kept, the oldest first
-- KEYS[14...] for each recorded job of the outcomes its record HASH; of one with a lock also the lock STRING
--     that its end frees, the one under which it runs, who is parked behind that LIST: the record again
--     where there is none
-- ARGV[1] me incarnation
-- ARGV[2] want most jobs to claim, at most 500
-- ARGV[3] tags want tags for them, of 13 digits each, one behind the other: to make them of numbers
--     here would cost more than all else that is done with a job
-- ARGV[4] head LEFT or RIGHT: the end of list where jobs are taken
-- ARGV[5] lone 1 when a suspect may be claimed
-- ARGV[6] channel of the queue, to tell its workers of jobs that wake no BLMOVE
-- ARGV[7] strays 1 to claim what else lies in hand: only if I know that no BLMOVE of mine is under
--     way, nor a job that one has handed over and that was not accepted yet
-- ARGV[8] handed the tag for what was handed over, and behind it those that calls which were lost have
--     brought for it, of 13 digits each; or ''
-- ARGV[9] element what was handed over
-- ARGV[10] done how many tags of jobs that are simply done follow, at most 500
-- ARGV[11] others how many other outcomes there are
-- ARGV[12...] the tags, then groups of four for each other outcome:
--     state  retry, snooze, unknown → retry; release, undo, suspect → the head of ready, of list, of suspect;
--         dead; cancelled, expired; done; stale: a pointer that was left behind; parked behind who runs
--         under the same key
--     tag    ms: the delay of a retry    element as it is to be kept
--   then for each of these that is recorded: which of them it is, from 1 on    its id    1 with a lock, else 0
--     generation, '' if it stays, 'plain' of one that ends and has nothing in its record but gen, state,
--     at and job    keep: '' it goes on, '0' the record goes now, 'ms' in so long
--     how many fields of the record follow, names and values    the fields
-- RETURN {alive, now ms, done, accepted, fence, held, paused, first, due ms or -1, lone, trouble, refused tags, elements}
--     alive     0: nothing was claimed, my jobs are lost but for the outcomes that were not refused
--     done      how many of the done tags were held
--     accepted  which of the tags of handed it is held under now, from 1 on, or 0
--     fence     the number of the last job claimed here; the elements have the numbers up to it
--     held      how many I hold now
--     first     1: I am the first of the workers, and have the timer
--     due       when the next job is due; first and due are told only when less than want was there
--     lone      1: the first element is a suspect
--     trouble   '' or the error that kept a part of this from being done
-- COST O(done + outcomes + claimed + tags of handed), log of the sets for retried and due jobs
-- BY worker
local ready, list, hand, held, workers, suspect = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local scheduled, retry, dead, alarm, rules, count, ended = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local me, want, tags, head, lone = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5] == '1'
local channel, strays, handed, element, done = ARGV[6], ARGV[7] == '1', ARGV[8], ARGV[9], tonumber(ARGV[10])
local others = tonumber(ARGV[11])
local outcomes = 12 + done
local behind = outcomes + 4 * others

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local push = head == 'RIGHT' and 'RPUSH' or 'LPUSH'

local trouble = ''
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    trouble = reply.err
    return nil
  end
  return reply
end

local function is(key, kind)
  local have = redis.call('TYPE', key).ok
  return have == kind or have == 'none'
end

-- A script undoes nothing when it fails, so all that could fail is looked at before the first write.
local targets = {retry = retry, snooze = retry, unknown = retry, dead = dead, release = ready, undo = list, suspect = suspect}
local named = {snooze = 'retry', unknown = 'retry', release = 'ready', undo = 'ready'} -- as a state of the job
local later = false
for i = outcomes, behind - 1, 4 do
  local target = targets[ARGV[i]]
  local kind = (target == retry or target == dead) and 'zset' or 'list'
  if target and not is(target, kind) then
    return redis.error_reply('WRONGTYPE ' .. target .. ' is no ' .. kind)
  end
  later = later or target == retry
end
local records, free, write, forget -- of recorded jobs: their part of the arguments; gives up locks; notes an outcome, a stale pointer
if behind <= #ARGV then
  records = {}
  local i, k = behind, 14
  while i <= #ARGV do
    local n = tonumber(ARGV[i + 2])
    local r = {
      record = KEYS[k], lock = KEYS[k + n], running = KEYS[k + 2 * n], parked = KEYS[k + 3 * n],
      id = ARGV[i + 1], gen = ARGV[i + 3], keep = ARGV[i + 4], first = i + 6, last = i + 5 + tonumber(ARGV[i + 5]),
    }
    for f = r.first, r.last, 2 do
      if ARGV[f] == 'job' then r.job = ARGV[f + 1] end
    end
    records[tonumber(ARGV[i])] = r
    if r.gen ~= 'plain' then
      r.is = redis.pcall('HMGET', r.record, 'gen', 'left')
      r.alien = r.is.err
      if r.alien and not string.find(r.alien, 'WRONGTYPE', 1, true) then return redis.error_reply(r.alien) end
    end
    if r.parked ~= r.record and not is(r.parked, 'list') then
      return redis.error_reply('WRONGTYPE ' .. r.parked .. ' is no list')
    end
    if r.running ~= r.record and not is(ready, 'list') then
      return redis.error_reply('WRONGTYPE ' .. ready .. ' is no list')
    end
    i, k = r.last + 1, k + 1 + 3 * n
  end
  if not is(ended, 'list') then
    return redis.error_reply('WRONGTYPE ' .. ended .. ' is no list')
  end

  -- pass lets the next run that waits for the one that runs under the same key, if that is this job, or
  -- none: then this job had the turn, and goes without having run. One that comes too early parks again.
  -- A stale pointer may have had the turn, but it is another one by which its job runs.
  local function pass(r, stale)
    if r.running == r.record then return end
    local owner = redis.pcall('GET', r.running)
    local mine = owner == r.id and not stale
    if owner and not mine then return end
    local next = redis.call('LINDEX', r.parked, 0)
    if next then redis.call('LPUSH', ready, next) end
    if mine then redis.call('DEL', r.running) end
    if next then redis.call('LPOP', r.parked) end
  end

  free = function(r, state)
    if r.lock ~= r.record and (r.keep ~= '' or state == 'dead') and redis.pcall('GET', r.lock) == r.id then
      redis.call('DEL', r.lock)
    elseif r.lock ~= r.record and (state == 'ready' or state == 'suspect') then
      redis.call('SET', r.lock, r.id, 'NX') -- it waits again; another that has come since keeps the lock
    end
    if state ~= 'parked' then pass(r) end
  end
  write = function(r, state, at)
    local left = r.is and r.is[2] and redis.call('HGET', r.record, 'left') -- read anew: it may just have changed
    if r.alien then
      -- Somebody has put something else there. The job goes on without it.
    elseif r.keep == '' then
      redis.call('HSET', r.record, 'state', state, 'at', at, unpack(ARGV, r.first, r.last))
      if r.gen ~= '' then redis.call('HSET', r.record, 'gen', r.gen) end
    elseif r.keep == '0' then
      redis.call('DEL', r.record)
      if left then redis.call('HSET', r.record, 'state', state, 'left', left) end
    else
      -- The record is that of a job, by its gen, until it has a TTL: else, when a call fails in between, it
      -- stayed for ever.
      local wrote = not r.is and redis.pcall('HSET', r.record, unpack(ARGV, r.first, r.last))
      if type(wrote) ~= 'number' then
        -- A plain one was not looked at: somebody may have put something else there.
        if wrote and string.find(wrote.err, 'WRONGTYPE', 1, true) then redis.call('DEL', r.record) end
        redis.call('HSET', r.record, unpack(ARGV, r.first, r.last))
      end
      if not left then redis.call('PEXPIRE', r.record, r.keep) end
      redis.call('HDEL', r.record, 'gen', 'state', 'at', 'cursor', 'cancel')
      if state ~= 'done' or left then redis.call('HSET', r.record, 'state', state) end -- of most it is memory for nothing
      redis.call('RPUSH', ended, r.id)
    end
    redis.pcall('PUBLISH', r.record, state)
  end
  -- A record knows how many pointers were left behind. What is left of one that has gone goes with the last.
  forget = function(r)
    pass(r, true)
    local left = r.is[2] and redis.call('HGET', r.record, 'left')
    if not left then return end
    if tonumber(left) > 1 then
      redis.call('HINCRBY', r.record, 'left', -1)
    else
      redis.call('HDEL', r.record, 'left')
      local is = redis.call('HMGET', r.record, 'job', 'to') -- to: it leads to where the job has gone
      if not is[1] and not is[2] then redis.call('DEL', r.record) end
    end
  end
end

local score = redis.call('ZSCORE', workers, me)
local alive = score and tonumber(score) == 0
local lying = redis.call('LLEN', hand)
if lying > 0 and not is(list, 'list') then
  return redis.error_reply('WRONGTYPE ' .. list .. ' is no list')
end

-- The first write is an HDEL, also when there is nothing to delete: a full Redis allows it, and
-- after it the rest. It also fails first if held is no hash.
local counted, refused = {}, {}
if alive and done > 0 then
  counted.done = redis.call('HDEL', held, unpack(ARGV, 12, outcomes - 1))
else
  redis.call('HDEL', held, '')
  counted.done = 0
  for i = 12, outcomes - 1 do
    if redis.call('HDEL', held, ARGV[i]) == 1 then
      counted.done = counted.done + 1
    else
      refused[#refused + 1] = ARGV[i]
    end
  end
end

local settled = counted.done

local function next_due()
  local due = -1
  for _, set in ipairs({scheduled, retry}) do
    local top = try('ZRANGE', set, 0, 0, 'WITHSCORES')
    if top and top[2] and (due < 0 or tonumber(top[2]) < due) then due = tonumber(top[2]) end
  end
  return due
end

local before = later and next_due() or -1
local earliest, released = nil, 0
local holds, settling = nil, {}
if others > 0 then
  for i = outcomes, behind - 1, 4 do settling[#settling + 1] = ARGV[i + 1] end
  holds = redis.call('HMGET', held, unpack(settling))
end
for i = outcomes, behind - 1, 4 do
  local state, mine, ms, kept = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local r = records and records[(i - outcomes) / 4 + 1]
  if r and r.gen ~= '' and (state == 'parked' or targets[state] == ready or state == 'suspect')
    and r.is[1] ~= r.gen then -- somebody has moved or ended it since
    if state == 'parked' then state = 'stale' else r = nil end
  end
  if not holds[(i - outcomes) / 4 + 1] then
    refused[#refused + 1] = mine
  else
    local becomes = named[state] or state
    if r and state ~= 'stale' then free(r, becomes) end
    if targets[state] == retry then
      redis.call('ZADD', retry, 'NX', now + ms, kept)
      if not earliest or now + ms < earliest then earliest = now + ms end
    elseif state == 'release' then
      redis.call('LPUSH', ready, kept)
      released = released + 1
    elseif state == 'undo' then
      redis.call(push, list, kept)
      state = 'release'
    elseif state == 'suspect' then
      redis.call('LPUSH', suspect, kept)
      state = 'release'
      try('PUBLISH', channel, 'ready') -- nobody blocks on it
    elseif state == 'dead' then
      if r and r.alien then kept = r.job or kept end -- nothing could follow the pointer
      redis.call('ZADD', dead, 'NX', now, kept)
    elseif state == 'stale' then
      if r then forget(r) end
    elseif state == 'parked' then
      local owner = redis.pcall('GET', r.running)
      if owner == r.id then -- it was opened once more since, by a call that came late
        redis.call('DEL', r.running)
        owner = false
      end
      if owner then
        redis.call('RPUSH', r.parked, kept)
      else
        redis.call('LPUSH', ready, kept) -- who was before it has ended
        becomes = 'ready'
        released = released + 1
      end
    end
    if r and state ~= 'stale' then write(r, becomes, now + ms) end -- behind the pointer: to its generation one has to lead
    counted[state] = (counted[state] or 0) + 1
  end
end
if others > 0 then redis.call('HDEL', held, unpack(settling)) end
if earliest and (before < 0 or earliest < before) and try('LLEN', alarm) == 0 then
  try('RPUSH', alarm, '1')
end

-- What lies in hand with the same bytes may be another job. So what an earlier call has accepted is
-- looked for before, and no call but the first brings its tag: it may come late, and then another
-- job gets that tag.
local accepted, took = 0, 0
if alive and handed ~= '' then
  local mine = string.sub(handed, 1, 13)
  for i = 14, #handed, 13 do
    if accepted == 0 and redis.call('HEXISTS', held, string.sub(handed, i, i + 12)) == 1 then
      accepted = (i + 12) / 13
    end
  end
  if accepted == 0 and redis.call('HSET', held, mine, element) == 0 then
    accepted = 1 -- this call has been here before
  elseif accepted == 0 and redis.call('LREM', hand, 1, element) == 1 then
    lying = lying - 1
    accepted, took = 1, 1
  elseif accepted == 0 then
    redis.call('HDEL', held, mine)
  end
end

local paused = 0
if alive and try('HEXISTS', rules, 'paused') == 1 then paused = 1 end
if not alive or paused == 1 then want = 0 end

-- What is claimed is read first, and taken away when it is held.
local claimed, suspects, stray = {}, 0, 0
if want > 0 and lone then
  claimed[1] = try('LINDEX', suspect, 0) or nil
  suspects = #claimed
end
if lying > 0 and (strays or not alive) then
  stray = math.min(lying, want - suspects)
  for i = 1, stray do claimed[suspects + i] = redis.call('LINDEX', hand, i - 1) end
  for _ = stray + 1, lying do -- beyond what may start here: back to the head, the oldest last
    redis.call(push, list, redis.call('LINDEX', hand, -1))
    redis.call('RPOP', hand)
  end
end

local moved = 0
if alive then
  for _, set in ipairs({scheduled, retry}) do
    local due = try('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, 250)
    if due and #due > 0 and is(ready, 'list') then
      redis.call('RPUSH', ready, unpack(due))
      redis.call('ZREM', set, unpack(due))
      moved = moved + #due
    end
  end
end

local function look(key, right)
  local n = want - #claimed
  local got = n > 0 and try('LRANGE', key, right and -n or 0, right and -1 or n - 1) or {}
  for i = 1, #got do claimed[#claimed + 1] = got[right and #got + 1 - i or i] end
  return #got
end
local own, foreign = look(ready), 0
if list ~= ready then
  foreign = look(list, head == 'RIGHT')
  -- Nobody blocks on the own list of a foreign queue.
  if moved + released > 0 and redis.call('LLEN', ready) > own then try('PUBLISH', channel, 'ready') end
end
if #claimed > 0 then
  local fields, sub = {}, string.sub
  for i = 1, #claimed do
    fields[2 * i - 1] = sub(tags, 13 * i - 12, 13 * i)
    fields[2 * i] = claimed[i]
  end
  redis.call('HSET', held, unpack(fields))
  if suspects > 0 then redis.call('LTRIM', suspect, 1, -1) end
  if stray > 0 then redis.call('LTRIM', hand, stray, -1) end
  if own > 0 then redis.call('LTRIM', ready, own, -1) end
  if foreign > 0 and head == 'RIGHT' then
    redis.call('LTRIM', list, 0, -foreign - 1)
  elseif foreign > 0 then
    redis.call('LTRIM', list, foreign, -1)
  end
end

-- Of a worker that is known, a tag that is not held was settled by an earlier call.
if not alive then counted.refused = #refused end
for state, n in pairs(counted) do
  if n > 0 then try('HINCRBY', count, state, n) end
end
local fence = 0
if #claimed + accepted > 0 then
  -- A repetition does not know the number that was given before: it takes the last one, which is
  -- not lower. So claimed is always what was settled, swept, and is held.
  fence = try('HINCRBY', count, 'claimed', #claimed + took) or 0
end

local first, due = 0, -1
if alive and (#claimed < want or want == 0) then
  if redis.call('ZRANGEBYSCORE', workers, 0, 0, 'LIMIT', 0, 1)[1] == me then first = 1 end
  due = next_due()
end
return {
  alive and 1 or 0, now, settled, accepted, fence, redis.call('HLEN', held),
  paused, first, due, suspects, trouble, refused, claimed,
}

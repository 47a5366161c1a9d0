-- enqueue_import.lua: put in jobs that come from another server, queue or file, each as it was there.
--
-- The first write is one that a full Redis refuses, so that it refuses the whole call. It is safe to run
-- twice: what has come in is remembered, by the number of its line in a run, or by a name; and as a
-- script undoes nothing when it fails, its record has that from its first write on.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] suspect LIST jobs with two crashes behind them
-- KEYS[3] scheduled ZSET element → due, ms
-- KEYS[4] retry ZSET element → due, ms
-- KEYS[5] dead ZSET element → time of death, ms
-- KEYS[6] alarm LIST at most one token: something is due earlier than before
-- KEYS[7] seen ZSET id, or name of what was put in → time, ms
-- KEYS[8] imports HASH run → the last line of it that has come in, and when
-- KEYS[9...] for each recorded job its record HASH, and the lock STRING that its end frees, or the record
--     again
-- ARGV[1] window how long an id or a name is remembered, ms
-- ARGV[2] most how many of them are remembered at most
-- ARGV[3] run of which these are lines, each after the one before; '' if they have names
-- ARGV[4...] for each job, at most 500: its line, or ''    its name, or ''    its id    when the id was
--     remembered where it comes from, ms, or ''    ready, suspect, scheduled, retry or dead    ms of the
--     last three, or ''    element    generation, '' of a bare one    how many fields of the record
--     follow, names and values    the fields, job at their end
-- RETURN for each: done; again: it has come in before; there: another job has its id; locked: another
--     job has its lock
-- COST O(n log set)
-- BY operator
local ready, suspect, scheduled, retry, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local alarm, seen, imports = KEYS[6], KEYS[7], KEYS[8]
local window, most, run = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kinds = {[ready] = 'list', [suspect] = 'list', [scheduled] = 'zset', [retry] = 'zset', [dead] = 'zset', [alarm] = 'list', [seen] = 'zset', [imports] = 'hash'}
for k = 9, #KEYS, 2 do kinds[KEYS[k]] = 'hash' end
for key, kind in pairs(kinds) do
  local have = redis.call('TYPE', key).ok
  if have ~= kind and have ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is no ' .. kind)
  end
end
local owners = {}
for k = 10, #KEYS, 2 do
  if KEYS[k] ~= KEYS[k - 1] then owners[KEYS[k]] = redis.call('GET', KEYS[k]) end
end

local function known(name)
  local when = redis.call('ZSCORE', seen, name)
  return when and tonumber(when) > now - window
end
local mark = 0
if run ~= '' then mark = tonumber(string.match(redis.call('HGET', imports, run) or '', '^%d+') or 0) end
local last, written = mark, mark

local lists, sets = {ready = ready, suspect = suspect}, {scheduled = scheduled, retry = retry, dead = dead}
local result, names, i, k = {}, 0, 4, 9
while i <= #ARGV do
  local line, name, id, remembered = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local place, at, element, gen, fields = ARGV[i + 4], tonumber(ARGV[i + 5]), ARGV[i + 6], ARGV[i + 7], tonumber(ARGV[i + 8])
  local record, lock
  if gen ~= '' then
    record, lock = KEYS[k], KEYS[k + 1]
    k = k + 2
  end
  local is = record and redis.call('HMGET', record, 'state', 'gen', 'job', 'left', 'from') or {}
  local from = line and run .. ' ' .. line or name
  local answer, half = 'done', false
  if line and line <= mark or name ~= '' and known(name) then
    answer = 'again'
    if line and remembered then redis.call('ZADD', seen, 'NX', remembered, id) end -- it may have failed between both
  elseif is[3] and is[5] == from then
    answer, half = 'again', true -- the call has failed behind the record
    if lock ~= record and place ~= 'dead' and is[1] == place and is[2] == gen and not owners[lock] then
      redis.call('SET', lock, id)
      owners[lock] = id
    end
  elseif is[5] ~= from and (is[2] or is[3]) or remembered and known(id) then
    answer = 'there'
  elseif record and lock ~= record and place ~= 'dead' and owners[lock] and owners[lock] ~= id then
    answer = 'locked'
  end
  if answer == 'done' then
    local list, set = lists[place], sets[place]
    if list then
      redis.call('RPUSH', list, element)
    else
      redis.call('ZADD', set, 'NX', at, element)
      if place ~= 'dead' and redis.call('LLEN', alarm) == 0 then redis.call('RPUSH', alarm, '1') end
    end
    if record then
      -- One that has left the queue may have left its new address behind, for a time.
      redis.call('DEL', record)
      local head = {'from', from, 'gen', gen, 'state', place}
      if is[4] then head[7], head[8] = 'left', is[4] end
      if at then head[#head + 1], head[#head + 2] = 'at', at end
      local behind = i + 9 + fields
      for f = i + 9, behind - 1, 100 do
        for a = f, math.min(f + 99, behind - 1) do head[#head + 1] = ARGV[a] end
        redis.call('HSET', record, unpack(head))
        head = {}
      end
      if lock ~= record and place ~= 'dead' then
        redis.call('SET', lock, id)
        owners[lock] = id
      end
      redis.pcall('PUBLISH', record, place)
    end
  end
  if answer == 'done' or half then
    if line and line > written then
      redis.call('HSET', imports, run, string.format('%.0f %.0f', line, now))
      written = line
    end
    if name ~= '' and remembered then
      redis.call('ZADD', seen, now, name, remembered, id)
      names = names + 2
    elseif name ~= '' or remembered then
      redis.call('ZADD', seen, remembered or now, name ~= '' and name or id)
      names = names + 1
    end
  end
  if line and line > last then last = line end
  result[#result + 1] = answer
  i = i + 9 + fields
end

if last > mark then
  if last > written then redis.call('HSET', imports, run, string.format('%.0f %.0f', last, now)) end
  -- Nobody goes on with a hundred files at a time.
  if redis.call('HLEN', imports) > 100 then
    local all, oldest, least = redis.call('HGETALL', imports), nil, nil
    for n = 1, #all, 2 do
      local when = tonumber(string.match(all[n + 1], '%d+$') or 0)
      if not least or when < least then oldest, least = all[n], when end
    end
    redis.call('HDEL', imports, oldest)
  end
end
if names > 0 then
  -- Each call forgets a little more than it adds, so that none has to forget much.
  local old = redis.call('ZCOUNT', seen, '-inf', now - window)
  if old > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(old, 2 * names + 10) - 1) end
  local over = redis.call('ZCARD', seen) - most
  if over > 0 then redis.call('ZREMRANGEBYRANK', seen, 0, math.min(over, 2 * names + 10) - 1) end
end
return result

-- settle_revive.lua: dead jobs become ready again, each once.
--
-- One whose record is not as it was read is left as it is.
--
-- KEYS[1] ready LIST own ready jobs of the queue
-- KEYS[2] dead ZSET element → time of death, ms
-- KEYS[3] count HASH what was settled how
-- KEYS[4...] for each recorded job its record HASH, its lock STRING: the record again where there is none
-- ARGV[1] channel of the queue, or '' when a push to ready wakes its workers
-- ARGV[2] jobs how many
-- ARGV[3...] groups of two for each job, at most 500: element as it is there, as it is to be kept
--   then groups of six for each that is recorded: which of them it is, from 1 on    its id
--     generation as it is there, as it will be    job as it was read, as it is to be kept
-- RETURN {moved, stay}
--     stay  how many stay dead: another job has the lock, or the record does not know the pointer
-- COST O(n log dead)
-- BY operator
local ready, dead, count = KEYS[1], KEYS[2], KEYS[3]
local channel, jobs = ARGV[1], tonumber(ARGV[2])
local behind = 3 + 2 * jobs
local have = redis.call('TYPE', ready).ok
if have ~= 'list' and have ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. ready .. ' is no list')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local records, k = {}, 4
for i = behind, #ARGV, 6 do
  records[tonumber(ARGV[i])] = {
    record = KEYS[k], lock = KEYS[k + 1], id = ARGV[i + 1],
    was = ARGV[i + 2], gen = ARGV[i + 3], read = ARGV[i + 4], job = ARGV[i + 5],
  }
  k = k + 2
end
local moved, stay = 0, 0
for i = 3, behind - 1, 2 do
  local r = records[(i - 3) / 2 + 1]
  local owner = r and r.lock ~= r.record and redis.pcall('GET', r.lock)
  local of = r and redis.pcall('HMGET', r.record, 'gen', 'job')
  if r and (owner and owner ~= r.id or of[1] ~= r.was) then
    if redis.call('ZSCORE', dead, ARGV[i]) then stay = stay + 1 end
  elseif (not r or of[2] == r.read) and redis.call('ZSCORE', dead, ARGV[i]) then
    redis.call('ZREM', dead, '') -- a full Redis allows a script whose first write is this
    if r and r.lock ~= r.record then redis.call('SET', r.lock, r.id) end
    redis.call('RPUSH', ready, ARGV[i + 1])
    if r then
      redis.call('HSET', r.record, 'state', 'ready', 'at', now, 'gen', r.gen, 'job', r.job)
      redis.call('HDEL', r.record, 'cancel')
      redis.pcall('PUBLISH', r.record, 'ready')
    end
    redis.call('ZREM', dead, ARGV[i])
    moved = moved + 1
  end
end
if moved > 0 then
  redis.pcall('HINCRBY', count, 'revived', moved)
  if channel ~= '' then redis.pcall('PUBLISH', channel, 'ready') end
end
return {moved, stay}

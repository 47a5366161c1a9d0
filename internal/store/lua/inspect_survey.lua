-- inspect_survey.lua: how many jobs of queues are in which state, at one moment.
--
-- What cannot be read of a queue, as a key has another type, hides only that queue.
--
-- KEYS[1] ready LIST own ready jobs of the first queue
-- KEYS[2] suspect LIST jobs with two crashes behind them
-- KEYS[3] scheduled ZSET element → due, ms
-- KEYS[4] retry ZSET element → due, ms
-- KEYS[5] dead ZSET element → time of death, ms
-- KEYS[6] seen ZSET id → time of enqueue, ms
-- KEYS[7] ended LIST ids of jobs whose records are kept
-- KEYS[8] rules HASH rule → value
-- KEYS[9] count HASH what was settled how
-- KEYS[10] workers ZSET incarnation → 0, or the time its lease ended
-- KEYS[11] list LIST where new jobs are taken
-- KEYS[12...] hand LIST and held HASH of each incarnation that the caller knows; then all that for the others
-- ARGV[1...] for each queue: how many incarnations follow
-- RETURN for each queue {lengths in the order of the keys, rules, count, workers, elements}, or {error}
--     lengths   of lists and sets, and behind them those of hand and held
--     elements  the first of ready, the first and the last of list; '' where there is none
-- COST O(members) for each queue
-- BY operator
local ready, suspect, scheduled, retry, dead, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local ended, rules, count, workers, list = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]

local failed
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    failed = failed or reply.err
    return 0
  end
  return reply
end

local result, k = {}, 12
for i = 1, #ARGV do
  failed = nil
  local lengths = {
    try('LLEN', ready), try('LLEN', suspect), try('ZCARD', scheduled), try('ZCARD', retry), try('ZCARD', dead), try('ZCARD', seen),
    try('LLEN', ended), try('LLEN', list),
  }
  local ends = {try('LINDEX', ready, 0) or '', try('LINDEX', list, 0) or '', try('LINDEX', list, -1) or ''}
  local hashes = {try('HGETALL', rules), try('HGETALL', count), try('ZRANGE', workers, 0, -1, 'WITHSCORES')}
  for _ = 1, tonumber(ARGV[i]) do
    lengths[#lengths + 1] = try('LLEN', KEYS[k])
    lengths[#lengths + 1] = try('HLEN', KEYS[k + 1])
    k = k + 2
  end
  result[i] = failed and {failed} or {lengths, hashes[1], hashes[2], hashes[3], ends}
  ready, suspect, scheduled, retry, dead, seen = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4], KEYS[k + 5]
  ended, rules, count, workers, list = KEYS[k + 6], KEYS[k + 7], KEYS[k + 8], KEYS[k + 9], KEYS[k + 10]
  k = k + 11
end
return result

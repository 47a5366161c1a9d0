-- sweep_observe.lua: one round of the observer: the beats and subscriptions of all workers.
--
-- KEYS[1] workers HASH worker → beats; the field @observer → worker
-- ARGV[1] me worker
-- ARGV[2] numsub NUMSUB or SHARDNUMSUB
-- ARGV[3] prefix of the channel that a worker is subscribed to
-- RETURN {} when another observes, else worker, beats, subscriptions (-1 when that cannot be told) for each
-- COST O(workers)
-- BY worker
local workers = KEYS[1]
local me, numsub, prefix = ARGV[1], ARGV[2], ARGV[3]
local all = redis.call('HGETALL', workers)
local ids, beats, observer = {}, {}, nil
for i = 1, #all, 2 do
  if all[i] == '@observer' then
    observer = all[i + 1]
  else
    ids[#ids + 1] = all[i]
    beats[#beats + 1] = all[i + 1]
  end
end
if observer ~= me then return {} end
local result = {}
for from = 1, #ids, 500 do
  local to = math.min(from + 499, #ids)
  local channels = {}
  for i = from, to do channels[#channels + 1] = prefix .. ids[i] end
  local subscribed = redis.pcall('PUBSUB', numsub, unpack(channels))
  for i = from, to do
    result[#result + 1] = ids[i]
    result[#result + 1] = beats[i]
    result[#result + 1] = subscribed.err and -1 or subscribed[2 * (i - from + 1)]
  end
end
return result

-- inspect_operate.lua: the state of an operation is written by who runs it, and by nobody else.
--
-- The fields of an operation are ID: what it is; ID:lease: until when it is whose; ID:cancel: who
-- wants it to end.
--
-- KEYS[1] operations HASH of the last ones
-- ARGV[1] what begin; take: go on with one that nobody runs; step; end; cancel
-- ARGV[2] id of the operation, by which they sort by time
-- ARGV[3] runner who runs it, or wants it to end
-- ARGV[4] lease for how long it is the runner's, ms
-- ARGV[5] state of the operation: JSON; '' leaves it as it is
-- ARGV[6] most how many operations are kept
-- RETURN {done, who wants it to end or ''}; or {lost}, {held}: another runs it, {missing}, {ended}
-- COST O(most) of begin, O(1) of the others
-- BY operator
local operations = KEYS[1]
local what, id, runner, lease, state, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is = redis.call('HMGET', operations, id, id .. ':lease', id .. ':cancel')
local function run(held)
  if not held then return end
  local till, by = string.match(held, '^(%d+) (.*)$')
  return by, till and tonumber(till) > now
end
local by, alive = run(is[2])
if what ~= 'begin' and not is[1] then return {'missing'} end
if what == 'take' and alive and by ~= runner then return {'held'} end
if (what == 'step' or what == 'end') and by ~= runner then return {'lost'} end
if what == 'cancel' and not is[2] then return {'ended'} end

redis.call('HDEL', operations, '') -- a full Redis allows a script whose first write is this
if what == 'cancel' then
  redis.call('HSET', operations, id .. ':cancel', runner)
  return {'done', runner}
end
if state ~= '' then redis.call('HSET', operations, id, state) end
if what == 'end' then
  redis.call('HDEL', operations, id .. ':lease', id .. ':cancel')
  return {'done', ''}
end
redis.call('HSET', operations, id .. ':lease', string.format('%.0f', now + lease) .. ' ' .. runner)
if what == 'take' then
  redis.call('HDEL', operations, id .. ':cancel')
  return {'done', ''}
end
if what == 'begin' then
  local ids = {}
  for _, name in ipairs(redis.call('HKEYS', operations)) do
    if not string.find(name, ':', 1, true) then ids[#ids + 1] = name end
  end
  table.sort(ids)
  for n = 1, #ids - most do
    local _, runs = run(redis.call('HGET', operations, ids[n] .. ':lease'))
    if not runs then redis.call('HDEL', operations, ids[n], ids[n] .. ':lease', ids[n] .. ':cancel') end
  end
end
return {'done', is[3] or ''}

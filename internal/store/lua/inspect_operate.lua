-- inspect_operate.lua: the state of an operation is written by who runs it, and by nobody else.
--
-- The fields of an operation are ID: what it is; ID:lease: until when it is whose; ID:cancel: who
-- wants it to end.
--
-- KEYS[1] operations HASH of the last ones
-- ARGV[1] what begin; take: go on with one that nobody runs, and that is as it was read; step; end; cancel
-- ARGV[2] id of the operation, by which they sort by time
-- ARGV[3] runner who runs it, or wants it to end
-- ARGV[4] lease for how long it is the runner's, ms
-- ARGV[5] state of the operation: JSON
-- ARGV[6] most how many operations are kept
-- ARGV[7] other that a begin takes with it, for good: the one that it undoes; or ''
-- ARGV[8] was the state, as it was read, of what is taken
-- ARGV[9] becomes the state of other from then on
-- RETURN {done, who wants it to end or ''}; or {lost}, {held}: another runs what is taken, {changed}: it is not
--     as it was read, {missing}, {ended}
-- COST O(most) of begin, O(1) of the others
-- BY operator
local operations = KEYS[1]
local what, id, runner, lease, state, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local other, was, becomes = ARGV[7], ARGV[8], ARGV[9]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is = redis.call('HMGET', operations, id, id .. ':lease', id .. ':cancel')
local function run(held)
  if not held then return end
  local till, by = string.match(held, '^(%d+) (.*)$')
  return by, till and tonumber(till) > now
end
local by = run(is[2])
if what ~= 'begin' and not is[1] then return {'missing'} end
if (what == 'step' or what == 'end') and by ~= runner then return {'lost'} end
if what == 'cancel' and not is[2] then return {'ended'} end

-- What comes again as its reply was lost finds what it has written.
local taken = what == 'take' and id or other
if taken ~= '' then
  local of = redis.call('HMGET', operations, taken, taken .. ':lease')
  local holder, alive = run(of[2])
  if not of[1] then return {'missing'} end
  if alive and holder ~= runner then return {'held'} end
  if of[1] ~= was and of[1] ~= becomes and holder ~= runner then return {'changed'} end
  -- Who ran it, and is only slow, has lost it. A full Redis allows a script whose first write is this.
  redis.call('HDEL', operations, taken .. ':lease', taken .. ':cancel')
else
  redis.call('HDEL', operations, '') -- the same
end
if what == 'cancel' then
  redis.call('HSET', operations, id .. ':cancel', runner)
  return {'done', runner}
end
if what == 'end' then
  redis.call('HSET', operations, id, state)
  redis.call('HDEL', operations, id .. ':lease', id .. ':cancel')
  return {'done', ''}
end
-- In one call: what is undone is so by an operation that is there, and can be continued.
local fields = {id, state, id .. ':lease', string.format('%.0f', now + lease) .. ' ' .. runner}
if other ~= '' then fields[5], fields[6] = other, becomes end
redis.call('HSET', operations, unpack(fields))
if what == 'take' then return {'done', ''} end
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

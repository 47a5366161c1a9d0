-- inspect_rights.lua: whether the user who asks may send certain commands, without sending them.
--
-- KEYS[1] ready LIST own ready jobs of a queue: it is not touched, and sends the call to a node that has it
-- ARGV[1...] for each command: how many words it has, then the words
-- RETURN for each command 1 allowed, 0 refused, -1 there is no such command; {} if the server is older than 7.0
-- COST O(words)
-- BY producer, worker, operator
local ready = KEYS[1]
local check = redis.acl_check_cmd
if not check or not ready then return {} end
local result, i = {}, 1
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  local known, may = pcall(check, unpack(ARGV, i + 1, i + n))
  result[#result + 1] = known and (may and 1 or 0) or -1
  i = i + n + 1
end
return result

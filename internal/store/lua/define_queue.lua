-- define_queue.lua: enter a queue in the directory of queues, also when Redis is full.
--
-- KEYS[1] queues SET names
-- ARGV[1] name of the queue
-- RETURN 1 when it was not there
-- COST O(1)
-- BY producer, worker, operator
local queues = KEYS[1]
local name = ARGV[1]
redis.call('SREM', queues, '') -- a full Redis allows a script whose first write is this
return redis.call('SADD', queues, name)

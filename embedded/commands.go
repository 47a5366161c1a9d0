package embedded

import "strings"

// command is one command that the server has.
type command struct {
	arity int                                   // as COMMAND INFO gives it: counts the name; -n is n or more
	run   func(c *conn, p *port, args []string) // nil: miniredis runs it as it is
	fills int                                   // index of the argument that names a list which may appear by it; 0: none
	is    trait
}

type trait uint8

const (
	noScript   trait = 1 << iota // may not be called by a script
	unqueued                     // is done at once inside MULTI
	subscribed                   // is allowed to a RESP2 connection that has subscriptions
)

// fits tells whether the command may have n arguments, its name included.
func (cmd command) fits(n int) bool { return n == cmd.arity || cmd.arity < 0 && n >= -cmd.arity }

// commands is all that the server has. Each of them is held against a real Redis by testdata/conformance.txt; what is
// not tried there does not belong here.
var commands = map[string]command{
	// lists
	"LPUSH": {arity: -3, fills: 1}, "RPUSH": {arity: -3, fills: 1}, "LPUSHX": {arity: -3}, "RPUSHX": {arity: -3},
	"LPOP": {arity: -2}, "RPOP": {arity: -2}, "LLEN": {arity: 2}, "LRANGE": {arity: 4}, "LREM": {arity: 4},
	"LINDEX": {arity: 3}, "LSET": {arity: 4}, "LTRIM": {arity: 4}, "LINSERT": {arity: 5}, "LPOS": {arity: -3},
	"LMOVE": {arity: 5, run: lmove, fills: 2}, "RPOPLPUSH": {arity: 3, fills: 2},
	"BLMOVE": {arity: 6, run: blmove, fills: 2},
	"BLPOP":  {arity: -3, run: popper("LPOP")}, "BRPOP": {arity: -3, run: popper("RPOP")},

	// hashes
	"HSET": {arity: -4}, "HSETNX": {arity: 4}, "HMSET": {arity: -4}, "HGET": {arity: 3}, "HMGET": {arity: -3},
	"HGETALL": {arity: 2}, "HDEL": {arity: -3}, "HLEN": {arity: 2}, "HEXISTS": {arity: 3}, "HSTRLEN": {arity: 3},
	"HINCRBY": {arity: 4}, "HKEYS": {arity: 2}, "HVALS": {arity: 2}, "HSCAN": {arity: -3},

	// sorted sets
	"ZADD": {arity: -4}, "ZREM": {arity: -3}, "ZSCORE": {arity: 3}, "ZMSCORE": {arity: -3}, "ZINCRBY": {arity: 4},
	"ZCARD": {arity: 2}, "ZCOUNT": {arity: 4}, "ZRANK": {arity: 3}, "ZREVRANK": {arity: 3}, "ZRANGE": {arity: -4, run: scores},
	"ZRANGEBYSCORE": {arity: -4, run: scores}, "ZREVRANGE": {arity: -4, run: scores}, "ZREVRANGEBYSCORE": {arity: -4, run: scores},
	"ZREMRANGEBYSCORE": {arity: 4}, "ZREMRANGEBYRANK": {arity: 4}, "ZPOPMIN": {arity: -2, run: scores}, "ZPOPMAX": {arity: -2, run: scores},
	"ZSCAN": {arity: -3, run: zscan},

	// sets
	"SADD": {arity: -3}, "SREM": {arity: -3}, "SMEMBERS": {arity: 2}, "SISMEMBER": {arity: 3},
	"SMISMEMBER": {arity: -3}, "SCARD": {arity: 2}, "SPOP": {arity: -2}, "SSCAN": {arity: -3},

	// strings
	"SET": {arity: -3}, "SETNX": {arity: 3}, "SETEX": {arity: 4}, "PSETEX": {arity: 4}, "GET": {arity: 2},
	"GETSET": {arity: 3}, "GETDEL": {arity: 2}, "MGET": {arity: -2}, "MSET": {arity: -3}, "APPEND": {arity: 3},
	"STRLEN": {arity: 2}, "INCR": {arity: 2}, "INCRBY": {arity: 3}, "DECR": {arity: 2}, "DECRBY": {arity: 3},

	// keys
	"DEL": {arity: -2}, "UNLINK": {arity: -2}, "EXISTS": {arity: -2}, "TYPE": {arity: 2}, "KEYS": {arity: 2},
	"SCAN": {arity: -2}, "EXPIRE": {arity: -3}, "PEXPIRE": {arity: -3}, "EXPIREAT": {arity: -3},
	"PEXPIREAT": {arity: -3}, "PERSIST": {arity: 2}, "TTL": {arity: 2, run: ttl}, "PTTL": {arity: 2},
	"RENAME": {arity: 3, fills: 2}, "RENAMENX": {arity: 3, fills: 2}, "COPY": {arity: -3, fills: 2},
	"DBSIZE": {arity: 1}, "FLUSHDB": {arity: -1, run: flush}, "FLUSHALL": {arity: -1, run: flush},

	// scripts
	"EVAL": {arity: -3, run: eval, is: noScript}, "EVALSHA": {arity: -3, run: eval, is: noScript},
	"EVAL_RO": {arity: -3, run: eval, is: noScript}, "EVALSHA_RO": {arity: -3, run: eval, is: noScript},
	"SCRIPT": {arity: -2, run: script, is: noScript},

	// transactions
	"MULTI": {arity: 1, run: multi, is: noScript | unqueued}, "EXEC": {arity: 1, run: exec, is: noScript | unqueued},
	"DISCARD": {arity: 1, run: discard, is: noScript | unqueued},
	"WATCH":   {arity: -2, run: watch, is: noScript | unqueued}, "UNWATCH": {arity: 1, is: noScript},

	// publish and subscribe
	"SUBSCRIBE":    {arity: -2, run: subscribe, is: noScript | subscribed},
	"PSUBSCRIBE":   {arity: -2, run: subscribe, is: noScript | subscribed},
	"UNSUBSCRIBE":  {arity: -1, run: unsubscribe, is: noScript | subscribed},
	"PUNSUBSCRIBE": {arity: -1, run: unsubscribe, is: noScript | subscribed},
	"PUBLISH":      {arity: 3, run: publish}, "PUBSUB": {arity: -2, run: pubsub},

	// the connection and the server
	"HELLO": {arity: -1, run: hello, is: noScript}, "AUTH": {arity: -2, is: noScript},
	"CLIENT": {arity: -2, run: client, is: noScript}, "SELECT": {arity: 2, run: selectDB},
	"PING": {arity: -1, run: ping, is: subscribed}, "ECHO": {arity: 2},
	"QUIT": {arity: -1, run: quit, is: noScript | unqueued | subscribed},
	"TIME": {arity: 1}, "INFO": {arity: -1, run: info}, "COMMAND": {arity: -1, run: listCommands, is: noScript},
}

// subcommand is the upper-case name of a command's subcommand.
func subcommand(args []string) string { return strings.ToUpper(args[1]) }

package embedded

import (
	"fmt"
	"strings"
)

// supportable are commands of Redis and Valkey that the server does not have.
var supportable = set(`ACL ASKING BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMPOP BRPOPLPUSH BZMPOP
	BZPOPMAX BZPOPMIN CLUSTER CONFIG DEBUG DUMP EXPIRETIME FAILOVER FCALL FCALL_RO FUNCTION GEOADD GEODIST GEOHASH
	GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GETBIT GETEX GETRANGE
	HEXPIRE HEXPIREAT HEXPIRETIME HGETDEL HGETEX HINCRBYFLOAT HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD
	HSETEX HTTL INCRBYFLOAT LASTSAVE LATENCY LCS LMPOP LOLWUT MEMORY MIGRATE MODULE MONITOR MOVE MSETNX OBJECT
	PEXPIRETIME PFADD PFCOUNT PFDEBUG PFMERGE PFSELFTEST PSYNC RANDOMKEY READONLY READWRITE REPLCONF REPLICAOF RESET
	RESTORE RESTORE-ASKING ROLE SAVE SDIFF SDIFFSTORE SETBIT SETRANGE SHUTDOWN SINTER SINTERCARD SINTERSTORE SLAVEOF
	SLOWLOG SMOVE SORT SORT_RO SPUBLISH SRANDMEMBER SSUBSCRIBE SUBSTR SUNION SUNIONSTORE SUNSUBSCRIBE SWAPDB SYNC TOUCH
	WAIT WAITAOF XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XSETID
	XTRIM ZDIFF ZDIFFSTORE ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP ZRANDMEMBER ZRANGEBYLEX ZRANGESTORE
	ZREMRANGEBYLEX ZREVRANGEBYLEX ZUNION ZUNIONSTORE`)

func set(names string) map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		m[name] = true
	}
	return m
}

// refusal is the error for a command that the server does not have.
func refusal(name string, args []string) string {
	switch {
	case name == "CLUSTER":
		// The first words are those of Redis: clients look for them to find out what they are talking to.
		return "ERR This instance has cluster support disabled; " + unsupported(name)
	case supportable[name]:
		return "ERR " + unsupported(name)
	}
	var first strings.Builder
	for _, arg := range args[1:] { // as much of them as Redis shows
		if first.Len() < 128 {
			fmt.Fprintf(&first, "'%.*s' ", 128-first.Len(), arg)
		}
	}
	return fmt.Sprintf("ERR unknown command '%.128s', with args beginning with: %s", args[0], first.String())
}

func unsupported(name string) string {
	return name + " is not supported by tasuki's embedded server; use a real Redis or Valkey server for it"
}

// refuse answers with an error, which also breaks a transaction that is being queued.
func (c *conn) refuse(message string) {
	if c.tx != nil {
		c.tx.broken = true
	}
	c.WriteError(message)
}

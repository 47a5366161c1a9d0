package embedded_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestRefusalsNameTheCommand(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	w := connect(t, srv)
	for line, name := range map[string]string{
		"CONFIG GET maxmemory": "CONFIG", "config": "CONFIG", "ACL WHOAMI": "ACL", "CLUSTER SLOTS": "CLUSTER", "WAIT 0 0": "WAIT",
		"SLOWLOG GET": "SLOWLOG", "LATENCY RESET": "LATENCY", "MONITOR": "MONITOR", "OBJECT ENCODING x": "OBJECT",
		"SSUBSCRIBE c": "SSUBSCRIBE", "FUNCTION LIST": "FUNCTION", "DEBUG SLEEP 1": "DEBUG", "BLMPOP 0 1 q LEFT": "BLMPOP",
		"XADD s * a b": "XADD", "RESET": "RESET", "SHUTDOWN": "SHUTDOWN", "SORT q": "SORT", "ROLE": "ROLE",
		"CLIENT LIST": "CLIENT LIST", "CLIENT KILL ID 1": "CLIENT KILL", "client tracking on": "CLIENT TRACKING",
		"SCRIPT KILL": "SCRIPT KILL", "PUBSUB SHARDNUMSUB": "PUBSUB SHARDNUMSUB", "COMMAND DOCS": "COMMAND DOCS",
	} {
		reply := w.do(strings.Fields(line)...)
		want := name + " is not supported by tasuki's embedded server; use a real Redis or Valkey server for it"
		if !strings.HasPrefix(reply, "-ERR ") || !strings.HasSuffix(reply, want) {
			t.Errorf("%s: %s", line, reply)
		}
	}
	if reply := w.do("CLUSTER", "SHARDS"); !strings.Contains(reply, "cluster support disabled") {
		t.Errorf("CLUSTER SHARDS: %s", reply)
	}
	w.wantDo("-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' ", "nosuch", "a", "b")
}

func TestRefusalsInsideScriptsAndTransactions(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	w := connect(t, srv)
	w.wantDo(`"ERR CONFIG is not supported by tasuki's embedded server; use a real Redis or Valkey server for it"`,
		"EVAL", "return redis.pcall('CONFIG', 'GET', 'x').err", "0")
	if reply := w.do("EVAL", "return redis.call('XADD', 's', '*', 'a', 'b')", "0"); !strings.HasPrefix(reply, "-ERR XADD is not supported") {
		t.Errorf("XADD in a script: %s", reply)
	}
	w.do("MULTI")
	w.do("SET", "s", "1")
	w.do("OBJECT", "ENCODING", "s")
	w.wantDo("-EXECABORT Transaction discarded because of previous errors.", "EXEC")
	w.wantDo("(0)", "EXISTS", "s")
}

func TestProtocolErrors(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		for sent, want := range map[string]string{
			"PING\r\n":                       `-ERR Protocol error: expected '*', got 'P'`,
			"POST / HTTP/1.1\r\nHost: x\r\n": `-ERR Protocol error: expected '*', got 'P'`,
			"*x\r\n":                         `-ERR Protocol error: invalid multibulk length`,
			"*9999999999\r\n":                `-ERR Protocol error: invalid multibulk length`,
			"*1\r\n+PING\r\n":                `-ERR Protocol error: expected '$', got '+'`,
			"*1\r\n$-1\r\n":                  `-ERR Protocol error: invalid bulk length`,
			"*1\r\n$999999999999\r\n":        `-ERR Protocol error: invalid bulk length`,
			"*1\r\n\r\n":                     `-ERR Protocol error: expected '$', got '\r'`,
		} {
			w := connect(t, srv)
			go w.nc.Write([]byte("*1\r\n$4\r\nPING\r\n" + sent)) // the server may close before it has read all of it
			w.want("+PONG")
			w.want(want)
			w.wantClosed()
		}
		w := connect(t, srv)
		w.sendRaw("*0\r\n*-1\r\n*1\r\n$4\r\nping\r\n") // empty commands get no reply
		w.want("+PONG")
		w.sendRaw("*1000000\r\n$536870912\r\nx") // what is announced is not believed before it comes
		w.nc.Close()
	})
}

func TestBinaryAndBigArguments(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		w := connect(t, setup(t, addr))
		for _, size := range []int{0, 1, 100, 64<<10 - 3, 64<<10 - 2, 64<<10 - 1, 64 << 10, 1 << 20} {
			value := strings.Repeat("\r\n\x00$", size/4+1)[:size]
			w.wantDo("+OK", "SET", "s", value)
			w.wantDo(fmt.Sprintf("%q", value), "GET", "s")
		}
	})
}

func TestQuit(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	w := connect(t, srv)
	w.send("QUIT")
	go w.nc.Write([]byte(strings.Repeat("*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", 1000))) // more than the server has read
	w.want("+OK")
	w.wantClosed()
	connect(t, srv).wantDo("nil$", "GET", "n") // nothing after it is run
}

// A mistake of a client must not end the process, and leaves nothing locked.
func TestPanicInTheEngine(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	for _, line := range []string{
		"EVAL |return function() end| 0",
		"ZSCAN z -1",
		"EVAL |return redis.call('ZSCAN', 'z', -1)| 0",
		"EVAL |return redis.call('SSCAN', 's', -1)| 0",
	} {
		w, other := connect(t, srv), connect(t, srv)
		for _, before := range []string{"PING", "MULTI"} {
			w.do(before)
			reply := w.do(words(line)...)
			if before == "MULTI" {
				reply = w.do("EXEC")
			}
			if !strings.Contains(reply, "-ERR ") {
				t.Errorf("%s after %s: %s", line, before, reply)
			}
			w.wantDo("+PONG", "PING")
			w.wantDo("(1)", "EVAL", "return redis.call('RPUSH', KEYS[1], 'x')", "1", "q")
			w.wantDo(`"x"`, "BLMOVE", "q", "h", "LEFT", "LEFT", "0")
			w.send("BLPOP", "q", "0") // it may wait again
			waitBlocked(t, other, "1")
			other.wantDo("(1)", "RPUSH", "q", "y")
			w.want(`["q" "y"]`)
		}
	}
}

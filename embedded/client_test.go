package embedded_test

import (
	"net"
	"strings"
	"testing"
)

func TestHello(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	w := connect(t, srv)
	id := w.do("CLIENT", "ID")
	w.wantDo(`["server" "redis" "version" "8.4.0" "mode" "standalone" "role" "master" "proto" (2) "id" `+id+` "modules" []]`, "HELLO")
	w.wantDo(`{"id": `+id+` "mode": "standalone" "modules": [] "proto": (3) "role": "master" "server": "redis" "version": "8.4.0"}`,
		"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "bob")
	w.wantDo(`"bob"`, "CLIENT", "GETNAME")
	w.wantDo("nil", "GET", "none")
	for _, bad := range []string{"HELLO 4", "HELLO 2 AUTH bob x", "HELLO 2 FOO", "HELLO 2 SETNAME", "HELLO 2 SETNAME eve AUTH x"} {
		if reply := w.do(strings.Fields(bad)...); reply[0] != '-' {
			t.Errorf("%s: %s", bad, reply)
		}
	}
	w.wantDo("nil", "GET", "none") // a bad HELLO changes nothing
	w.wantDo(`"bob"`, "CLIENT", "GETNAME")
	w.do("HELLO", "2")
	w.wantDo("nil$", "GET", "none")
}

func TestEveryConnectionHasAnID(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		seen := map[string]bool{}
		for range 10 {
			w := connect(t, srv)
			id := w.do("CLIENT", "ID")
			w.wantDo(id, "CLIENT", "ID")
			if seen[id] {
				t.Errorf("%s was given twice", id)
			}
			seen[id] = true
			w.nc.Close()
		}
	})
}

func TestInfoAndCommand(t *testing.T) {
	t.Parallel()
	w := connect(t, setup(t, ""))
	info := w.do("INFO", "server")
	for _, line := range []string{`redis_version:8.4.0\r\n`, `tasuki_embedded:1\r\n`, `connected_clients:1\r\n`, `blocked_clients:0\r\n`} {
		if !strings.Contains(info, line) {
			t.Errorf("INFO has no %s: %s", line, info)
		}
	}
	if reply := w.do("COMMAND"); !strings.Contains(reply, `["rpush" (-3) `) {
		t.Errorf("COMMAND: %.300s", reply)
	}
}

// printf 'commands' | nc: the input ends before the replies are there.
func TestClientThatHasNoMoreToSayGetsItsReplies(t *testing.T) {
	t.Parallel()
	w := connect(t, setup(t, "127.0.0.1:0"))
	w.send("RPUSH", "q", "x")
	w.send("LPOP", "q")
	if err := w.nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	w.want("(1)")
	w.want(`"x"`)
	w.wantClosed()
}

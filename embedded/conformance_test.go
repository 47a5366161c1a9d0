package embedded_test

import (
	_ "embed"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tasuki-dev/tasuki/embedded"
)

//go:embed testdata/conformance.txt
var conformance string

// startRedis starts a real server that ends with the test.
func startRedis(t *testing.T) (dial func() net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.sock")
	cmd := exec.Command("/usr/bin/redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatalf("this test needs redis-server: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return func() net.Conn {
		t.Helper()
		var nc net.Conn
		eventually(t, "redis-server answers", func() (ok bool) {
			var err error
			nc, err = net.Dial("unix", path)
			return err == nil
		})
		return nc
	}
}

func TestRepliesAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	dialReal := startRedis(t)
	srv := setup(t, "")
	lines := strings.Split(strings.TrimSpace(conformance), "\n")
	differs := map[int]bool{}
	for _, resp := range []string{"2", "3"} {
		real, ours := newWire(t, dialReal()), connect(t, srv)
		for _, w := range []*wire{real, ours} {
			w.do("FLUSHALL")
			w.do("SCRIPT", "FLUSH")
			w.do("HELLO", resp)
		}
		for n, line := range lines {
			if line == "" || line[0] == '#' {
				continue
			}
			command := strings.TrimLeft(line, "~! ")
			want, got := real.do(words(command)...), ours.do(words(command)...)
			if strings.HasPrefix(want, "-") && strings.HasPrefix(got, "-") {
				want, got = code(want), code(got)
			}
			if line[0] == '~' {
				want, got = inOrder(want), inOrder(got)
			}
			if want == got {
				continue
			}
			differs[n] = true
			if line[0] != '!' {
				t.Errorf("line %d, RESP%s: %s\nRedis: %s\nours:  %s", n+1, resp, command, want, got)
			}
		}
	}
	for n, line := range lines {
		if strings.HasPrefix(line, "!") && !differs[n] {
			t.Errorf("line %d is no deviation any more: %s", n+1, line)
		}
	}
}

// words cuts a line of conformance.txt into arguments.
func words(line string) []string {
	var args []string
	for n, part := range strings.Split(line, "|") {
		if n%2 == 1 {
			args = append(args, strings.ReplaceAll(part, `\n`, "\n"))
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}

func code(reply string) string {
	first, _, _ := strings.Cut(reply, " ")
	return first
}

func inOrder(reply string) string {
	parts := strings.Fields(strings.NewReplacer("[", " [ ", "]", " ] ").Replace(reply))
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// Clients look at the code of an error, and people at the rest.
func TestErrorsOfScripts(t *testing.T) {
	t.Parallel()
	real, ours := newWire(t, startRedis(t)()), connect(t, setup(t, ""))
	for _, command := range []string{
		"SET s x",
		"EVAL |return redis.call('RPUSH','s','a')| 0",
		"EVAL |local x = 1\n\nreturn redis.call('RPUSH','s','a')| 0",
		"EVAL |local f = function() return redis.call('LPOP','s') end\nreturn f()| 0",
		"EVAL |return redis.call('INCR','s')| 0",
		"EVAL |return redis.call('NOSUCH')| 0",
		"EVAL |return redis.call('GET')| 0",
		"EVAL |return redis.call()| 0",
		"EVAL |return redis.call('MULTI')| 0",
		"EVAL |error('boom')| 0",
		"EVAL |error('MY boom')| 0",
		"EVAL |redis.call('GET','s')\nerror('boom')| 0",
		"EVAL |return redis.error_reply('MY boom')| 0",
		"SCRIPT LOAD |return redis.call('RPUSH','s','a')|",
		"EVALSHA 0b71b73b9eb1dbc04ae513f0f29888a36820eaf2 0",
		"EVALSHA 0B71B73B9EB1DBC04AE513F0F29888A36820EAF2 0",
		"EVALSHA nosuch 0",
	} {
		want, got := real.do(words(command)...), ours.do(words(command)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-Redis +ours)\n%s", command, diff)
		}
	}
}

func TestTableOfCommandsIsThatOfRedis(t *testing.T) {
	t.Parallel()
	real := newWire(t, startRedis(t)())
	for _, name := range embedded.Names() {
		reply := real.do("COMMAND", "INFO", name) // [[name arity [flags …] …]]
		fields := strings.Fields(strings.Trim(reply, "[]"))
		if len(fields) < 2 {
			t.Errorf("%s: Redis says %s", name, reply)
			continue
		}
		if want, got := fields[1], fmt.Sprintf("(%d)", embedded.Arity(name)); want != got {
			t.Errorf("%s: arity %s, in Redis %s", name, got, want)
		}
		// Where Redis says more finely what scripts may call (CLIENT), and where later versions allow more (BLPOP).
		if slices.Contains([]string{"CLIENT", "SCRIPT", "COMMAND", "BLPOP", "BRPOP", "BLMOVE"}, name) {
			continue
		}
		if want, got := !strings.Contains(reply, "+noscript"), embedded.CallableByScripts(name); want != got {
			t.Errorf("%s: callable by scripts %t, in Redis %t", name, got, want)
		}
	}
	for _, name := range strings.Fields(strings.Trim(real.do("COMMAND", "LIST"), "[]")) {
		name = strings.ToUpper(strings.Trim(name, `"`))
		if have, refused := embedded.Arity(name) != 0, embedded.RefusedByName(name); have == refused && !strings.Contains(name, "|") {
			t.Errorf("%s: have it %t, refuse it by name %t", name, have, refused)
		}
	}
}

func TestEveryCommandIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{"TIME": true, "INFO": true, "COMMAND": true} // their replies cannot be alike
	for line := range strings.Lines(conformance) {
		if args := words(strings.TrimLeft(line, "~! ")); len(args) > 0 {
			tried[strings.ToUpper(args[0])] = true
		}
	}
	for _, name := range embedded.Names() {
		if !tried[name] {
			t.Errorf("%s is not in conformance.txt", name)
		}
	}
}

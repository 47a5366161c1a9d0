package tasuki_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestHealthIsTold: a worker warns at its start of a server that may lose jobs, in one
// line for each reason, and says nothing of one that is in order or does not tell.
//
//fault:server redis may evict jobs | each worker warns of it at its start
//fault:server redis writes nothing to a disk | each worker warns of it at its start
func TestHealthIsTold(t *testing.T) {
	t.Parallel()
	const evicts, evicted, forgets = "removes keys when it is full", "has removed keys since it started", "writes nothing to a disk"
	aof := []string{"--appendonly", "yes"}
	restricted := []string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-info", "-config"}
	for name, tt := range map[string]struct {
		args []string
		fill bool // until keys were removed; then the policy is changed
		want []string
	}{
		"in order":        {args: aof},
		"snapshots":       {args: []string{"--save", "60", "1"}},
		"no persistence":  {want: []string{forgets}},
		"evicting":        {args: append(aof, "--maxmemory-policy", "allkeys-lru"), want: []string{evicts}},
		"volatile":        {args: append(aof, "--maxmemory-policy", "volatile-ttl")},
		"both":            {args: []string{"--maxmemory-policy", "allkeys-random"}, want: []string{evicts, forgets}},
		"has evicted":     {args: append(aof, "--maxmemory-policy", "allkeys-lru"), fill: true, want: []string{evicted}},
		"INFO is refused": {args: append(restricted, "--maxmemory-policy", "allkeys-lru")},
		"INFO is gone":    {args: []string{"--rename-command", "INFO", "", "--rename-command", "CONFIG", "", "--maxmemory-policy", "allkeys-lru"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tt.args...)
			if tt.fill {
				s.Do(t, "CONFIG", "SET", "maxmemory", "4mb")
				for i := range 100 {
					s.Do(t, "SET", fmt.Sprint("filler", i), strings.Repeat("x", 100_000))
				}
				for _, command := range [][]string{{"FLUSHALL"}, {"CONFIG", "SET", "maxmemory", "0"}, {"CONFIG", "SET", "maxmemory-policy", "noeviction"}} {
					if got := s.Do(t, command...); got != "+OK" {
						t.Fatal(got)
					}
				}
			}
			e := newEnv(t, s.URL())
			w := e.worker(tasuki.WorkerConfig{})
			got := collect(w, number)
			stop := e.run(w)
			e.enqueue(number, 1)
			got.wait(t, 1)
			for _, text := range tt.want {
				e.waitLog(text)
			}
			w.WaitLook()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if name == "no persistence" {
				e.waitLog("run CONFIG SET appendonly yes, do not restart it")
			}
			lines := 0
			for _, text := range []string{evicts, evicted, forgets} {
				lines += strings.Count(e.log.String(), text)
			}
			if warnings := strings.Count(e.log.String(), "level=WARN"); lines != len(tt.want) || warnings != lines {
				t.Errorf("%d lines of the server and %d warnings, want %d", lines, warnings, len(tt.want))
			}
		})
	}
}

// TestHolesAreTold: the image of the makers, of a version with holes, is warned of. A
// distribution may have mended its own, so that of this machine is not.
//
//fault:server an official image of a version with known holes in scripts or blocking commands | each worker warns of it at its start
func TestHolesAreTold(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes")
	proxy := redistest.StartProxy(t, s)
	proxy.Alter(func(command []string, reply []byte) []byte {
		head, body, ok := bytes.Cut(reply, []byte("\r\n"))
		if command[0] != "INFO" || !ok {
			return reply
		}
		body = bytes.TrimSuffix(body, []byte("\r\n"))
		body = regexp.MustCompile(`(?m)^executable:\S+`).ReplaceAll(body, []byte("executable:/data/redis-server"))
		body = regexp.MustCompile(`(?m)^redis_version:\S+`).ReplaceAll(body, []byte("redis_version:7.2.5"))
		return fmt.Appendf(nil, "%c%d\r\n%s\r\n", head[0], len(body), body)
	})
	e := newEnv(t, proxy.URL())
	e.run(e.worker(tasuki.WorkerConfig{}))
	e.waitLog("level=WARN msg=\"tasuki: this version of the server has known holes")
	e.waitLog("Redis 7.2.5")
}

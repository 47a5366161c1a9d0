package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// on returns an env on another server.
func on(t *testing.T, url string) *env {
	t.Helper()
	e := &env{t: t, namespace: redistest.Namespace(t)}
	e.client = e.open(url)
	e.inspector = inspect.New(e.client)
	return e
}

// doctor returns what the doctor finds.
func (e *env) doctor() []inspect.Finding {
	e.t.Helper()
	findings, err := e.inspector.Doctor(e.t.Context(), nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return findings
}

// expect demands a finding with a level that says something.
func expect(t *testing.T, findings []inspect.Finding, name string, level inspect.Level, says string) {
	t.Helper()
	var found []string
	for _, f := range findings {
		if f.Name != name {
			continue
		}
		text := f.What + " | " + f.Means + " | " + f.Do
		if f.Level == level && strings.Contains(text, says) {
			return
		}
		found = append(found, string(f.Level)+": "+text)
	}
	t.Errorf("no finding %s of level %s that says %q; there are\n%s", name, level, says, strings.Join(found, "\n"))
}

// TestDoctorServer looks at servers with one thing that is not as it should be.
//
//fault:server redis may evict jobs, seen by an operator | tasuki doctor tells it as a danger
//fault:server redis keeps nothing, snapshots only, or syncs at its leisure | tasuki doctor tells what would be lost
func TestDoctorServer(t *testing.T) {
	t.Parallel()
	aof := func(args ...string) []string { return append([]string{"--appendonly", "yes"}, args...) }
	for name, tt := range map[string]struct {
		args  []string
		do    func(t *testing.T, s *redistest.Server)
		name  string
		level inspect.Level
		says  string
		worst inspect.Level // of all; "" is not looked at
	}{
		"everysec":      {args: aof(), name: "persistence", level: inspect.OK, says: "appendfsync everysec | nothing that was answered is lost when Redis dies, about the last second", worst: inspect.Note},
		"always":        {args: aof("--appendfsync", "always"), name: "persistence", level: inspect.OK, says: "appendfsync always", worst: inspect.Note},
		"fsync no":      {args: aof("--appendfsync", "no"), name: "persistence", level: inspect.Warning, says: "half a minute", worst: inspect.Warning},
		"snapshots":     {args: []string{"--save", "3600 1"}, name: "persistence", level: inspect.Warning, says: "snapshots only (save 3600 1); the last is of 20", worst: inspect.Warning},
		"how to keep":   {args: []string{"--save", "3600 1"}, name: "persistence", level: inspect.Warning, says: "not by a restart, which would begin empty"},
		"nothing":       {name: "persistence", level: inspect.Danger, says: "neither AOF nor snapshots", worst: inspect.Danger},
		"noeviction":    {args: aof("--maxmemory", "100mb"), name: "eviction", level: inspect.OK, says: "noeviction", worst: inspect.Note},
		"room":          {args: aof("--maxmemory", "100mb"), name: "memory", level: inspect.OK, says: "of 100.0 MiB in use"},
		"no limit":      {args: aof(), name: "memory", level: inspect.Note, says: "no maxmemory"},
		"allkeys":       {args: aof("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), name: "eviction", level: inspect.Danger, says: "without a word | set maxmemory-policy to noeviction", worst: inspect.Danger},
		"allkeys later": {args: aof("--maxmemory-policy", "allkeys-lru"), name: "eviction", level: inspect.Danger, says: "as soon as somebody sets maxmemory"},
		"volatile":      {args: aof("--maxmemory-policy", "volatile-lru"), name: "eviction", level: inspect.Warning, says: "tasuki's have none"},
		"full": {args: aof("--maxmemory", "4mb"), name: "memory", level: inspect.Danger, says: "ErrFull", worst: inspect.Danger,
			do: func(t *testing.T, s *redistest.Server) { fill(t, s) }},
		"evicted": {args: aof("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"), name: "eviction", level: inspect.Danger, says: "removed since the server started",
			do: func(t *testing.T, s *redistest.Server) { fill(t, s) }},
		"few clients": {args: aof("--maxclients", "20"), name: "clients", level: inspect.OK, says: "of at most 20"},
		"too many clients": {args: aof("--maxclients", "2"), name: "clients", level: inspect.Warning, says: "refused since the server started",
			do: func(t *testing.T, s *redistest.Server) {
				s.Do(t, "CONFIG", "SET", "maxclients", "1")
				e := on(t, s.URL())
				if err := e.client.Ping(t.Context()); err != nil { // has the place
					t.Fatal(err)
				}
				s.Do(t, "PING") // is refused
				e.client.Close()
				redistest.WaitFor(t, "room", func() error {
					if got := s.Do(t, "CONFIG", "SET", "maxclients", "100"); got != "+OK" {
						return errors.New(got)
					}
					return nil
				})
			}},
		"no replica":       {args: aof(), name: "replicas", level: inspect.Note, says: "no replica"},
		"replicas missing": {args: aof("--min-replicas-to-write", "1"), name: "replicas", level: inspect.Danger, says: "0 replicas in step, and min-replicas-to-write is 1 | the server refuses all writes"},
		"none is needed":   {args: aof("--min-replicas-to-write", "1", "--min-replicas-max-lag", "0"), name: "replicas", level: inspect.Note, says: "no replica", worst: inspect.Note},
		"is a replica":     {args: aof("--replicaof", "127.0.0.1", "1"), name: "replicas", level: inspect.Danger, says: "takes no writes"},
		"no snapshot by hand": {args: aof("--dbfilename", "in-the-way"), name: "persistence", level: inspect.Warning, says: "the last snapshot has failed | new replicas", worst: inspect.Warning,
			do: func(t *testing.T, s *redistest.Server) {
				failSnapshot(t, s)
				redistest.WaitFor(t, "the snapshot to fail", func() error {
					if got := s.Info(t, "persistence", "rdb_last_bgsave_status"); got != "err" {
						return errors.New(got)
					}
					return nil
				})
				if got := s.Do(t, "SET", "x", "x"); got != "+OK" {
					t.Errorf("writes are refused: %s", got)
				}
				s.Do(t, "DEL", "x")
			}},
		"no snapshot": {args: []string{"--save", "3600 1", "--dbfilename", "in-the-way"}, name: "persistence", level: inspect.Danger, says: "the last snapshot has failed", worst: inspect.Danger,
			do: func(t *testing.T, s *redistest.Server) {
				failSnapshot(t, s)
				redistest.WaitFor(t, "writes to be refused", func() error {
					if got := s.Do(t, "SET", "x", "x"); !strings.HasPrefix(got, "-MISCONF") {
						return errors.New(got)
					}
					return nil
				})
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tt.args...)
			if tt.do != nil {
				tt.do(t, s)
			}
			e := on(t, s.URL())
			findings := e.doctor()
			expect(t, findings, tt.name, tt.level, tt.says)
			if worst := inspect.Worst(findings); tt.worst != "" && worst != tt.worst {
				t.Errorf("the worst is %s, want %s: %+v", worst, tt.worst, findings)
			}
			expect(t, findings, "server", inspect.OK, "single")
			expect(t, findings, "latency", inspect.OK, "p50")
			expect(t, findings, "clock", inspect.OK, "apart")
			expect(t, findings, "scripts", inspect.OK, "")
		})
	}
}

// failSnapshot begins one that cannot be written: the server was told to name its file
// in-the-way.
func failSnapshot(t *testing.T, s *redistest.Server) {
	t.Helper()
	if err := os.Mkdir(s.Dir()+"/in-the-way", 0o700); err != nil { // a file does not replace it
		t.Fatal(err)
	}
	s.Do(t, "BGSAVE")
}

func fill(t *testing.T, s *redistest.Server) {
	t.Helper()
	for size := 100_000; size > 100; size /= 10 {
		for i := range 100 {
			s.Do(t, "SET", fmt.Sprint("filler", size, i), strings.Repeat("x", size))
		}
	}
}

func TestDoctorReplica(t *testing.T) {
	t.Parallel()
	port := redistest.FreePort(t)
	master := redistest.Start(t, "--port", port, "--bind", "127.0.0.1", "--appendonly", "yes")
	replica := redistest.Start(t, "--replicaof", "127.0.0.1", port)
	redistest.WaitFor(t, "the replica", func() error {
		if got := master.Do(t, "WAIT", "1", "100"); got != ":1" {
			return errors.New(got)
		}
		return nil
	})
	expect(t, on(t, master.URL()).doctor(), "replicas", inspect.OK, "is online")
	expect(t, on(t, replica.URL()).doctor(), "replicas", inspect.Danger, "this server is a replica")

	// One that is connected still, and behind by more than Redis allows, does not count.
	master.Do(t, "CONFIG", "SET", "min-replicas-to-write", "1")
	master.Do(t, "CONFIG", "SET", "min-replicas-max-lag", "1")
	replica.Signal(t, syscall.SIGSTOP)
	defer replica.Signal(t, syscall.SIGCONT)
	redistest.WaitFor(t, "writes to be refused", func() error {
		if got := master.Do(t, "SET", "x", "x"); !strings.HasPrefix(got, "-NOREPLICAS") {
			return errors.New(got)
		}
		return nil
	})
	findings := on(t, master.URL()).doctor()
	expect(t, findings, "replicas", inspect.Danger, "0 replicas in step, and min-replicas-to-write is 1")
	expect(t, findings, "replicas", inspect.OK, "is online")
}

func TestDoctorEmbedded(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	findings := on(t, s.URL()).doctor()
	expect(t, findings, "server", inspect.Note, "embedded server")
	expect(t, findings, "persistence", inspect.Danger, "when the process ends, all jobs are gone")
	expect(t, findings, "rights", inspect.OK, "run a worker")
	expect(t, findings, "scripts", inspect.OK, "")
}

func TestDoctorCluster(t *testing.T) {
	t.Parallel()
	e := on(t, redistest.StartCluster(t).URL())
	e.enqueue("a")
	findings := e.doctor()
	n := 0
	for _, f := range findings {
		if f.Name == "persistence" && f.Level == inspect.Danger && strings.HasPrefix(f.What, "127.0.0.1:") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("of %d nodes the persistence is told: %+v", n, findings)
	}
	expect(t, findings, "server", inspect.OK, "Cluster")
	expect(t, findings, "rights", inspect.OK, "run a worker")
}

// TestDoctorNodeAway: a node of a Cluster that does not answer is a finding, and does
// not keep the others from being looked at.
//
//fault:server a node of a Cluster is away | tasuki doctor tells it as a danger, and all else that can be known
func TestDoctorNodeAway(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	for _, node := range c.Nodes {
		node.Do(t, "CONFIG", "SET", "cluster-require-full-coverage", "no")
	}
	e := on(t, c.URL())
	e.enqueue("a") // it knows all nodes
	c.Nodes[2].Kill()
	findings := e.doctor()
	expect(t, findings, "server", inspect.Danger, "it does not answer: ")
	n := 0
	for _, f := range findings {
		if f.Name == "persistence" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("of %d nodes the persistence is told: %+v", n, findings)
	}
	for _, node := range c.Nodes[:2] {
		node.Kill()
	}
	if findings, err := e.inspector.Doctor(t.Context(), nil); err == nil {
		t.Errorf("no node answers: no error, and %+v", findings)
	}
}

// TestDoctorRights: each user of deploy/acl may do what it is for, and one who lacks
// something is told what follows. None of it is an error.
//
//fault:server a redis user may not do everything | tasuki doctor tells what follows, and what to allow
func TestDoctorRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes")
	for name, tt := range map[string]struct {
		role  string
		rules []string // beside those of the role
		name  string
		level inspect.Level
		says  string
	}{
		"producer":          {"producer", nil, "rights", inspect.Note, "may enqueue jobs, but not run a worker (HDEL, "},
		"worker":            {"worker", nil, "rights", inspect.Note, "may enqueue jobs, and run a worker, but not look at queues and act on them (HVALS, LSET refused)"},
		"operator":          {"operator", nil, "rights", inspect.Note, "may enqueue jobs, and look at queues and act on them, but not run a worker ("},
		"all":               {"operator", []string{"allcommands"}, "rights", inspect.OK, "may enqueue jobs, and run a worker, and look"},
		"producer is blind": {"producer", nil, "persistence", inspect.Note, "unknown, because INFO is refused"},
		"no CONFIG":         {"operator", nil, "persistence", inspect.Note, "AOF is on; how often it is written to the disk is unknown"},
		"no SUBSCRIBE":      {"worker", []string{"-subscribe"}, "rights", inspect.Warning, "SUBSCRIBE refused | the death of a worker is noticed after 30 s"},
		"no channels":       {"worker", []string{"resetchannels"}, "rights", inspect.Warning, "SUBSCRIBE refused"},
		"no UNBLOCK":        {"worker", []string{"-client|unblock"}, "rights", inspect.Warning, "CLIENT UNBLOCK refused | a wait cannot be woken"},
		"no MULTI":          {"worker", []string{"-multi"}, "rights", inspect.Warning, "MULTI refused | a wait cannot be woken"},
		"no WAIT":           {"worker", []string{"-wait"}, "rights", inspect.Note, "WAIT refused | an enqueue cannot wait for replicas"},
		"no BLMOVE":         {"worker", []string{"-blmove"}, "rights", inspect.Warning, "once a second"},
		"no INFO":           {"worker", []string{"-info"}, "rights", inspect.Note, "INFO refused | a worker does not warn"},
		"no LPOP":           {"worker", []string{"-lpop"}, "rights", inspect.Note, "but not run a worker (LPOP refused)"},
		"no EVAL":           {"worker", []string{"-eval"}, "rights", inspect.Warning, "scripts cannot be loaded again"},
		"no scripts":        {"worker", []string{"-eval", "-evalsha"}, "scripts", inspect.Danger, "scripts do not run"},
		"nothing":           {"worker", []string{"-@all", "+ping"}, "rights", inspect.Note, "unknown, because EVAL and MULTI are refused"},
		"asked with MULTI":  {"worker", []string{"-eval", "-evalsha", "+multi", "+discard", "-blmove"}, "rights", inspect.Danger, "nor run a worker (EVALSHA refused)"},
		"other keys":        {"worker", []string{"resetkeys", "~other:*"}, "rights", inspect.Danger, "| it is of no use here | give --namespace, if its keys are in another"},
		"no SCAN":           {"operator", []string{"-scan"}, "check", inspect.Note, "SCAN is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &env{t: t, namespace: redistest.Namespace(t), server: s}
			url := s.As(t, tt.role, e.namespace)
			if got := s.Do(t, append([]string{"ACL", "SETUSER", tt.role + "-" + e.namespace}, tt.rules...)...); got != "+OK" {
				t.Fatal(got)
			}
			e.client = e.open(url)
			e.inspector = inspect.New(e.client)
			findings := e.doctor()
			expect(t, findings, tt.name, tt.level, tt.says)
			if t.Failed() {
				t.Logf("%+v", findings)
			}
		})
	}
}

func TestDoctorRenamedCommands(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes", "--rename-command", "INFO", "", "--rename-command", "CONFIG", "", "--rename-command", "ACL", "", "--rename-command", "SUBSCRIBE", "")
	findings := on(t, s.URL()).doctor()
	expect(t, findings, "server", inspect.Note, "unknown, because INFO is refused")
	expect(t, findings, "persistence", inspect.Note, "unknown")
	expect(t, findings, "eviction", inspect.Note, "unknown")
	expect(t, findings, "rights", inspect.Warning, "SUBSCRIBE refused")
	expect(t, findings, "rights", inspect.OK, "user default may enqueue jobs, and run a worker")
	// What is known without INFO.
	s = redistest.Start(t, "--maxmemory-policy", "allkeys-lru", "--rename-command", "INFO", "")
	expect(t, on(t, s.URL()).doctor(), "eviction", inspect.Danger, "allkeys-lru")
}

// workerEnv makes the test binary a worker that holds a job: its value is a URL, a
// space and a namespace.
const workerEnv = "TASUKI_TEST_HOLDER"

func holder(text string) {
	url, namespace, _ := strings.Cut(text, " ")
	client, err := tasuki.Open(url, &tasuki.ClientConfig{Namespace: namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	w, err := tasuki.NewWorker(client, nil)
	if err != nil {
		panic(err)
	}
	tasuki.Handle(w, kind, func(context.Context, *tasuki.Job[int]) error {
		fmt.Println("holds")
		select {}
	})
	panic(w.Run(context.Background()))
}

// TestDoctorJobs: what a worker that was killed holds is seen, also as long as nobody
// has noticed its death.
func TestDoctorJobs(t *testing.T) {
	t.Parallel()
	// Not on the shared server: what the doctor may not ask there would be noted.
	s := redistest.Start(t)
	e := &env{t: t, namespace: redistest.Namespace(t), server: s}
	e.client = e.open(s.As(t, "worker", e.namespace))
	e.inspector = inspect.New(e.open(s.As(t, "operator", e.namespace)))
	expect(t, e.doctor(), "workers", inspect.Note, "0 workers beating | nothing runs, what is due does not become ready, and what dead workers held is not put back | start a worker")
	e.enqueue("a")
	findings := e.doctor()
	expect(t, findings, "queues", inspect.Note, "1 ready job in queues that no worker serves")
	expect(t, findings, "orphans", inspect.OK, "")

	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), workerEnv+"="+e.server.As(t, "worker", e.namespace)+" "+e.namespace)
	var out redistest.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended, or the test has failed
	redistest.WaitFor(t, "the job to run", func() error {
		if !strings.Contains(out.String(), "holds") {
			return errors.New(out.String())
		}
		return nil
	})
	findings = e.doctor()
	expect(t, findings, "workers", inspect.OK, "1 worker beating")
	expect(t, findings, "orphans", inspect.OK, "")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()                                         //nolint:errcheck // it was killed
	e.do("ZADD", "%s:{default}:workers", "1000", "w1") // a tombstone that nobody has removed
	e.do("SET", "%s:stranger", "x")
	findings = e.doctor()
	expect(t, findings, "workers", inspect.Warning, fmt.Sprintf(":%d) does not beat", cmd.Process.Pid))
	expect(t, findings, "orphans", inspect.Warning, "dead workers hold 1 job | nobody puts them back")
	expect(t, findings, "tombstones", inspect.Note, "1 tombstone, the oldest of ")
	expect(t, findings, "check", inspect.Warning, ":stranger: it belongs to no queue")
	e.do("SET", "%s:{default}:retry", "x")
	findings = e.doctor()
	expect(t, findings, "queues", inspect.Danger, ":{default}:retry: it is a string, not a zset")
	for _, f := range findings {
		if f.Name == "check" && strings.Contains(f.What, ":retry") {
			t.Errorf("the wrong type is told twice: %+v", f)
		}
	}
	quick, err := e.inspector.Doctor(t.Context(), &inspect.DoctorConfig{SkipCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range quick {
		if f.Name == "check" {
			t.Errorf("it was not to check: %+v", f)
		}
	}
}

// TestDoctorWorkerStops: a worker that stops while the doctor watches is none that does
// not beat.
func TestDoctorWorkerStops(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	proxy := redistest.StartProxy(t, s)
	e := on(t, proxy.URL())
	e.server = s
	e.do("HSET", "%s:workers", "stops", "1", "stays", "1")
	looks := 0
	proxy.Decide(func(command []string) redistest.Fate {
		if command[0] == "HGETALL" && command[1] == e.namespace+":workers" {
			if looks++; looks == 2 {
				e.do("HDEL", "%s:workers", "stops")
				e.do("HSET", "%s:workers", "comes", "1")
			}
		}
		return redistest.Pass
	})
	findings := e.doctor()
	expect(t, findings, "workers", inspect.OK, "1 worker beating") // that came
	expect(t, findings, "workers", inspect.Warning, "stays does not beat")
	for _, f := range findings {
		if strings.Contains(f.What, "stops") {
			t.Errorf("it has stopped: %+v", f)
		}
	}
}

// TestDoctorNoServer: only a server that cannot be reached is an error.
func TestDoctorNoServer(t *testing.T) {
	t.Parallel()
	e := on(t, "redis://127.0.0.1:1")
	if findings, err := e.inspector.Doctor(t.Context(), nil); err == nil {
		t.Errorf("no error, and %+v", findings)
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	for want, levels := range map[inspect.Level][]inspect.Level{
		inspect.OK:      nil,
		inspect.Note:    {inspect.OK, inspect.Note},
		inspect.Warning: {inspect.Note, inspect.Warning, inspect.OK},
		inspect.Danger:  {inspect.Danger, inspect.Warning},
	} {
		var findings []inspect.Finding
		for _, level := range levels {
			findings = append(findings, inspect.Finding{Level: level})
		}
		if got := inspect.Worst(findings); got != want {
			t.Errorf("of %v the worst is %s", levels, got)
		}
	}
}

package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redisserver"
)

// Sentinel is a master with replicas on loopback ports, and a sentinel that watches
// them. Its methods fail the test that started it.
type Sentinel struct {
	Nodes []*Server // the first was the master at the start

	ports []string
	port  string // of the sentinel
}

// patience is how long to wait for a sentinel: after it did not get the processor for
// two seconds it does nothing for thirty (TILT).
const patience = 2 * time.Minute

// StartSentinel starts a master and replicas, waits until these are in step, and
// starts a sentinel that takes a server for dead after a second.
func StartSentinel(t testing.TB, replicas int) *Sentinel {
	t.Helper()
	s := &Sentinel{port: FreePort(t)}
	for i := range replicas + 1 {
		s.ports = append(s.ports, FreePort(t))
		// Where a replica is behind by little, it gets only that, and at once.
		s.Nodes = append(s.Nodes, Start(t, s.args(i, s.ports[0])...))
	}
	AwaitReplicas(t, s.Nodes[0], replicas)

	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %s 1\n"+
		// It lets twice the time-out go by between two failovers.
		"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 2000\n", s.port, dir, s.ports[0])
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log Buffer
	cmd := exec.Command("redis-server", file, "--sentinel")
	cmd.SysProcAttr = redisserver.Attr()
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended by itself
		cmd.Wait()         //nolint:errcheck // it was killed
		if t.Failed() {
			t.Logf("sentinel:\n%s", log.String())
		}
	})
	// A failover is only to replicas that it knows.
	WaitFor(t, "the sentinel to know the replicas", func() error {
		reply, err := ask("tcp", "127.0.0.1:"+s.port, "", "SENTINEL", "REPLICAS", "main")
		if err == nil && !strings.HasPrefix(reply, fmt.Sprintf("*%d\r\n", replicas)) {
			err = errors.New(reply)
		}
		return err
	})
	return s
}

func (s *Sentinel) args(node int, master string) []string {
	args := []string{"--port", s.ports[node], "--bind", "127.0.0.1", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"}
	if s.ports[node] != master {
		args = append(args, "--replicaof", "127.0.0.1", master)
	}
	return args
}

// URL is where clients ask for the master.
func (s *Sentinel) URL() string { return "redis://127.0.0.1:" + s.port + "?master_set=main" }

// Master is the node that the sentinel names.
func (s *Sentinel) Master(t testing.TB) *Server {
	t.Helper()
	reply, err := ask("tcp", "127.0.0.1:"+s.port, "", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	address := texts(reply)
	if len(address) == 2 {
		if i := slices.Index(s.ports, address[1]); i >= 0 {
			return s.Nodes[i]
		}
	}
	t.Fatalf("redistest: the sentinel names %q", reply)
	return nil
}

// AwaitMaster waits until the sentinel names another master than old, which takes
// writes, and returns it.
func (s *Sentinel) AwaitMaster(t testing.TB, old *Server) *Server {
	t.Helper()
	var master *Server
	WaitLong(t, patience, "another master", func() error {
		if master = s.Master(t); master == old {
			return errors.New("it is the old one")
		}
		reply, err := master.Ask("INFO", "replication")
		if err == nil && !strings.Contains(reply, "role:master") {
			err = errors.New("it is a replica")
		}
		return err
	})
	return master
}

// AwaitWhole waits until the master that the sentinel names has all others as
// replicas that are in step. On a busy machine it may have become another meanwhile.
func (s *Sentinel) AwaitWhole(t testing.TB) {
	t.Helper()
	WaitLong(t, patience, "the replicas", func() error { return haveReplicas(s.Master(t), len(s.Nodes)-1) })
}

// AwaitReplicas waits until a master has n replicas that are in step.
func AwaitReplicas(t testing.TB, master *Server, n int) {
	t.Helper()
	WaitLong(t, patience, "the replicas", func() error { return haveReplicas(master, n) })
}

func haveReplicas(master *Server, n int) error {
	reply, err := master.Ask("INFO", "replication")
	if online := strings.Count(reply, "state=online"); err == nil && online < n {
		err = fmt.Errorf("%d of %d", online, n)
	}
	return err
}

// Rejoin starts a node that was killed, as a replica of the present master.
func (s *Sentinel) Rejoin(t testing.TB, node *Server) {
	t.Helper()
	master := slices.Index(s.Nodes, s.Master(t))
	node.Restart(t, s.args(slices.Index(s.Nodes, node), s.ports[master])...)
}

package redistest

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const slots = 16384

// Cluster is three nodes on loopback ports. Its methods fail the test that started
// it.
type Cluster struct {
	Nodes    []*Server
	Replicas []*Server // of the node with the same index; none until AddReplicas

	ports, buses, ids []string

	mu    sync.Mutex
	moved map[int]int // slots that are not where they were at the start
}

// StartCluster starts a Cluster, which ends with the test.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	const count = 3
	c := &Cluster{moved: map[int]int{}}
	for i := range count {
		node, port, bus := startNode(t)
		node.ok(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		node.ok(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/count), strconv.Itoa((i+1)*slots/count-1))
		c.Nodes, c.ports, c.buses = append(c.Nodes, node), append(c.ports, port), append(c.buses, bus)
		c.ids = append(c.ids, texts(node.must(t, "CLUSTER", "MYID"))[0])
	}
	for i := 1; i < count; i++ {
		c.Nodes[0].ok(t, "CLUSTER", "MEET", "127.0.0.1", c.ports[i], c.buses[i])
	}
	for _, node := range c.Nodes {
		WaitFor(t, "the cluster", func() error {
			if got := node.Do(t, "LLEN", "x"); got != ":0" && !strings.HasPrefix(got, "-MOVED") {
				return errors.New(got)
			}
			return nil
		})
	}
	return c
}

func startNode(t testing.TB) (node *Server, port, bus string) {
	t.Helper()
	port, bus = FreePort(t), FreePort(t)
	return Start(t, "--port", port, "--bind", "127.0.0.1", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
		"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1"), port, bus
}

// AddReplicas gives each node a replica, which takes its place about three seconds
// after it has died.
func (c *Cluster) AddReplicas(t testing.TB) {
	t.Helper()
	for i := range c.Nodes {
		replica, _, _ := startNode(t)
		replica.ok(t, "CLUSTER", "MEET", "127.0.0.1", c.ports[0], c.buses[0])
		WaitFor(t, "the node to know its master", func() error {
			if reply, err := replica.Ask("CLUSTER", "NODES"); err != nil || !strings.Contains(reply, c.ids[i]) {
				return fmt.Errorf("it does not (%v)", err)
			}
			return nil
		})
		replica.ok(t, "CLUSTER", "REPLICATE", c.ids[i])
		c.Replicas = append(c.Replicas, replica)
	}
	for i, node := range c.Nodes {
		AwaitReplicas(t, node, 1)
		node.impatient(t)
		c.Replicas[i].impatient(t)
	}
}

// impatient has a node take another for dead after two seconds, not fifteen.
func (s *Server) impatient(t testing.TB) {
	t.Helper()
	s.ok(t, "CONFIG", "SET", "cluster-node-timeout", "2000")
}

// Rejoin starts a node that was killed. If its replica was promoted, it becomes the
// replica of that one by itself.
func (c *Cluster) Rejoin(t testing.TB, node *Server) {
	t.Helper()
	node.Restart(t)
	node.impatient(t)
}

// AwaitPromotion waits until a replica is a master.
func (c *Cluster) AwaitPromotion(t testing.TB, replica *Server) {
	t.Helper()
	WaitLong(t, patience, "the promotion", func() error {
		if role := replica.Info(t, "replication", "role"); role != "master" {
			return errors.New(role)
		}
		return nil
	})
}

// URL is where clients reach it.
func (c *Cluster) URL() string { return "redis://127.0.0.1:" + c.ports[0] }

// Errors counts the answers of all nodes that began with a code, such as ASK.
func (c *Cluster) Errors(t testing.TB, code string) int {
	t.Helper()
	sum := 0
	for _, node := range c.Nodes {
		count, _ := strings.CutPrefix(node.Info(t, "errorstats", "errorstat_"+code), "count=")
		n, _ := strconv.Atoi(count) // none is no error
		sum += n
	}
	return sum
}

// Slot is the slot of a key.
func (c *Cluster) Slot(t testing.TB, key string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimPrefix(c.Nodes[0].Do(t, "CLUSTER", "KEYSLOT", key), ":"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Owner is the index of the node that has a slot.
func (c *Cluster) Owner(slot int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if node, ok := c.moved[slot]; ok {
		return node
	}
	node := len(c.Nodes) - 1
	for slot < node*slots/len(c.Nodes) {
		node--
	}
	return node
}

// Migration is a slot on its way from one node to another. Until it ends, each key is
// on one of the two. A command for one key that the old node has not is told ASK; one
// for several keys, of which each node may have some, TRYAGAIN.
type Migration struct {
	c        *Cluster
	slot     int
	from, to int
}

// Begin begins the migration of a slot to a node that has it not.
func (c *Cluster) Begin(t testing.TB, slot, to int) *Migration {
	t.Helper()
	m := &Migration{c: c, slot: slot, from: c.Owner(slot), to: to}
	if m.from == to {
		t.Fatalf("redistest: slot %d is on node %d", slot, to)
	}
	c.Nodes[to].ok(t, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "IMPORTING", c.ids[m.from])
	c.Nodes[m.from].ok(t, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "MIGRATING", c.ids[to])
	return m
}

// Keys are the keys that are on the old node.
func (m *Migration) Keys(t testing.TB) []string {
	t.Helper()
	return texts(m.c.Nodes[m.from].must(t, "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(m.slot), "1000"))
}

// Move moves keys to the new node. On a busy machine the nodes may take each other
// for dead for a moment: then it tries again.
func (m *Migration) Move(t testing.TB, keys ...string) {
	t.Helper()
	for _, key := range keys {
		WaitFor(t, "MIGRATE of "+key, func() error {
			switch got := m.c.Nodes[m.from].Do(t, "MIGRATE", "127.0.0.1", m.c.ports[m.to], key, "0", "10000"); {
			case got == "+OK" || got == "+NOKEY":
				return nil
			case strings.Contains(got, "CLUSTERDOWN"):
				return errors.New(got)
			default:
				t.Fatalf("redistest: MIGRATE %s: %s", key, got)
				return nil
			}
		})
	}
}

// End moves what is left, and gives the slot to the new node.
func (m *Migration) End(t testing.TB) {
	t.Helper()
	for keys := m.Keys(t); len(keys) > 0; keys = m.Keys(t) {
		m.Move(t, keys...)
	}
	// The new owner first: else clients are sent to and fro between the two.
	third := 3 - m.from - m.to
	for _, node := range []int{m.to, m.from, third} {
		m.c.Nodes[node].ok(t, "CLUSTER", "SETSLOT", strconv.Itoa(m.slot), "NODE", m.c.ids[m.to])
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.moved[m.slot] = m.to
}

// Migrate moves a slot to a node, with a pause after each key.
func (c *Cluster) Migrate(t testing.TB, slot, to int, pause time.Duration) {
	t.Helper()
	m := c.Begin(t, slot, to)
	for keys := m.Keys(t); len(keys) > 0; keys = m.Keys(t) {
		for _, key := range keys {
			m.Move(t, key)
			time.Sleep(pause)
		}
	}
	m.End(t)
}

// ok is Do for commands that answer OK.
func (s *Server) ok(t testing.TB, words ...string) {
	t.Helper()
	if got := s.Do(t, words...); got != "+OK" {
		t.Fatalf("redistest: %v: %s", words, got)
	}
}

// FreePort returns a port of the loopback that nothing listens on, at least just
// now.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

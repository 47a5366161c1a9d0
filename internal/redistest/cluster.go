package redistest

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
)

// StartCluster starts a Cluster of three nodes without replicas, on loopback ports,
// and returns its URL. It ends with the test.
func StartCluster(t testing.TB) string {
	t.Helper()
	const count, slots = 3, 16384
	var (
		nodes        []*Server
		ports, buses []string
	)
	for i := range count {
		port, bus := FreePort(t), FreePort(t)
		node := Start(t, "--port", port, "--bind", "127.0.0.1",
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1")
		node.ok(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		node.ok(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/count), strconv.Itoa((i+1)*slots/count-1))
		nodes, ports, buses = append(nodes, node), append(ports, port), append(buses, bus)
	}
	for i := 1; i < count; i++ {
		nodes[0].ok(t, "CLUSTER", "MEET", "127.0.0.1", ports[i], buses[i])
	}
	for _, node := range nodes {
		WaitFor(t, "the cluster", func() error {
			if got := node.Do(t, "LLEN", "x"); got != ":0" && !strings.HasPrefix(got, "-MOVED") {
				return errors.New(got)
			}
			return nil
		})
	}
	return "redis://127.0.0.1:" + ports[0]
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

//go:build unix

package redistest

import (
	"syscall"
	"testing"
)

// CutReplicas cuts a master's replicas off, until heal is called. They stand still
// meanwhile: after a second they are taken for dead.
func (s *Sentinel) CutReplicas(t testing.TB, master *Server) (heal func()) {
	t.Helper()
	signal := func(sig syscall.Signal) {
		for _, node := range s.Nodes {
			if node != master {
				node.Signal(t, sig)
			}
		}
	}
	signal(syscall.SIGSTOP) // else they connect again at once
	master.Do(t, "CLIENT", "KILL", "TYPE", "replica")
	return func() { signal(syscall.SIGCONT) }
}

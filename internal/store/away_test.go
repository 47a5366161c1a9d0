package store

import (
	"context"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestReadWhileAway: what only reads, and has no limit in time, ends with an error when the server is
// gone, one on its own and one of a Cluster.
//
//fault:server the server is gone, or one of a Cluster | what only reads fails in less than a minute, also without a deadline
func TestReadWhileAway(t *testing.T) {
	t.Parallel()
	fails := func(t *testing.T, url string, kill func()) {
		t.Helper()
		s, err := New(Options{URL: url, Namespace: "t"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if _, err := s.Queues(t.Context()); err != nil {
			t.Fatal(err)
		}
		kill()
		failed := make(chan error, 1)
		go func() {
			_, err := s.Queues(context.Background())
			failed <- err
		}()
		select {
		case err := <-failed:
			if err == nil || IsRedis(err) {
				t.Errorf("%v", err)
			}
		case <-time.After(3 * time.Minute):
			t.Error("it has not ended")
		}
	}
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		fails(t, server.URL(), server.Kill)
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t)
		fails(t, cluster.URL(), func() {
			for _, node := range cluster.Nodes {
				node.Kill()
			}
		})
	})
}

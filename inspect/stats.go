package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// Stats is how a namespace and its server are at one time. It costs the same however many
// jobs there are.
type Stats struct {
	At      time.Time `json:"at"` // by the clock of this program
	Queues  []Queue   `json:"queues"`
	Workers int       `json:"workers"` // in the list of workers
	Slots   int       `json:"slots"`   // of these
	Busy    int       `json:"busy"`    // jobs that workers hold
	// Servers are one, or the masters of a Cluster.
	Servers []Server `json:"servers"`
}

// Server is what a server says of its memory, and of what it keeps on a disk.
type Server struct {
	Address string `json:"address"`
	Error   string `json:"error,omitempty"` // why it does not say more
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`

	Used   int64  `json:"used_bytes"`
	Max    int64  `json:"max_bytes"` // 0: no limit, or it does not say
	Policy string `json:"policy,omitempty"`

	AOF     bool      `json:"aof"`
	SavedAt time.Time `json:"saved_at,omitzero"` // the last snapshot since its start
	Unsaved int64     `json:"unsaved"`           // changes since then
	Failing bool      `json:"failing,omitempty"` // the last write to the AOF, or snapshot, has failed
}

// Rate is how fast the workers of a queue were between two looks, per second.
type Rate struct {
	Done   float64 `json:"done"`
	Failed float64 `json:"failed"` // attempts that have failed, and those in which the process has died
}

// Stats looks at all queues, at the list of workers and at the server. A queue or a server
// that cannot be looked at does not hide the others: they are returned with an error.
func (i *Inspector) Stats(ctx context.Context) (*Stats, error) {
	queues, err := i.Queues(ctx)
	if err != nil && (len(queues) == 0 || ctx.Err() != nil) {
		return nil, err
	}
	failed := []error{err}
	s := &Stats{At: time.Now(), Queues: queues}
	for _, q := range queues {
		s.Busy += int(q.Running)
	}
	abouts, err := i.store.About(ctx)
	if err != nil {
		failed = append(failed, fmt.Errorf("workers: %w", err))
	}
	for _, said := range abouts {
		if said.Known {
			s.Workers++
			s.Slots += said.Concurrency
		}
	}
	servers, err := i.store.Servers(ctx, false)
	if err != nil {
		failed = append(failed, fmt.Errorf("servers: %w", err))
	}
	for n := range servers {
		s.Servers = append(s.Servers, serverOf(&servers[n]))
	}
	return s, errors.Join(failed...)
}

func serverOf(v *store.Server) Server {
	s := Server{Address: v.Address}
	if err := errors.Join(v.Err, v.InfoErr); err != nil {
		s.Error = err.Error()
		return s
	}
	s.Product, s.Version = v.Product()
	s.Used, _ = v.Int("used_memory")
	s.Max, _ = v.Int("maxmemory")
	s.Policy = v.Policy()
	s.AOF = v.Info["aof_enabled"] == "1"
	// Until the first snapshot, the time of the last is that of the server's start.
	if at, ok := v.Int("rdb_last_save_time"); ok && v.Info["rdb_last_bgsave_time_sec"] != "-1" {
		s.SavedAt = moment(float64(1000 * at))
	}
	s.Unsaved, _ = v.Int("rdb_changes_since_last_save")
	s.Failing = s.AOF && v.Info["aof_last_write_status"] == "err" || v.Info["rdb_last_bgsave_status"] == "err"
	return s
}

// Rates are those of the queues since an earlier look, by name; a queue that was not there
// then has none.
func (s *Stats) Rates(before *Stats) map[string]Rate {
	was := map[string]map[string]int64{}
	for _, q := range before.Queues {
		was[q.Name] = q.Counts
	}
	rates := map[string]Rate{}
	took := s.At.Sub(before.At).Seconds()
	for _, q := range s.Queues {
		counts, known := was[q.Name]
		if !known || took <= 0 {
			continue
		}
		// After a restart that has lost them, counters may be lower.
		rate := func(n func(counts map[string]int64) int64) float64 {
			return max(0, float64(n(q.Counts)-n(counts))/took)
		}
		rates[q.Name] = Rate{
			Done: rate(func(c map[string]int64) int64 { return c["done"] }),
			// A job that is dead by its crashes is counted under all three.
			Failed: rate(func(c map[string]int64) int64 { return c["retry"] + c["dead"] + c["crashed"] - c["poison"] }),
		}
	}
	return rates
}

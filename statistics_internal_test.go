package tasuki

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// BenchmarkCount is what an attempt that is done costs more than without statistics: two
// looks at the clock at most, of which all but the first of a portion are one, and the
// numbers.
func BenchmarkCount(b *testing.B) {
	for name, kinds := range map[string][]string{"one kind": {"email.welcome"}, "two kinds in turn": {"email.welcome", "email.goodbye"}} {
		b.Run(name, func(b *testing.B) {
			f := &fetcher{epoch: time.Now()}
			f.stats.f = f
			f.clock.Store(f.epoch.UnixNano())
			q := &queue{name: "mail", fetcher: f}
			runs := make([]*run, len(kinds))
			for i, kind := range kinds {
				runs[i] = &run{q: q, readySince: f.epoch.UnixNano()}
				runs[i].raw.Info = Info{Kind: kind, State: StateRunning}
			}
			for i := 0; b.Loop(); i++ {
				r := runs[i%len(runs)]
				r.took = time.Since(f.epoch) - r.began
				f.stats.settled(r, source.Done)
			}
		})
	}
}

package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/store"
)

// Level is how bad a finding is.
type Level string

// The levels, the best first.
const (
	// OK: as it should be.
	OK Level = "ok"
	// Note: worth knowing, or not to be found out.
	Note Level = "note"
	// Warning: something does not work as well as it could, or will not when
	// something else goes wrong.
	Warning Level = "warning"
	// Danger: accepted jobs can be lost, or nothing works.
	Danger Level = "danger"
)

var levels = []Level{OK, Note, Warning, Danger}

// Finding is one thing that Doctor has looked at.
type Finding struct {
	// Name is what was looked at, one word. docs/operating.md has a section for
	// each.
	Name  string `json:"name"`
	Level Level  `json:"level"`
	What  string `json:"what"`            // what was found
	Means string `json:"means,omitempty"` // what follows from it
	Do    string `json:"do,omitempty"`    // what to do about it
}

// Worst returns the worst level among findings; OK if there are none.
func Worst(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		if slices.Index(levels, f.Level) > slices.Index(levels, worst) {
			worst = f.Level
		}
	}
	return worst
}

// DoctorConfig is what Doctor looks at. The zero value is everything.
type DoctorConfig struct {
	// SkipCheck leaves out Check, which reads every job.
	SkipCheck bool
}

// Doctor looks at the server, at what the client's user may do there, at the
// workers, and with Check at the jobs, and says of each what it means and what to
// do. It changes nothing and may run beside workers; it takes up to 3 s, and the
// time of Check. cfg may be nil.
//
// What the server refuses to tell is a finding of its own, with the level Note, and a
// node of a Cluster that does not answer one with the level Danger: each further look
// then takes 5 s at most. The error is for a server, or a whole Cluster, that cannot
// be reached.
func (i *Inspector) Doctor(ctx context.Context, cfg *DoctorConfig) ([]Finding, error) {
	if cfg == nil {
		cfg = &DoctorConfig{}
	}
	d := &doctor{store: i.store, wrong: map[string]bool{}}
	type step struct {
		name string
		look func() error
	}
	steps := []step{{"server", d.servers}, {"latency", d.rounds}, {"rights", d.rights}, {"queues", d.jobs}}
	if !cfg.SkipCheck {
		steps = append(steps, step{"check", func() error { return d.check(i) }})
	}
	for _, s := range steps {
		err := d.within(ctx, s.look)
		if err != nil && d.away && ctx.Err() == nil {
			d.add(s.name, Note, fmt.Sprintf("not all is known: %v", err), "", "look again when all nodes answer")
		} else if err != nil {
			return d.findings, fmt.Errorf("doctor: %w", err)
		}
	}
	// In the order of the documentation, and the worst of each first.
	slices.SortStableFunc(d.findings, func(a, b Finding) int {
		if by := slices.Index(names, a.Name) - slices.Index(names, b.Name); by != 0 {
			return by
		}
		return slices.Index(levels, b.Level) - slices.Index(levels, a.Level)
	})
	return d.findings, nil
}

// names are those of findings, in their order.
var names = []string{
	"server", "holes", "persistence", "eviction", "memory", "clients", "replicas", "clock", "latency",
	"rights", "scripts", "queues", "workers", "orphans", "tombstones", "check",
}

type doctor struct {
	ctx      context.Context
	store    *store.Store
	findings []Finding
	away     bool            // a node of a Cluster does not answer
	wrong    map[string]bool // keys of a wrong type that were told
}

// awayLimit is how long each further look may take when a node is away: what reads a
// key of such a node is repeated as long as its context lasts.
const awayLimit = 5 * time.Second

// within looks, with a limit if a node is away.
func (d *doctor) within(ctx context.Context, look func() error) error {
	d.ctx = ctx
	if d.away {
		limited, cancel := context.WithTimeout(ctx, awayLimit)
		defer cancel()
		d.ctx = limited
	}
	return look()
}

func (d *doctor) add(name string, level Level, what, means, do string) {
	d.findings = append(d.findings, Finding{name, level, what, means, do})
}

// unknown notes what the server does not tell. It returns any other error.
func (d *doctor) unknown(name, what string, err error) error {
	if err == nil || !store.IsRedis(err) {
		return err
	}
	const do = "to know it, run the doctor as a user that may look: deploy/acl has the operator"
	switch {
	case store.IsKeyRefused(err):
		d.add(name, Note, "unknown, because the user may not touch the keys that "+what+" takes", "", do)
	case errors.Is(err, store.ErrRefused):
		d.add(name, Note, "unknown, because "+what+" is refused", "", do)
	default:
		d.add(name, Note, fmt.Sprintf("unknown, because %s failed: %v", what, err), "", "")
	}
	return nil
}

// list is a few of many words.
func list(words []string) string {
	const most = 6
	if len(words) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}

// count is a number with the word for it.
func count(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

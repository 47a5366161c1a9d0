package inspect

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// exportVersion is that of the format of docs/moving-jobs.md.
const exportVersion = 1

// exportHead is the first line of an export.
type exportHead struct {
	Tasuki    string    `json:"tasuki"` // "export"
	Version   int       `json:"version"`
	ID        string    `json:"id"` // of this export
	Namespace string    `json:"namespace"`
	At        time.Time `json:"at"`
}

// exportLine is one job of an export.
type exportLine struct {
	Queue string       `json:"queue"`
	State tasuki.State `json:"state"`
	At    int64        `json:"at,omitempty"`         // when it is due, or has died: ms since 1970
	Seen  int64        `json:"remembered,omitempty"` // when its queue has remembered its id: ms since 1970

	// Of a bare job its element, as docs/wire-format.md has it; in base64 if it is not UTF-8.
	Element *string `json:"element,omitempty"`
	Bytes   []byte  `json:"element_base64,omitempty"`

	// Of a recorded job its id, generation and the fields of its record.
	ID     string            `json:"id,omitempty"`
	Gen    int64             `json:"gen,omitempty"`
	Record map[string]string `json:"record,omitempty"`
}

// exportEnd is the last line: an export without it was cut.
type exportEnd struct {
	End  bool  `json:"end"`
	Jobs int64 `json:"jobs"`
}

// ExportConfig says which jobs are exported.
type ExportConfig struct {
	// Query means the jobs. Without Queues it is all queues but the lists of other programs; without
	// States all that wait, and the dead: those that run and those that have ended are refused.
	Query Query
	// Progress is told after each portion what was written so far; it must not block for long.
	Progress func(Exported)
}

// Exported is what was exported.
type Exported struct {
	Jobs int64 `json:"jobs"`
	// Missed were moved by others while they were read, or their records are gone.
	Missed int64 `json:"missed"`
	// Running were left out: so many jobs workers held when their queue's turn began.
	Running int64 `json:"running"`
}

// Export writes jobs as JSON Lines, in the order in which they wait, and changes nothing. It holds
// one portion in memory. What moves meanwhile is written twice or not at all: pause the queue, or
// take Transfer, for an account that balances. cfg may be nil.
func (i *Inspector) Export(ctx context.Context, w io.Writer, cfg *ExportConfig) (Exported, error) {
	if cfg == nil {
		cfg = &ExportConfig{}
	}
	var done Exported
	if err := i.export(ctx, w, cfg, &done); err != nil {
		return done, fmt.Errorf("export: %w", err)
	}
	return done, nil
}

func (i *Inspector) export(ctx context.Context, w io.Writer, cfg *ExportConfig, done *Exported) error {
	q, err := transferable(cfg.Query)
	if err != nil {
		return err
	}
	queues, err := i.exported(ctx, q.Queues)
	if err != nil {
		return err
	}
	now, err := i.store.Now(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(exportHead{"export", exportVersion, wire.NewID(time.Now()), i.store.Namespace(), now}); err != nil {
		return err
	}
	for _, queue := range queues {
		survey, err := i.store.Survey(ctx, queue)
		if err != nil {
			return err
		}
		done.Running += running(survey)
		var failed error
		err = i.walk(ctx, queue, &q, false, nil, func(jobs []Job) (int, bool) {
			if q.Limit > 0 {
				jobs = jobs[:min(len(jobs), q.Limit-int(done.Jobs))]
			}
			if failed = i.exportSome(ctx, queue, jobs, lines, done); failed == nil && cfg.Progress != nil {
				cfg.Progress(*done)
			}
			return 0, failed == nil && (q.Limit == 0 || done.Jobs < int64(q.Limit))
		})
		if failed != nil {
			err = failed
		}
		if err != nil {
			return fmt.Errorf("%s: %w", queue.Name, err)
		}
	}
	if err := lines.Encode(exportEnd{true, done.Jobs}); err != nil {
		return err
	}
	return out.Flush()
}

// exported returns the queues with some names, or all.
func (i *Inspector) exported(ctx context.Context, names []string) ([]*store.Queue, error) {
	all := len(names) == 0
	if all {
		var err error
		if names, err = i.Names(ctx); err != nil {
			return nil, err
		}
	}
	var queues []*store.Queue
	for _, name := range names {
		q, err := i.store.Queue(name)
		switch {
		case err != nil:
			return nil, err
		case q.Foreign && all:
		case q.Foreign:
			return nil, fmt.Errorf("%s: the list of another program: allowed are queues of tasuki's own", name)
		default:
			queues = append(queues, q)
		}
	}
	return queues, nil
}

// exportSome writes jobs of one queue.
func (i *Inspector) exportSome(ctx context.Context, q *store.Queue, jobs []Job, lines *json.Encoder, done *Exported) error {
	for some := range slices.Chunk(jobs, 200) {
		all := make([]parcel, len(some))
		ids := make([]string, len(some))
		for n := range some {
			j := &some[n]
			all[n].job, all[n].id, all[n].element, all[n].state, all[n].at = j, j.ID, j.element, j.State, j.DueAt
			if j.State == tasuki.StateDead {
				all[n].at = endOf(j)
			}
			ids[n] = j.ID
		}
		seen, err := i.store.SeenAll(ctx, q, ids)
		if err != nil {
			return err
		}
		if err := readRecords(ctx, i.store, q, all); err != nil {
			return err
		}
		for n := range all {
			p := &all[n]
			if p.gone {
				done.Missed++
				continue
			}
			if err := lines.Encode(p.written(q.Name, seen[n])); err != nil {
				return err
			}
			done.Jobs++
		}
	}
	return nil
}

// written is the job as an export has it.
func (p *parcel) written(queue string, seen time.Time) exportLine {
	l := exportLine{Queue: queue, State: p.state}
	if !p.at.IsZero() {
		l.At = p.at.UnixMilli()
	}
	if !seen.IsZero() {
		l.Seen = seen.UnixMilli()
	}
	switch {
	case p.gen > 0:
		l.ID, l.Gen, l.Record = p.id, p.gen, p.fields
		for _, name := range dropped {
			delete(l.Record, name)
		}
	case utf8.ValidString(p.element):
		l.Element = &p.element
	default:
		l.Bytes = []byte(p.element)
	}
	return l
}

package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// parcel is a job in a transfer.
type parcel struct {
	carried
	job    *Job
	leased bool
	gone   bool   // it is not where it was read any more
	now    string // a bare one, as it lies here now
	lock   string
}

// readRecords reads the records of those that have one, in portions: a record has a megabyte
// at most, as a rule far less.
func readRecords(ctx context.Context, s *store.Store, q *store.Queue, all []parcel) error {
	var which []int
	for n := range all {
		if all[n].job.Recorded {
			which = append(which, n)
		}
	}
	for some := range slices.Chunk(which, 50) {
		ids := make([]string, len(some))
		for k, n := range some {
			ids[k] = all[n].id
		}
		records, err := s.WholeRecords(ctx, q, ids)
		if err != nil {
			return err
		}
		for k, n := range some {
			p := &all[n]
			r := records[k]
			pointer, _ := wire.Parse(p.job.element)
			p.gen = pointer.Rec
			body, _ := wire.Parse(r["job"])
			p.fields, p.lock, p.element = r, body.Lock, ""
			// Its pointer may have been left behind, or it has begun to run.
			p.gone = r["job"] == "" || r["gen"] != fmt.Sprint(p.gen) || r["state"] == string(tasuki.StateRunning) || r["to"] != ""
		}
	}
	return nil
}

// takeIn puts jobs into a queue. Its answers are those of the store; "" for one that is gone.
func (i *Inspector) takeIn(ctx context.Context, q *store.Queue, run string, now time.Time, all []parcel, window time.Duration, most int) ([]store.Imported, error) {
	results := make([]store.Imported, len(all))
	for from := 0; from < len(all); {
		var coming []store.Import
		var which []int
		size, n := 0, from
		for ; n < len(all) && len(coming) < 500 && size < pageBytes; n++ {
			if all[n].gone {
				continue
			}
			in := all[n].arrives(now)
			size += len(in.Element)
			for _, value := range in.Fields {
				size += len(value)
			}
			coming, which = append(coming, in), append(which, n)
		}
		from = n
		if len(coming) == 0 {
			continue
		}
		var imported []store.Imported
		err := store.Repeat(ctx, func(ctx context.Context) (err error) {
			imported, err = i.store.Import(ctx, q, window, most, run, coming)
			return err
		})
		if err != nil {
			return results, err
		}
		for k, w := range which {
			results[w] = imported[k]
		}
	}
	return results, nil
}

// isGone tells whether a recorded job is not as it was read any more.
func isGone(err error) bool {
	return slices.ContainsFunc([]error{store.ErrChanged, store.ErrRunning, store.ErrEnded, store.ErrMissing}, func(is error) bool { return errors.Is(err, is) })
}

package inspect

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"time"
	"unsafe"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// past keeps what was read of minutes, hours and days that are over, as nothing is counted there
// any more, and the sums of those of one time. It forgets the older half of that when the other has
// grown to pastMost, and after pastFor, as a server may have lost what it has said, or have been
// told to forget it.
type past struct {
	store *store.Store

	mu         sync.Mutex
	young, old pastHalf
	turned     time.Time // when young began
}

type pastHalf struct {
	spans map[pastKey]pastSpan
	sums  map[pastSums]map[string]*tally.Sums // by field; nobody changes them
	bytes int
}

// How much is kept, in each half. 90 days of 400 kinds are 13 MB, and their sums 1 MB.
const (
	pastMost = 16 << 20 // bytes
	pastFor  = time.Hour
)

// pastPortion is how many spans are read at once.
const pastPortion = 8

// pastKey is a span: when it began, in ms since 1970, and how long it is.
type pastKey struct {
	at   int64
	long time.Duration
}

// pastSums are spans one after the other, until and without one.
type pastSums struct {
	pastKey
	until int64
}

// pastSpan is what Redis has of a span. Nobody changes its fields.
type pastSpan struct {
	fields map[string]string
	whole  bool // they are all that there are; else "" is one that is not there
}

func (p *pastSpan) has(fields []string) bool {
	if p.whole || p.fields == nil {
		return p.whole
	}
	for _, f := range fields {
		if _, known := p.fields[f]; !known {
			return false
		}
	}
	return len(fields) > 0
}

// read returns the numbers of some fields, or, if there are none, of all, in spans from the one in
// which from is, one after the other, until the one in which to is. now is Redis' time.
func (p *past) read(ctx context.Context, span store.Span, from, to, now time.Time, fields []string) ([]map[string]string, error) {
	var all []map[string]string
	var missing []time.Time
	var places []int
	p.mu.Lock()
	p.turn()
	for at := from.Truncate(span.Long); !at.After(to); at = at.Add(span.Long) {
		known := p.of(pastKey{at.UnixMilli(), span.Long})
		if !known.has(fields) {
			missing, places = append(missing, at), append(places, len(all))
		}
		all = append(all, known.fields)
	}
	p.mu.Unlock()
	read, err := p.store.Spans(ctx, span, missing, fields)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, place := range places {
		if missing[n].Add(span.Long).After(now) {
			all[place] = read[n] // it goes on
			continue
		}
		for _, f := range fields {
			read[n][f] += "" // known not to be there
		}
		all[place] = p.keep(pastKey{missing[n].UnixMilli(), span.Long}, pastSpan{read[n], len(fields) == 0})
	}
	return all, nil
}

// of is what is known of a span. The caller holds the lock.
func (p *past) of(key pastKey) pastSpan {
	if known, ok := p.young.spans[key]; ok {
		return known
	}
	return p.old.spans[key]
}

// keep adds to what is known of a span, and returns its fields. The caller holds the lock.
func (p *past) keep(key pastKey, s pastSpan) map[string]string {
	p.turn()
	if known := p.young.spans[key]; !s.whole && len(known.fields) > 0 {
		more := maps.Clone(s.fields)
		maps.Copy(more, known.fields)
		s.fields, s.whole = more, known.whole
	}
	for name, text := range s.fields {
		p.young.bytes += len(name) + len(text) + 48 // and what a map needs for them
	}
	p.young.spans[key] = s
	return s.fields
}

// turn forgets the older half if it is time. The caller holds the lock.
func (p *past) turn() {
	if now := time.Now(); p.young.spans == nil || p.young.bytes > pastMost || now.Sub(p.turned) > pastFor {
		p.young, p.old, p.turned = pastHalf{spans: map[pastKey]pastSpan{}, sums: map[pastSums]map[string]*tally.Sums{}}, p.young, now
	}
}

// add adds to sums, by field, what was counted in spans from the one in which from is until the one
// in which to is. now is Redis' time.
func (p *past) add(ctx context.Context, all map[string]*tally.Sums, span store.Span, from, to, now time.Time) error {
	from = from.Truncate(span.Long)
	over := now.Truncate(span.Long) // what begins before that is over
	if end := to.Truncate(span.Long).Add(span.Long); over.After(end) {
		over = end
	}
	if from.Before(over) {
		sums, err := p.sums(ctx, span, from, over, now)
		if err != nil {
			return err
		}
		merge(all, sums)
		from = over
	}
	if from.After(to) {
		return nil
	}
	spans, err := p.read(ctx, span, from, to, now, nil)
	addFields(all, spans)
	return err
}

// sums returns the sums, by field, of spans that are over, until and without the one that begins
// at over.
func (p *past) sums(ctx context.Context, span store.Span, from, over, now time.Time) (map[string]*tally.Sums, error) {
	key := pastSums{pastKey{from.UnixMilli(), span.Long}, over.UnixMilli()}
	p.mu.Lock()
	sums, known := p.young.sums[key]
	if !known {
		sums, known = p.old.sums[key]
	}
	p.mu.Unlock()
	if known {
		return sums, nil
	}
	sums = map[string]*tally.Sums{}
	var adding sync.Mutex
	var failed error
	var portions sync.WaitGroup
	for at := from; at.Before(over); at = at.Add(pastPortion * span.Long) {
		end := at.Add(pastPortion * span.Long)
		if end.After(over) {
			end = over
		}
		portions.Go(func() { // the numbers of one are added while Redis sends the next
			spans, err := p.read(ctx, span, at, end.Add(-1), now, nil)
			adding.Lock()
			defer adding.Unlock()
			failed = cmp.Or(failed, err)
			addFields(sums, spans)
		})
	}
	if portions.Wait(); failed != nil {
		return nil, failed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	p.young.sums[key] = sums
	p.young.bytes += len(sums) * int(unsafe.Sizeof(tally.Sums{}))
	return sums, nil
}

// merge adds sums to others by field.
func merge(all, more map[string]*tally.Sums) {
	for field, sum := range more {
		if all[field] == nil {
			all[field] = &tally.Sums{}
		}
		all[field].Merge(sum)
	}
}

// addFields adds what was counted in spans to sums by field.
func addFields(all map[string]*tally.Sums, spans []map[string]string) {
	for _, fields := range spans {
		for field, text := range fields {
			if all[field] == nil {
				all[field] = &tally.Sums{}
			}
			_ = all[field].Add(text) // what another program has written there counts nothing
		}
	}
}

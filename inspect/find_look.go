package inspect

import (
	"slices"

	"github.com/tasuki-dev/tasuki/internal/store"
)

func (f *finder) isFull() bool {
	return len(f.page.Jobs) >= f.limit || f.looked >= pageElements || f.bytes >= pageMemory || f.reads >= pagePortions
}

// size is how many elements are read next.
func (f *finder) size() int64 {
	size := int64(32) // until it is known how large they are
	if f.looked > 0 {
		size = min(max((1<<20)/int64(int64(f.bytes)/f.looked+1), 10), 1000)
	}
	if f.plain {
		size = min(size, int64(f.limit-len(f.page.Jobs)))
	}
	return max(min(size, pageElements-f.looked), 1)
}

// look goes on in a sequence from a position until it ends, or the page is full.
func (f *finder) look(s *sequence, at *position) (done bool, err error) {
	if len(at.Last) > 0 {
		if err := f.resume(s, at); err != nil {
			return false, err
		}
	}
	for {
		if f.isFull() {
			return false, nil
		}
		size := f.size()
		jobs, length, err := f.portion(s, at.Index, size)
		if err != nil || len(jobs) == 0 {
			return err == nil, err
		}
		elements, scores := make([]string, len(jobs)), make([]float64, len(jobs))
		for k := range jobs {
			elements[k], scores[k] = jobs[k].element, jobs[k].score
		}
		meant, bytes, err := f.read(jobs)
		if err != nil {
			return false, err
		}
		took := int64(len(elements))
		for k := range meant {
			if len(f.page.Jobs) == f.limit {
				took = meant[k].nth - at.Index
				break
			}
			f.page.Jobs = append(f.page.Jobs, meant[k])
		}
		f.bytes += bytes
		f.looked += took
		f.page.Scanned += took
		at.pass(elements[:took], scores[:took], length)
		switch {
		case took < int64(len(elements)):
			return false, nil
		case at.Index >= length, at.Read > 4*length+10_000: // or others put in as fast as it reads
			return true, nil
		}
	}
}

// pass notes that elements were looked at.
func (at *position) pass(elements []string, scores []float64, length int64) {
	for k, element := range elements {
		if scores[k] != at.Score || at.Index+at.Same == 0 {
			at.Score, at.Same = scores[k], 0
		}
		at.Same++
		if len(elements)-k <= lastSums {
			at.Last = slices.Insert(at.Last, 0, elementSum(element))
		}
	}
	at.Last = at.Last[:min(len(at.Last), lastSums)]
	at.Index += int64(len(elements))
	at.Read += int64(len(elements))
	at.Left = max(length-at.Index, 0)
}

// parked goes on among the lists of those that wait to run under a uniqueness key. No key names
// all of them, so it is the server's keys that are gone through, some for each page.
func (f *finder) parked(s *sequence, at *position) (done bool, err error) {
	const keysAtOnce = 1000
	for {
		if f.isFull() {
			return false, nil
		}
		names, next, more, err := f.store.ParkedSome(f.ctx, f.q, store.Place{Node: at.Node, Cursor: at.Scan}, keysAtOnce)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			if name < at.Part {
				continue
			}
			if name != at.Part {
				*at = position{Query: at.Query, Queue: at.Queue, State: at.State, Node: at.Node, Scan: at.Scan, Part: name}
			}
			list := *s
			list.kind, list.key = "list", f.q.Parked(name)
			if done, err := f.look(&list, at); err != nil || !done {
				return false, err
			}
		}
		f.looked += keysAtOnce
		f.page.Scanned += keysAtOnce
		if !more {
			return true, nil
		}
		*at = position{Query: at.Query, Queue: at.Queue, State: at.State, Node: next.Node, Scan: next.Cursor}
	}
}

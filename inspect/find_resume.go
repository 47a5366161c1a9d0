package inspect

import "slices"

// slack is how far from where it should be the last element of a position is looked for.
const slack = 500

// resume finds out where a position is by now.
func (f *finder) resume(s *sequence, at *position) error {
	guess, down, up := at.Index, int64(slack), int64(0)
	switch s.kind {
	case "zset":
		before, err := f.store.Before(f.ctx, s.key, at.Score, s.youngest)
		if err != nil {
			return err
		}
		guess, up = before+at.Same, slack
	case "held":
		down, up = 1<<30, 1<<30
	default:
		_, length, err := f.portion(s, 0, 1)
		if err != nil {
			return err
		}
		// What is taken at the head, and what is put in at the tail, shift what lies between: the
		// one as it is counted from the head, the other from the tail.
		if fromEnd := max(length-at.Left, 0); s.youngest {
			guess, down, up = max(guess, fromEnd), 0, slack
		} else {
			guess = min(guess, fromEnd)
		}
	}
	next, found, err := f.search(s, at, guess, down, up)
	if err != nil {
		return err
	}
	switch {
	case found:
	case s.kind == "zset" || s.youngest: // it has gone itself
		next = guess
	default: // so have those before it
		next = max(guess-slack, 0)
	}
	if next < at.Index {
		at.Same = min(at.Same, next)
	}
	at.Index = next
	return nil
}

// search looks for the last of the elements that a position knows around a guess of where it ends.
func (f *finder) search(s *sequence, at *position, guess, down, up int64) (next int64, found bool, err error) {
	bytes, size := 0, int64(lastSums)
	look := func(from, to int64) (bool, error) {
		jobs, _, err := f.portion(s, from, to-from)
		if err != nil {
			return false, err
		}
		for k := len(jobs) - 1; k >= 0; k-- {
			bytes += len(jobs[k].element)
			if slices.Contains(at.Last, elementSum(jobs[k].element)) {
				next = jobs[k].nth + 1
				return true, nil
			}
		}
		size = 100
		return false, nil
	}
	if s.kind == "held" {
		found, err = look(0, down)
		return next, found, err
	}
	low, high := guess, guess
	for bytes < 1<<20 && (low > max(guess-down, 0) || high < guess+up) {
		if low > max(guess-down, 0) {
			to := low
			low = max(low-size, guess-down, 0)
			if found, err = look(low, to); found || err != nil {
				return next, found, err
			}
		}
		if high < guess+up {
			from := high
			high = min(high+size, guess+up)
			if found, err = look(from, high); found || err != nil {
				return next, found, err
			}
		}
	}
	return 0, false, nil
}

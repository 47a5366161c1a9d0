package tally

import (
	"encoding/binary"
	"errors"
	"time"
)

// Counts are what one process has counted of one kind in one queue. The zero value is
// empty.
type Counts struct {
	Done    int64 // attempts that ended well
	Failed  int64 // attempts that ended in a failure
	Crashed int64 // deaths of a process while it held the job

	Run, Wait       [Buckets]uint32
	RunSum, WaitSum time.Duration
}

// Attempt counts an attempt, and how long it ran.
func (c *Counts) Attempt(failed bool, ran time.Duration) {
	if failed {
		c.Failed++
	} else {
		c.Done++
	}
	c.Run[Bucket(ran)]++
	c.RunSum += max(ran, 0)
}

// Waited counts how long a job was ready before it began.
func (c *Counts) Waited(d time.Duration) {
	c.Wait[Bucket(d)]++
	c.WaitSum += max(d, 0)
}

// Add adds what another has counted.
func (c *Counts) Add(o *Counts) {
	c.Done += o.Done
	c.Failed += o.Failed
	c.Crashed += o.Crashed
	c.RunSum += o.RunSum
	c.WaitSum += o.WaitSum
	for i := range o.Run {
		c.Run[i] += o.Run[i]
		c.Wait[i] += o.Wait[i]
	}
}

// What a number counts. In the bytes each number has a name, so that those of two
// values can be added by who knows nothing of them: that is a script.
const (
	nameDone    = 0
	nameFailed  = 1
	nameCrashed = 2
	nameRunSum  = 3 // µs
	nameWaitSum = 4 // µs
	nameRun     = 5 // and 7, 9, …: buckets
	nameWait    = 6 // and 8, 10, …
)

// Append appends the bytes of c to dst: for each number that is not zero its name and the
// number, each in groups of seven bits, the lowest first; all but the last of a number's
// bytes have the eighth bit set.
func (c *Counts) Append(dst []byte) []byte {
	add := func(name int, n int64) {
		if n > 0 {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(name)), uint64(n))
		}
	}
	add(nameDone, c.Done)
	add(nameFailed, c.Failed)
	add(nameCrashed, c.Crashed)
	add(nameRunSum, c.RunSum.Microseconds())
	add(nameWaitSum, c.WaitSum.Microseconds())
	for i := range Buckets {
		add(nameRun+2*i, int64(c.Run[i]))
		add(nameWait+2*i, int64(c.Wait[i]))
	}
	return dst
}

// Histogram is the sum of any number of durations that were counted, in buckets. The zero
// value is empty.
type Histogram struct {
	First  int     // bucket of Counts[0]
	Counts []int64 // of buckets, one behind the other
	Sum    time.Duration
}

// Add counts n more in a bucket.
func (h *Histogram) Add(bucket int, n int64) {
	if bucket < 0 || bucket >= Buckets || n <= 0 {
		return
	}
	switch {
	case len(h.Counts) == 0:
		h.First, h.Counts = bucket, append(h.Counts, 0)
	case bucket < h.First:
		h.Counts = append(make([]int64, h.First-bucket, h.First-bucket+len(h.Counts)), h.Counts...)
		h.First = bucket
	}
	for bucket-h.First >= len(h.Counts) {
		h.Counts = append(h.Counts, 0)
	}
	h.Counts[bucket-h.First] += n
}

// Sums are Counts of several processes and minutes together.
type Sums struct {
	Done, Failed, Crashed int64
	Run, Wait             Histogram
}

// most is the highest number that is believed: a higher one nobody has counted, and
// neither Lua nor JSON has it exactly.
const most = 1 << 53

var errCut = errors.New("a number has no end, or is too high")

// Add adds the numbers of what Append has made, or has been made of several of those. A
// name that it does not know it leaves out. After an error some may have been added.
func (s *Sums) Add(text string) error {
	for text != "" {
		name, rest, ok := number(text)
		if !ok {
			return errCut
		}
		n, rest, ok := number(rest)
		if !ok {
			return errCut
		}
		text = rest
		switch name {
		case nameDone:
			s.Done += n
		case nameFailed:
			s.Failed += n
		case nameCrashed:
			s.Crashed += n
		case nameRunSum:
			s.Run.Sum = addMicros(s.Run.Sum, n)
		case nameWaitSum:
			s.Wait.Sum = addMicros(s.Wait.Sum, n)
		default:
			if bucket := int(min((name-nameRun)/2, Buckets)); (name-nameRun)%2 == 0 {
				s.Run.Add(bucket, n)
			} else {
				s.Wait.Add(bucket, n)
			}
		}
	}
	return nil
}

const longest = time.Duration(1<<63 - 1)

func addMicros(sum time.Duration, us int64) time.Duration {
	return AddTimes(sum, time.Duration(min(us, int64(longest/time.Microsecond)))*time.Microsecond)
}

// AddTimes adds two times, neither of which is negative, and stops at the longest there is.
func AddTimes(a, b time.Duration) time.Duration {
	if a > longest-b {
		return longest
	}
	return a + b
}

// number reads the number at the beginning of a text.
func number(text string) (n int64, rest string, ok bool) {
	for i := 0; i < len(text) && i < 8; i++ {
		n |= int64(text[i]&0x7f) << (7 * i)
		if text[i] < 0x80 {
			return n, text[i+1:], n <= most
		}
	}
	return 0, "", false
}

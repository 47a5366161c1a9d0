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
	nameDone    = 16 // from 1 on it might be taken for an array, by who writes it in Lua
	nameFailed  = 17
	nameCrashed = 18
	nameRunSum  = 19 // µs
	nameWaitSum = 20 // µs
	nameRun     = 21 // and 23, 25, …: buckets
	nameWait    = 22 // and 24, 26, …
)

// Append appends the bytes of c to dst: a map of MessagePack
// (https://github.com/msgpack/msgpack/blob/master/spec.md), from the name of each number that is
// not zero to it.
func (c *Counts) Append(dst []byte) []byte {
	all := make([]int64, 0, 64)
	add := func(name int, n int64) {
		if n > 0 {
			all = append(all, int64(name), min(n, most))
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
	if n := len(all) / 2; n < 16 {
		dst = append(dst, fixMap|byte(n))
	} else {
		dst = binary.BigEndian.AppendUint16(append(dst, map16), uint16(n))
	}
	for _, n := range all {
		switch {
		case n < 1<<7:
			dst = append(dst, byte(n))
		case n < 1<<8:
			dst = append(dst, uint8s, byte(n))
		case n < 1<<16:
			dst = binary.BigEndian.AppendUint16(append(dst, uint16s), uint16(n))
		case n < 1<<32:
			dst = binary.BigEndian.AppendUint32(append(dst, uint32s), uint32(n))
		default:
			dst = binary.BigEndian.AppendUint64(append(dst, uint64s), uint64(n))
		}
	}
	return dst
}

// The first byte of a value of MessagePack; numbers below 128 are one themselves.
const (
	fixMap  = 0x80 // and the length, below 16
	map16   = 0xde
	uint8s  = 0xcc
	uint16s = 0xcd
	uint32s = 0xce
	uint64s = 0xcf
)

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
	h.grow(bucket, bucket)
	h.Counts[bucket-h.First] += n
}

// grow makes room for buckets from low to high.
func (h *Histogram) grow(low, high int) {
	last := h.First + len(h.Counts) - 1
	if len(h.Counts) == 0 {
		h.First, last = low, low-1
	}
	if low >= h.First && high <= last {
		return
	}
	low, high = min(low, h.First), max(high, last)
	counts := make([]int64, high-low+1)
	copy(counts[h.First-low:], h.Counts)
	h.First, h.Counts = low, counts
}

// Sums are Counts of several processes and minutes together.
type Sums struct {
	Done, Failed, Crashed int64
	Run, Wait             Histogram
}

// most is the highest number that is believed: a higher one nobody has counted, and
// neither Lua nor JSON has it exactly.
const most = 1 << 53

var errSpoilt = errors.New("it is no map of names and numbers, or a number is too high")

// Add adds the numbers of what Append has made, or has been made of several of those. A
// name that it does not know it leaves out. With an error nothing is added.
func (s *Sums) Add(text string) error {
	// First how far the histograms reach: to grow them bucket by bucket costs more than this.
	var low, high [2]int
	err := pairs(text, func(name, _ int64) {
		if bucket, wait, ok := bucketOf(name); ok {
			if high[wait] == 0 {
				low[wait], high[wait] = bucket, bucket+1
			}
			low[wait], high[wait] = min(low[wait], bucket), max(high[wait], bucket+1)
		}
	})
	if err != nil {
		return err
	}
	histograms := [2]*Histogram{&s.Run, &s.Wait}
	for i, h := range histograms {
		if high[i] > 0 {
			h.grow(low[i], high[i]-1)
		}
	}
	return pairs(text, func(name, n int64) {
		switch name {
		case nameRunSum:
			s.Run.Sum = addMicros(s.Run.Sum, n)
		case nameWaitSum:
			s.Wait.Sum = addMicros(s.Wait.Sum, n)
		default:
			s.count(name, n)
			if bucket, wait, ok := bucketOf(name); ok {
				histograms[wait].Counts[bucket-histograms[wait].First] += n
			}
		}
	})
}

// AddCounts is Add without the histograms.
func (s *Sums) AddCounts(text string) error {
	was := *s
	err := pairs(text, s.count)
	if err != nil {
		*s = was
	}
	return err
}

func (s *Sums) count(name, n int64) {
	switch name {
	case nameDone:
		s.Done += n
	case nameFailed:
		s.Failed += n
	case nameCrashed:
		s.Crashed += n
	}
}

// bucketOf is the bucket that a name means, and the histogram: 0 of runs, 1 of waits.
func bucketOf(name int64) (bucket, wait int, ok bool) {
	if name < nameRun || name >= nameRun+2*Buckets {
		return 0, 0, false
	}
	return int(name-nameRun) / 2, int(name-nameRun) % 2, true
}

// pairs calls f with each name and number of a text.
func pairs(text string, f func(name, n int64)) error {
	n := 0
	switch {
	case len(text) >= 1 && text[0]&0xf0 == fixMap:
		n, text = int(text[0]&0xf), text[1:]
	case len(text) >= 3 && text[0] == map16:
		n, text = int(text[1])<<8|int(text[2]), text[3:]
	default:
		return errSpoilt
	}
	for range n {
		name, rest, ok := number(text)
		if !ok {
			return errSpoilt
		}
		n, rest, ok := number(rest)
		if !ok {
			return errSpoilt
		}
		f(name, n)
		text = rest
	}
	if text != "" {
		return errSpoilt
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
	if text == "" {
		return 0, "", false
	}
	first := text[0]
	if first < 1<<7 {
		return int64(first), text[1:], true
	}
	if first < uint8s || first > uint64s {
		return 0, "", false
	}
	size := 1 << (first - uint8s)
	if text = text[1:]; len(text) < size || size == 8 && text[0] != 0 {
		return 0, "", false
	}
	for i := range size {
		n = n<<8 | int64(text[i])
	}
	return n, text[size:], n <= most
}

package tally

import (
	"encoding/binary"
	"errors"
	"math"
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
	nameEnd     = nameRun + 2*Buckets
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

// Sums are Counts of several processes and minutes together. The zero value is empty.
type Sums struct{ all [nameEnd]int64 } // by name: where a number goes is known at once

func (s *Sums) Done() int64    { return s.number(nameDone) }
func (s *Sums) Failed() int64  { return s.number(nameFailed) }
func (s *Sums) Crashed() int64 { return s.number(nameCrashed) }

// Run is how long attempts ran, and Wait how long jobs were ready before.
func (s *Sums) Run() Histogram  { return s.histogram(nameRun, nameRunSum) }
func (s *Sums) Wait() Histogram { return s.histogram(nameWait, nameWaitSum) }

// Merge adds other sums.
func (s *Sums) Merge(o *Sums) {
	for name, n := range o.all {
		s.all[name] += n
	}
}

// number is one of the numbers. Only what another program has written there could be too high for
// an int64: then it is wrong, but not negative.
func (s *Sums) number(name int) int64 { return s.all[name] & math.MaxInt64 }

func (s *Sums) histogram(first, sum int) Histogram {
	h := Histogram{Sum: time.Duration(min(s.number(sum), int64(longest/time.Microsecond))) * time.Microsecond}
	low, high := 0, Buckets-1
	for low <= high && s.number(first+2*low) == 0 {
		low++
	}
	for high > low && s.number(first+2*high) == 0 {
		high--
	}
	if low > high {
		return h
	}
	h.grow(low, high)
	for i := range h.Counts {
		h.Counts[i] = s.number(first + 2*(low+i))
	}
	return h
}

// most is the highest number that is believed: a higher one nobody has counted, and
// neither Lua nor JSON has it exactly.
const most = 1 << 53

var errSpoilt = errors.New("it is no map of names and numbers, or a number is too high")

// Add adds the numbers of what Append has made, or has been made of several of those. A
// name that it does not know it leaves out. With an error nothing is added.
func (s *Sums) Add(text string) error {
	n, at := 0, 1
	switch {
	case len(text) >= 1 && text[0]&0xf0 == fixMap:
		n = int(text[0] & 0xf)
	case len(text) >= 3 && text[0] == map16:
		n, at = int(text[1])<<8|int(text[2]), 3
	default:
		return errSpoilt
	}
	if read, end := s.add(text[at:], n, 1); read < n || at+end != len(text) {
		s.add(text[at:], read, -1)
		return errSpoilt
	}
	return nil
}

// add adds so many names and numbers of a text, each number times sign. It returns how many it
// could read, and where they end.
func (s *Sums) add(text string, n int, sign int64) (read, end int) {
	for read < n {
		name, next := number(text, end)
		value, next := number(text, next)
		if next < 0 {
			break
		}
		if name < nameEnd {
			s.all[name] += sign * value
		}
		read, end = read+1, next
	}
	return read, end
}

const longest = time.Duration(1<<63 - 1)

// AddTimes adds two times, neither of which is negative, and stops at the longest there is.
func AddTimes(a, b time.Duration) time.Duration {
	if a > longest-b {
		return longest
	}
	return a + b
}

// number reads the number at a place of a text. next is where it ends; -1 if there is none.
func number(text string, at int) (n int64, next int) {
	if uint(at) < uint(len(text)) && text[at] < 1<<7 { // else at may be -1
		return int64(text[at]), at + 1
	}
	return wide(text, at)
}

// wide reads a number of more than one byte.
func wide(text string, at int) (n int64, next int) {
	if uint(at) >= uint(len(text)) || text[at] < uint8s || text[at] > uint64s {
		return 0, -1
	}
	size := 1 << (text[at] - uint8s)
	at++
	if len(text)-at < size || size == 8 && text[at] != 0 {
		return 0, -1
	}
	if rest := text[at:]; len(rest) >= 8 { // no branch depends on the size: it differs from number to number
		eight := uint64(rest[0])<<56 | uint64(rest[1])<<48 | uint64(rest[2])<<40 | uint64(rest[3])<<32 |
			uint64(rest[4])<<24 | uint64(rest[5])<<16 | uint64(rest[6])<<8 | uint64(rest[7])
		n = int64(eight >> (64 - 8*size))
	} else {
		for _, b := range []byte(rest[:size]) {
			n = n<<8 | int64(b)
		}
	}
	if n > most {
		return 0, -1
	}
	return n, at + size
}

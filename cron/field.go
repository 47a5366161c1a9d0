package cron

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// set is a set of numbers from 0 to 63.
type set uint64

// span is the set of the numbers from lo to hi.
func span(lo, hi int) set { return set(1)<<(hi+1) - set(1)<<lo }

func (s set) has(n int) bool { return s>>n&1 != 0 }
func (s set) count() int     { return bits.OnesCount64(uint64(s)) }
func (s set) first() int     { return bits.TrailingZeros64(uint64(s)) }
func (s set) last() int      { return 63 - bits.LeadingZeros64(uint64(s)) }

// from returns the first number of the set that is n or more.
func (s set) from(n int) (int, bool) {
	rest := s >> n << n
	return rest.first(), rest != 0
}

func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(s.first()) {
				return
			}
		}
	}
}

// values is what a field allows.
type values struct {
	plain set
	// The field begins with *, ? or H/n.
	wildcard bool
	// The step of a wildcard, if it has one.
	step int

	// Of the day of the month: n for L-n, n for nW, and LW.
	fromLast, nearest set
	lastWorkday       bool
	// Of the day of the week: n for nL, and for w#n bit w of nth[n].
	lastOf set
	nth    [6]set
}

// field is one of the kinds of fields.
type field struct {
	name     string
	min, max int      // what a number can be
	top      int      // the last of *
	topHash  int      // the last of H
	names    []string // of the numbers from min on
	allowed  string

	dates, weekdays bool // day of month, day of week
}

var fields = [6]field{
	{name: "second", max: 59, top: 59, topHash: 59, allowed: "0 to 59"},
	{name: "minute", max: 59, top: 59, topHash: 59, allowed: "0 to 59"},
	{name: "hour", max: 23, top: 23, topHash: 23, allowed: "0 to 23"},
	// Every month has the day that H chooses.
	{name: "day of month", min: 1, max: 31, top: 31, topHash: 28, allowed: "1 to 31", dates: true},
	{name: "month", min: 1, max: 12, top: 12, topHash: 12, allowed: "1 to 12 and JAN to DEC",
		names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{name: "day of week", max: 7, top: 6, topHash: 6, allowed: "0 to 7 (0 and 7 are Sunday) and SUN to SAT", weekdays: true,
		names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

// read reads a field. Every number is held against its bounds before anything is
// made of it.
func (f *field) read(text, name string) (values, error) {
	text = strings.ToUpper(text)
	v := values{wildcard: strings.HasPrefix(text, "*") || text == "?" || strings.HasPrefix(text, "H/")}
	for part := range strings.SplitSeq(text, ",") {
		if err := f.readPart(&v, part, name); err != nil {
			return values{}, err
		}
	}
	if f.weekdays && v.plain.has(7) { // Sunday
		v.plain = v.plain&^span(7, 7) | 1
	}
	return v, nil
}

// readPart reads what stands between two commas.
func (f *field) readPart(v *values, part, name string) error {
	if part == "" {
		return errors.New("a part of it is empty: allowed are " + f.allowed)
	}
	if f.dates || f.weekdays {
		if special, err := f.readSpecial(v, part); special || err != nil {
			return err
		}
	}
	base, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = number(stepText); !ok || step < 1 || step > f.top-f.min+1 {
			return fmt.Errorf("step %.80q: allowed are 1 to %d", stepText, f.top-f.min+1)
		}
	}
	lo, hi := f.min, f.top
	begin, end, ranged := strings.Cut(base, "-")
	var err error
	switch {
	case base == "*":
		if stepped {
			v.step = step
		}
	case base == "H" || strings.HasPrefix(base, "H("):
		if base == "H" {
			if !stepped {
				hi = f.topHash
			} else {
				v.step = step
			}
		} else if lo, hi, err = f.readHashRange(base); err != nil {
			return err
		}
		if name == "" {
			return errors.New("H takes its value from the entry's name, and there is none")
		}
		chosen := hi - lo + 1
		if stepped {
			chosen = min(step, chosen)
		}
		lo += hash(f.name, name, chosen)
		if !stepped {
			hi = lo
		}
	case ranged:
		if lo, hi, err = f.readRange(begin, end); err != nil {
			return err
		}
	default:
		if lo, err = f.readValue(base); err != nil {
			return err
		}
		if !stepped {
			hi = lo
		}
	}
	for n := lo; n <= hi; n += step {
		v.plain |= span(n, n)
	}
	return nil
}

// readSpecial reads ?, L, L-3, LW, 15W, 5L and MON#2; special is false if it is none of these.
func (f *field) readSpecial(v *values, part string) (special bool, err error) {
	day, nth, numbered := strings.Cut(part, "#")
	before, isLast := strings.CutSuffix(part, "L")
	beforeW, isNearest := strings.CutSuffix(part, "W")
	offset, isOffset := strings.CutPrefix(part, "L-")
	switch {
	case part == "?":
		v.plain |= span(f.min, f.top)
	case f.dates && part == "L":
		v.fromLast |= 1
	case f.dates && part == "LW":
		v.lastWorkday = true
	case f.dates && isOffset:
		n, ok := number(offset)
		if !ok || n > 30 {
			return true, fmt.Errorf("%.80q: allowed are L-1 to L-30, days before the last", part)
		}
		v.fromLast |= span(n, n)
	case f.dates && isNearest:
		n, ok := number(beforeW)
		if !ok || n < 1 || n > 31 {
			return true, fmt.Errorf("%.80q: allowed are 1W to 31W, the weekday nearest to that day, and LW", part)
		}
		v.nearest |= span(n, n)
	case f.weekdays && part == "L":
		return true, errors.New(`"L": say the last which: 5L and FRIL are the last Friday of the month`)
	case f.weekdays && isLast:
		n, err := f.readValue(before)
		if err != nil {
			return true, err
		}
		v.lastOf |= span(n%7, n%7)
	case f.weekdays && numbered:
		d, err := f.readValue(day)
		if err != nil {
			return true, err
		}
		n, ok := number(nth)
		if !ok || n < 1 || n > 5 {
			return true, fmt.Errorf("%.80q: allowed behind # are 1 to 5", part)
		}
		v.nth[n] |= span(d%7, d%7)
	default:
		return false, nil
	}
	return true, nil
}

// readRange reads the ends of a range, which goes up.
func (f *field) readRange(begin, end string) (lo, hi int, err error) {
	if lo, err = f.readValue(begin); err != nil {
		return 0, 0, err
	}
	if hi, err = f.readValue(end); err != nil {
		return 0, 0, err
	}
	if f.weekdays && end == "SUN" && lo > 0 {
		hi = 7 // FRI-SUN
	}
	if lo > hi {
		return 0, 0, fmt.Errorf("range %.80q: allowed are ranges that go up; one around the end is two, such as %s", begin+"-"+end, f.around(lo, hi))
	}
	return lo, hi, nil
}

// around writes a range that goes around the end as two.
func (f *field) around(lo, hi int) string {
	return fmt.Sprintf("%d-%d,%d-%d", lo, f.top, f.min, hi)
}

func (f *field) readHashRange(base string) (lo, hi int, err error) {
	inner, closed := strings.CutSuffix(strings.TrimPrefix(base, "H("), ")")
	begin, end, ranged := strings.Cut(inner, "-")
	if !closed || !ranged {
		return 0, 0, fmt.Errorf("%.80q: allowed is H, or H with a range such as H(%d-%d)", base, f.min, f.topHash)
	}
	return f.readRange(begin, end)
}

// readValue reads a number or a name.
func (f *field) readValue(text string) (int, error) {
	for i, name := range f.names {
		if text == name {
			return f.min + i, nil
		}
	}
	n, ok := number(text)
	if !ok || n < f.min || n > f.max {
		return 0, fmt.Errorf("%.80q: allowed are %s", text, f.allowed)
	}
	return n, nil
}

// number reads digits, so few that they cannot overflow.
func number(text string) (int, bool) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// hash chooses one of n by an entry's name. It must stay as it is: another choice
// would move the runs of every entry with an H.
func hash(field, name string, n int) int {
	sum := sha256.Sum256([]byte(field + "\x00" + name))
	return int(binary.BigEndian.Uint64(sum[:]) % uint64(n))
}

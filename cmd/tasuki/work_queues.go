package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/tasuki-dev/tasuki"
)

// givenQueue is a queue, and how it was given.
type givenQueue struct {
	tasuki.Queue
	flag string // queue or list
	text string
}

// String is how it was given, for errors: escaped if it is long, or if a terminal
// would obey it.
func (q givenQueue) String() string {
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(q.text) > 140 || strings.ContainsFunc(q.text, odd) {
		return fmt.Sprintf("--%s %.40q", q.flag, q.text)
	}
	return "--" + q.flag + " " + q.text
}

// name is what the library calls the queue.
func (q givenQueue) name() string {
	if q.List != "" {
		return "list:" + q.List
	}
	return q.Name
}

// queueFlag is the flag --queue or --list, which can be repeated. Both add to one
// slice, as the order between them counts.
type queueFlag struct {
	name  string
	parse func(text string) (tasuki.Queue, error)
	to    *[]givenQueue
}

var _ pflag.SliceValue = (*queueFlag)(nil)

// Set and the other methods implement pflag.Value and pflag.SliceValue.
func (f *queueFlag) Set(text string) error {
	q, err := f.parse(text)
	if err != nil {
		return err
	}
	*f.to = append(*f.to, givenQueue{q, f.name, text})
	return nil
}

// Type is its name in a usage text that says no other.
func (f *queueFlag) Type() string { return "strings" }

// String is empty while nothing was given.
func (f *queueFlag) String() string { return strings.Join(f.GetSlice(), ",") }

// Append adds one.
func (f *queueFlag) Append(text string) error { return f.Set(text) }

// Replace takes others in place of those that were given.
func (f *queueFlag) Replace(texts []string) error {
	*f.to = slices.DeleteFunc(*f.to, func(q givenQueue) bool { return q.flag == f.name })
	for _, text := range texts {
		if err := f.Set(text); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice returns what was given.
func (f *queueFlag) GetSlice() []string {
	var texts []string
	if f.to != nil { // it is in a value that package pflag makes, for comparison
		for _, q := range *f.to {
			if q.flag == f.name {
				texts = append(texts, q.text)
			}
		}
	}
	return texts
}

const maxWeight = 1_000_000

func parseQueue(text string) (q tasuki.Queue, err error) {
	name, weight, weighted := strings.Cut(text, "=")
	q.Name = name
	if weighted {
		if q.Weight, err = strconv.Atoi(weight); err != nil || q.Weight < 1 || q.Weight > maxWeight {
			return q, fmt.Errorf("the weight is %.80q: allowed are 1 to %d", weight, maxWeight)
		}
	}
	return q, nil
}

func parseList(text string) (q tasuki.Queue, err error) {
	q.List = text
	if key, ok := strings.CutSuffix(text, ":tail"); ok {
		q.List, q.Tail = key, true
	} else if key, ok := strings.CutSuffix(text, ":head"); ok {
		q.List = key
	}
	if q.List == "" {
		return q, errors.New("the key is missing: allowed are KEY, KEY:head and KEY:tail")
	}
	return q, nil
}

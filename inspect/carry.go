package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// carried is a job that goes elsewhere, as it was there.
type carried struct {
	state   tasuki.State
	at      time.Time // when it is due, or has died
	element string    // of a bare one
	id      string    // "" of a bare one whose element has none
	gen     int64     // of a recorded one, 0 of a bare one
	fields  map[string]string

	remembered time.Time // when its id was, by the queue that it leaves
	line       int64
	name       string
}

// dropped are the fields of a record that belong to its place.
var dropped = []string{"gen", "state", "at", "from", "to", "cancel", "left"}

// arrives is the job as the store puts it in.
func (c *carried) arrives(now time.Time) store.Import {
	in := store.Import{Line: c.line, Name: c.name, ID: c.id, Remembered: c.remembered, At: c.at, Place: string(tasuki.StateReady)}
	if in.Remembered.After(now) { // by another clock, or a file says so: it would be remembered for ever
		in.Remembered = now
	}
	var job wire.Job
	if c.gen > 0 {
		job, _ = wire.Parse(c.fields["job"]) // what cannot be read goes on as it is
		job.ID = c.id
	} else {
		job, _ = wire.Parse(c.element)
	}
	switch c.state {
	case tasuki.StateDead:
		in.Place = string(tasuki.StateDead)
	case tasuki.StateScheduled, tasuki.StateRetry:
		if c.at.After(now) {
			in.Place = string(c.state)
		}
	}
	if in.Place == string(tasuki.StateReady) && job.Crashes >= 2 {
		in.Place = string(tasuki.StateSuspect)
	}
	extra, _ := unmark(job.Extra)
	if c.gen > 0 {
		in.Gen, in.Lock = c.gen+1, job.Lock // generations go on, as it may come back
		in.Fields = make(map[string]string, len(c.fields))
		for name, value := range c.fields {
			in.Fields[name] = value
		}
		for _, name := range dropped {
			delete(in.Fields, name)
		}
		if len(extra) != len(job.Extra) {
			job.Extra = extra
			in.Fields["job"] = job.Body()
		}
		in.Element = job.Pointer(job.Lock, in.Gen)
		return in
	}
	in.Element = c.element
	if len(extra) != len(job.Extra) || in.Place != string(tasuki.StateReady) && in.Place != string(tasuki.StateSuspect) {
		job.Extra, job.Token = extra, wire.NewToken() // no two members of a sorted set are equal
		in.Element = job.Element()
	}
	return in
}

// A job that is under way to another server or queue is marked where it comes from: it lies
// there among the scheduled, and who moves it again knows it by its mark, and when it was due.

// mark returns the members of an element that nobody reads, with a mark.
func mark(extra []byte, name string, due time.Time) []byte {
	ms := int64(0)
	if !due.IsZero() {
		ms = due.UnixMilli()
	}
	marked := fmt.Appendf(nil, `"moving":"%s %d"`, name, ms)
	if len(extra) > 0 {
		marked = append(append(marked, ','), extra...)
	}
	return marked
}

// marked is a mark.
type marked struct {
	name string    // "" if there is none
	due  time.Time // zero: it was ready
}

// unmark takes a mark out again.
func unmark(extra []byte) ([]byte, marked) {
	const begin = `"moving":"`
	text := string(extra)
	at := strings.Index(text, begin)
	if at < 0 || at > 0 && text[at-1] != ',' {
		return extra, marked{}
	}
	value, rest, ok := strings.Cut(text[at+len(begin):], `"`)
	name, due, two := strings.Cut(value, " ")
	ms, err := strconv.ParseInt(due, 10, 64)
	if !ok || !two || err != nil || len(name) != len(wire.NewToken()) {
		return extra, marked{}
	}
	text = strings.Trim(text[:at]+strings.TrimPrefix(rest, ","), ",")
	m := marked{name: name}
	if ms > 0 {
		m.due = time.UnixMilli(ms)
	}
	return []byte(text), m
}

// nameOf is what a job is known by that is not marked: all of it, as it was read.
func nameOf(c *carried) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\x00%d\x00%s\x00%s", c.id, c.gen, c.element, c.fields["job"])
	return "moving:" + hex.EncodeToString(sum.Sum(nil)[:16])
}

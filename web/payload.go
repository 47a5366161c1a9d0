package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// mostShown is how many bytes of a payload are shown.
const mostShown = 64 << 10

// payload is what may be shown of a part of a job.
type payload struct {
	Text   string
	Hidden bool // by Config.Redact
	Cut    bool
	Size   int // of what was not redacted
}

func (p payload) Any() bool { return p.Text != "" || p.Hidden }

// redacted is what may be shown of a part of a job. It is the only way from a job to a page.
func (d *Dashboard) redacted(kind string, part Part, text []byte) payload {
	return d.redactedTo(mostShown, kind, part, text)
}

func (d *Dashboard) redactedTo(most int, kind string, part Part, text []byte) payload {
	if len(text) == 0 {
		return payload{}
	}
	p := payload{Size: len(text)}
	if d.cfg.Redact != nil {
		if text = d.cfg.Redact(kind, part, bytes.Clone(text)); len(text) == 0 {
			p.Hidden = true
			return p
		}
	}
	switch part {
	case PartArgs, PartResult, PartCursor:
		text = pretty(text)
	}
	if p.Cut = len(text) > most; p.Cut {
		text = text[:most]
	}
	p.Text = legible.Lines(string(text))
	return p
}

// pretty sets JSON on lines, with all its digits. What is no JSON stays as it is.
func pretty(text []byte) []byte {
	if len(text) > 4*mostShown { // only its begin is shown
		return text
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return text
	}
	return out.Bytes()
}

// shownJob is a job as pages show it. It has nothing that was not redacted.
type shownJob struct {
	Address                                        string // "" if it cannot be named
	ID, Kind, Queue                                string
	State                                          tasuki.State
	Recorded                                       bool
	Attempt, MaxAttempts, Crashes                  int
	Timeout                                        time.Duration
	EnqueuedAt, DueAt, Deadline, ExpireAt          time.Time
	StartedAt, EndedAt                             time.Time
	Place                                          string
	Done, Total                                    int64 // of its progress
	ProgressAt                                     time.Time
	Args, Raw, Result, Cursor, Error, Reason, Note payload
	Meta                                           []shownMeta
	Runs                                           []shownRun
	Trace, TraceURL                                string
}

type shownMeta struct {
	Name string
	payload
}

type shownRun struct {
	At           time.Time
	Duration     time.Duration
	Place        string
	Outcome      tasuki.State
	Error, Stack payload
}

// brief is what a list shows of a job.
func (d *Dashboard) brief(j *inspect.Job) *shownJob {
	s := &shownJob{
		ID: legible.Lines(j.ID), Kind: legible.Lines(j.Kind), Queue: j.Queue, State: j.State, Recorded: j.Recorded,
		Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Crashes: j.Crashes, Timeout: j.Timeout,
		EnqueuedAt: j.EnqueuedAt, DueAt: j.DueAt, Deadline: j.Deadline, ExpireAt: j.ExpireAt, StartedAt: j.StartedAt, EndedAt: j.EndedAt,
		Place: legible.Lines(j.Place),
		Done:  j.Progress.Done, Total: j.Progress.Total, ProgressAt: j.Progress.At,
	}
	if j.ID != "" {
		s.Address = j.Address()
	}
	if j.Raw != nil {
		s.Raw = d.redacted("", PartRaw, j.Raw)
	} else {
		s.Args = d.redacted(j.Kind, PartArgs, j.Args)
	}
	s.Error = d.redacted(j.Kind, PartError, []byte(j.Error))
	s.Reason = d.redacted(j.Kind, PartReason, []byte(j.Reason))
	return s
}

// shown is all of a job that may be shown.
func (d *Dashboard) shown(j *inspect.Job) *shownJob {
	s := d.brief(j)
	part := func(part Part, text []byte) payload { return d.redacted(j.Kind, part, text) }
	s.Result, s.Cursor, s.Note = part(PartResult, j.Result), part(PartCursor, j.Cursor), part(PartProgress, []byte(j.Progress.Note))
	for _, name := range slices.Sorted(maps.Keys(j.Meta)) {
		value := part(PartMeta, []byte(name+"="+j.Meta[name]))
		value.Text = strings.TrimPrefix(value.Text, name+"=")
		s.Meta = append(s.Meta, shownMeta{legible.Lines(name), value})
	}
	for _, run := range j.Runs {
		s.Runs = append(s.Runs, shownRun{run.At, run.Duration, legible.Lines(run.Place), run.Outcome, part(PartError, []byte(run.Error)), part(PartStack, []byte(run.Stack))})
	}
	if s.Trace = j.TraceID(); s.Trace != "" && d.cfg.TraceURL != "" {
		s.TraceURL = strings.ReplaceAll(d.cfg.TraceURL, "{trace}", s.Trace)
	}
	return s
}

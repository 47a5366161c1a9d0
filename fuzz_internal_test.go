package tasuki

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/internal/source"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// fuzzWorker is a worker that takes everything, and never runs.
func fuzzWorker(f *testing.F, h Handler) *Worker {
	f.Helper()
	client, err := Open("redis://127.0.0.1:1", &ClientConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	w, err := NewWorker(client, nil)
	if err != nil {
		f.Fatal(err)
	}
	HandleRaw(w, DefaultQueue, h)
	HandleOther(w, h)
	return w
}

// FuzzPerform runs an attempt of any element that ends in any way. What becomes of
// it can be kept: it is read again with what the producer said, its counters go up by
// what has happened, and its delay is one that ends.
func FuzzPerform(f *testing.F) {
	for _, element := range []string{
		`ping`, `{"id":"a","kind":"k","args":{}}`, `{"v":2}`, `{"kind":"k","args":nul}`, `{"id":"a","raw":"cGluZw=="}`, `{"kind":"k","max_attempts":1}`,
		`{"kind":"k","expire_at":1}`, `{"kind":"k","deadline":1}`, `{"kind":"k","deadline":4102444800000,"expire_at":4102444800000,"args":nul}`,
		`{"id":"a","kind":"k","attempts":9007199254740992,"timeout_ms":9007199254740992,"enqueued_at":9007199254740992,"meta":{"a":"b"},"x":1,"args":1}`, "\xff\x00",
	} {
		for ending := range byte(8) {
			for _, delay := range []int64{int64(time.Second), -1, math.MinInt64, math.MaxInt64} {
				f.Add(element, `invalid character "x"`, ending, delay)
			}
		}
	}
	var ending error
	w := fuzzWorker(f, func(context.Context, *RawJob) error { return ending })
	s := newSession(w, f.Context())
	q := &queue{fetcher: s.fetcher, name: DefaultQueue}
	f.Fuzz(func(t *testing.T, element, text string, how byte, delay int64) {
		want := source.Retry
		failed := errors.New(text)
		switch how % 8 {
		case 0:
			ending, want = nil, source.Done
		case 1:
			ending = failed
		case 2:
			ending = RetryIn(time.Duration(delay), failed)
		case 3:
			ending, want = Snooze(time.Duration(delay), text), source.Snooze
		case 4:
			ending, want = Kill(failed), source.Dead
		case 5:
			ending = fmt.Errorf("wrapped: %w", RetryIn(time.Duration(delay), nil))
		case 6:
			ending = &PanicError{Value: text, Stack: []byte(text)}
		case 7:
			ending = context.Canceled
		}
		before, err := wire.Parse(element)
		r := s.fetcher.newRun(q, source.Delivery{Tag: 7, Element: element}, 0)
		outcome, _ := w.perform(r)
		if r.raw.ID == "" || outcome.Tag != 7 {
			t.Fatalf("id %q, outcome %+v", r.raw.ID, outcome)
		}
		told := r.after(outcome)
		for _, known := range []Info{r.raw.Info, told} {
			if _, err := json.Marshal(known); err != nil {
				t.Fatalf("%q: what is known of the job cannot be shown: %v", element, err)
			}
		}
		if told.ID != r.raw.ID || told.State == "" || told.State == StateRunning {
			t.Fatalf("%q, which ends with %+v, is then %+v", element, outcome, told)
		}
		future := errors.Is(err, wire.ErrFuture)
		if future {
			want = source.Unknown
			if before.UnknownSince != 0 {
				return // it may be too old
			}
		} else if limit := r.raw.MaxAttempts; want == source.Retry && limit > 0 && before.Attempts+1 >= limit {
			want = source.Dead
		}
		now := time.Now().UnixMilli()
		switch {
		case before.ExpireAt != 0 && before.ExpireAt <= now:
			want = source.Expired
		case before.Deadline != 0 && (before.Deadline <= now || outcome.State == source.Dead && want != source.Done):
			want = source.Dead
		}
		if outcome.State != want || outcome.Delay < 0 || outcome.Delay > maxDelay {
			t.Fatalf("%q: %s after %v, want %s", element, outcome.State, outcome.Delay, want)
		}
		if want == source.Done || want == source.Expired {
			return
		}
		after, err := wire.Parse(outcome.Element)
		if err != nil && !(future && errors.Is(err, wire.ErrFuture)) {
			t.Fatalf("%q is kept as %q: %v", element, outcome.Element, err)
		}
		attempts := before.Attempts
		if want != source.Snooze && want != source.Unknown {
			attempts++
		}
		if before.Deadline != 0 && want == source.Dead {
			attempts = after.Attempts // it was run or not
		}
		attempts = min(attempts, 1<<53) // the highest number in an element
		if after.Attempts != attempts || after.Crashes != before.Crashes || after.Token == "" || after.Token == before.Token {
			t.Fatalf("%q is kept as %q", element, outcome.Element)
		}
		if !before.IsNew && after.ID != before.ID || before.IsNew && after.ID != r.raw.ID || after.IsNew {
			t.Fatalf("%q had the id %q, then %q", element, r.raw.ID, after.ID)
		}
		if after.IsRaw != before.IsRaw || !bytes.Equal(after.Raw, before.Raw) || !bytes.Equal(after.Args, before.Args) || after.Kind != before.Kind ||
			after.MaxAttempts != before.MaxAttempts || after.Timeout != before.Timeout || after.Deadline != before.Deadline || (after.ExpireAt != 0) != (before.ExpireAt != 0 && want == source.Unknown) || !bytes.Equal(after.Extra, before.Extra) || len(after.Meta) != len(before.Meta) {
			t.Fatalf("%q is kept as %q", element, outcome.Element)
		}
		// What goes back without having run goes back as it came.
		if r.route = nil; w.release(r).Element != element {
			back := w.release(r)
			t.Fatalf("%q is released as %q", element, back.Element)
		}
	})
}

// FuzzPutBack puts back any element for a worker that has said anything of itself. A
// crash is counted, or a stop, and nothing is lost of the job.
func FuzzPutBack(f *testing.F) {
	for _, element := range []string{`ping`, `{"id":"a","kind":"k","crashes":1,"deadline":1,"expire_at":2,"args":{}}`, `{"v":2}`, `{"kind":"k","args":nul}`, `{"id":"a","raw":"cGluZw==","crashes":2}`} {
		f.Add(element, `{"host":"h","pid":7,"queues":["mail"],"subscribed":true}`)
		f.Add(element, `{"stopping":true,"host":"\u0000`+strings.Repeat("x", 300)+`"}`)
		f.Add(element, `[`)
	}
	f.Fuzz(func(t *testing.T, element, info string) {
		var about store.About
		_ = json.Unmarshal([]byte(info), &about) // as the sweeper does
		before, err := wire.Parse(element)
		back := putBack(store.Left{Tag: 7, Element: element}, &about, nil, time.Now())
		after, err2 := wire.Parse(back.Element)
		if errors.Is(err, wire.ErrFuture) != errors.Is(err2, wire.ErrFuture) || err2 != nil && !errors.Is(err2, wire.ErrFuture) {
			t.Fatalf("%q goes back as %q: %v, then %v", element, back.Element, err, err2)
		}
		crashes, stops := before.Crashes+1, before.Stops
		if about.Stopping {
			crashes, stops = before.Crashes, before.Stops+1
		}
		to := "ready"
		switch {
		case crashes >= 3:
			to = "dead"
		case crashes == 2:
			to = "suspect"
		}
		crashes, stops = min(crashes, 1<<53), min(stops, 1<<53) // the highest number in an element
		if after.Crashes != crashes || after.Stops != stops || back.To != to || (back.As == "stopped") != about.Stopping {
			t.Fatalf("%q of %q goes to %s as %q", element, info, back.To, back.Element)
		}
		if after.Attempts != before.Attempts || after.Token == "" || !before.IsNew && after.ID != before.ID ||
			after.IsRaw != before.IsRaw || !bytes.Equal(after.Raw, before.Raw) || !bytes.Equal(after.Args, before.Args) || after.Kind != before.Kind ||
			after.Deadline != before.Deadline || after.ExpireAt != 0 {
			t.Fatalf("%q goes back as %q", element, back.Element)
		}
		if len(back.Element) > 8*len(element)+2000 {
			t.Fatalf("%d bytes become %d", len(element), len(back.Element))
		}
	})
}

// FuzzSpec enqueues any job that a program, or a store of plain data, can describe.
// What is refused is told in a short error that names the field; what is not makes an
// element in which a worker finds the same.
func FuzzSpec(f *testing.F) {
	f.Add("k", "mail", "a", []byte(`{"a":1}`), int64(time.Hour), int64(0), int64(0), 20, int64(time.Second), int64(7200), int64(time.Hour+1), "name", "value")
	f.Add("k", "", "", []byte(nil), int64(0), int64(1763850000), int64(999_999), -1, int64(-1), int64(0), int64(-1), "", "")
	f.Add("", "x}{y", "a/b", []byte("nul"), int64(-5), int64(1)<<62, int64(-1), -2, int64(1), int64(-1), int64(-5), "\xff", strings.Repeat("\xff", 5000))
	f.Add("k", "mail", "a", []byte("1"), int64(1), int64(-1)<<62, int64(0), 1_000_001, int64(1)<<62, int64(1)<<40, int64(1)<<62, strings.Repeat("x", 5000), "")
	f.Add("k", "", "", []byte("1"), int64(0), int64(0), int64(0), 0, int64(0), int64(0), int64(0), "\xff", strings.Repeat("\xff", 1000))
	now := time.Now()
	f.Fuzz(func(t *testing.T, kind, queue, id string, args []byte, in, sec, nsec int64, most int, timeout, deadline, expire int64, name, value string) {
		s := Spec{Kind: kind, Args: args, Opts: Opts{
			Queue: queue, ID: id, In: time.Duration(in), MaxAttempts: most, Timeout: time.Duration(timeout), ExpireIn: time.Duration(expire),
		}}
		if deadline != 0 {
			s.Opts.Deadline = now.Add(time.Duration(deadline) * time.Second)
		}
		if sec != 0 || nsec != 0 {
			s.Opts.At = time.Unix(sec, nsec)
		}
		if name != "" {
			s.Opts.Meta = map[string]string{name: value}
		}
		if err := s.check(1<<10, now); err != nil {
			text := err.Error()
			field, _, _ := strings.Cut(text, ":")
			switch field {
			case "kind", "args", "queue", "id", "in", "at", "in and at", "max_attempts", "timeout", "meta", "deadline", "expire_in":
			default:
				t.Fatalf("%v names no field", err)
			}
			if len(text) > 1000 || !utf8.ValidString(text) {
				t.Fatalf("an error of %d bytes: %.300q", len(text), text)
			}
			return
		}
		var job wire.Job
		var info Info
		s.fill(&job, &info, now)
		got, err := wire.Parse(job.Element())
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		wantArgs := string(args)
		if wantArgs == "" {
			wantArgs = "null"
		}
		if got.Kind != kind || string(got.Args) != strings.TrimSpace(wantArgs) && string(got.Args) != wantArgs || got.IsRaw || id != "" && got.ID != id ||
			got.MaxAttempts != most || len(got.Meta) != len(s.Opts.Meta) || name != "" && got.Meta[name] != value {
			t.Fatalf("%+v became %+v", s, got)
		}
		if limit := time.Duration(got.Timeout) * time.Millisecond; timeout > 0 && (limit < s.Opts.Timeout || limit-s.Opts.Timeout >= time.Millisecond) || timeout < 0 && got.Timeout != -1 {
			t.Fatalf("the timeout %v became %d ms", s.Opts.Timeout, got.Timeout)
		}
		if late := moment(got.Deadline).Sub(s.Opts.Deadline); late < 0 || late >= time.Millisecond || (got.ExpireAt > 0) != (expire > 0) {
			t.Fatalf("%+v became %+v", s.Opts, got)
		}
		if _, err := json.Marshal(info); err != nil {
			t.Fatalf("%+v: %v", info, err)
		}
		// It travels as plain data too.
		text, err := json.Marshal(s)
		if err != nil {
			return // a year that JSON does not have
		}
		var again Spec
		if err := json.Unmarshal(text, &again); err != nil || again.check(1<<20, now) != nil || again.Kind != kind || !again.Opts.At.Equal(s.Opts.At) || again.Opts.In != s.Opts.In {
			t.Fatalf("%s became %+v (%v)", text, again, err)
		}
	})
}

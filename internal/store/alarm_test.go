package store

import (
	"errors"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/source"
)

// TestAlarmToken: a job that is due before all others leaves a token for who waits
// for the next one, and never a second: whoever takes one looks at all of them.
func TestAlarmToken(t *testing.T) {
	t.Parallel()
	b := newBox(t, redistest.Shared(t).URL(), "mail")
	for _, key := range []string{b.q.Scheduled, b.q.Retry, b.q.Ready} {
		b.do("DEL", key)
	}
	enqueue := func(in time.Duration) error {
		_, err := b.s.Enqueue(t.Context(), b.q, time.Hour, 100, []Put{{In: in, Element: "in " + in.String()}})
		return err
	}
	retry := func(in time.Duration) error {
		tag := FirstTag + source.Tag(in/time.Minute)
		b.do("HSET", b.q.Held(me), formatTag(tag), "held")
		_, err := b.s.Fetch(t.Context(), b.q, &Exchange{Incarnation: me, Tag: FirstTag + 1000, Request: source.Request{
			Outcomes: []source.Outcome{{Tag: tag, State: source.Retry, Delay: in, Element: "retry in " + in.String()}},
		}}, b.s.Waiter(b.q))
		return err
	}
	tokens := func(step string, err error, want int64) {
		t.Helper()
		n, lenErr := b.do("LLEN", b.q.Alarm).AsInt64()
		if err := errors.Join(err, lenErr); err != nil || n != want {
			t.Errorf("%s: %d tokens, want %d (%v)", step, n, want, err)
		}
	}
	tokens("the first job", enqueue(50*time.Minute), 1)
	tokens("an earlier one beside the token", enqueue(40*time.Minute), 1)
	tokens("an earlier retry beside the token", retry(30*time.Minute), 1)
	b.do("DEL", b.q.Alarm)
	tokens("a later one", enqueue(45*time.Minute), 0)
	tokens("a later retry", retry(35*time.Minute), 0)
	tokens("an earlier one", enqueue(20*time.Minute), 1)
	b.do("DEL", b.q.Alarm)
	tokens("an earlier retry", retry(10*time.Minute), 1)
}

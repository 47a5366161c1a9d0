package health

import (
	"slices"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// TestNotAlive: what a new process would change, and what not.
func TestNotAlive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	running := func(beat time.Duration) tasuki.Status {
		return tasuki.Status{Entered: true, Listed: true, LastBeat: ago(beat), Slots: 1}
	}
	stuck := running(0)
	stuck.Stuck = map[string]time.Time{"q/1": ago(59 * time.Second), "q/2": ago(time.Minute)}
	stopping := stuck
	stopping.Stopping = true
	for name, test := range map[string]struct {
		status  tasuki.Status
		answers time.Time
		want    string
	}{
		"new":                       {tasuki.Status{}, ago(time.Hour), ""},
		"running":                   {running(time.Second), ago(time.Hour), ""},
		"redis away for long":       {running(time.Hour), time.Time{}, ""},
		"redis is back":             {running(time.Hour), ago(9 * time.Second), ""},
		"redis answers, no beat":    {running(30 * time.Second), ago(10 * time.Second), "w has not beaten for 30s, though redis answers"},
		"it may be in time":         {running(29 * time.Second), ago(time.Hour), ""},
		"a handler ignores its end": {stuck, ago(time.Hour), "w: the handler of q/2 has ignored the end of its context for 1m0s"},
		"stopping":                  {stopping, ago(time.Hour), ""},
		"ended":                     {tasuki.Status{Ended: true}, ago(time.Hour), "w has ended, and its process has not"},
	} {
		v := &view{Status: test.status, name: "w", now: now}
		got := ""
		if reasons := v.notAlive(test.answers, time.Minute); len(reasons) == 1 {
			got = reasons[0]
		} else if len(reasons) > 1 {
			t.Errorf("%s: %q", name, reasons)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	v := &view{Status: stuck, name: "w", now: now}
	if reasons := v.notAlive(now, -1); reasons != nil {
		t.Errorf("with no limit: %q", reasons)
	}
}

// TestTurns: which queue of several is left alone, and which only has to wait.
func TestTurns(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	queue := func(name string, weight int, claimed time.Time) tasuki.QueueStatus {
		return tasuki.QueueStatus{Name: name, Weight: weight, LastClaim: claimed}
	}
	for name, test := range map[string]struct {
		before, after []time.Time // the last claims of a, b and c
		weight        int
		want          []string
	}{
		"nobody":          {[]time.Time{ago(90), ago(90), ago(90)}, []time.Time{ago(90), ago(90), ago(90)}, 0, []string{"a", "b", "c"}},
		"the first":       {[]time.Time{ago(90), ago(90), ago(90)}, []time.Time{ago(1), ago(90), ago(90)}, 0, nil},
		"the second":      {[]time.Time{ago(90), ago(90), ago(90)}, []time.Time{ago(90), ago(1), ago(90)}, 0, []string{"a"}},
		"the last":        {[]time.Time{ago(90), ago(90), ago(90)}, []time.Time{ago(90), ago(90), ago(1)}, 0, []string{"a", "b"}},
		"weights":         {[]time.Time{ago(90), ago(90), ago(90)}, []time.Time{ago(90), ago(90), ago(1)}, 1, nil},
		"weights, nobody": {[]time.Time{ago(90), ago(90), {}}, []time.Time{ago(90), ago(90), {}}, 1, []string{"a", "b", "c"}},
	} {
		status := func(claims []time.Time) tasuki.Status {
			s := tasuki.Status{Entered: true, Listed: true, LastBeat: now, Slots: 2, Busy: 1}
			for i, at := range claims {
				s.Queues = append(s.Queues, queue(string(rune('a'+i)), test.weight, at))
			}
			return s
		}
		yes := func(string) bool { return true }
		look := func(claims []time.Time, at time.Time, before map[string]suspicion) (reasons []string, alone map[string]suspicion) {
			alone = map[string]suspicion{}
			v := &view{Status: status(claims), name: "w", now: at}
			return v.leftAlone(yes, before, alone), alone
		}
		reasons, alone := look(test.before, ago(6), nil)
		if reasons != nil {
			t.Errorf("%s: at first sight: %q", name, reasons)
		}
		var want []string
		for _, queue := range test.want {
			want = append(want, "w: queue "+queue+" has jobs and 1 of 2 slots are free, and nothing was claimed for 6s")
		}
		if reasons, _ = look(test.after, now, alone); !slices.Equal(reasons, want) {
			t.Errorf("%s: %q, want %q", name, reasons, want)
		}
		if reasons, _ = look(test.after, ago(2), alone); reasons != nil {
			t.Errorf("%s: after 4 s: %q", name, reasons)
		}
	}
}

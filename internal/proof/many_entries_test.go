package proof

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestManyEntries measures how late the jobs of many periodic entries are, and what a scheduler costs.
func TestManyEntries(t *testing.T) {
	r := begin(t, "many-entries", "Three processes enqueue the jobs of 10,000 periodic entries, 100 a second; and then have as many of which none is due.")
	const schedulers = 3
	entries, every := r.scaled(10_000), time.Duration(max(5, r.scaled(100)))*time.Second
	server := redistest.Start(t)
	r.describe(server)
	declare := func(namespace string, e cron.Entry) (*tasuki.Client, []*redistest.Process, map[string]*cron.Status) {
		client, err := tasuki.Open(server.URL(), &tasuki.ClientConfig{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		table := cron.New(client)
		for set := 0; set*1000 < entries; set++ {
			d := cron.Declared{Name: fmt.Sprint("s", set), Revision: 1}
			for i := range min(1000, entries-set*1000) {
				e.Name = fmt.Sprintf("e%d.%d", set, i)
				d.Entries = append(d.Entries, e)
			}
			if _, err := table.Declare(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		all := map[string]*cron.Status{}
		for s, err := range table.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all[s.Name] = s
		}
		var processes []*redistest.Process
		for range schedulers {
			processes = append(processes, startScheduler(t, schedulerConfig{server.URL(), namespace}, t.Output()))
		}
		return client, processes, all
	}
	processor := func(p *redistest.Process) time.Duration {
		p.Kill()
		return p.State().UserTime() + p.State().SystemTime()
	}

	// By their jitter, which is as long as the time between ticks, they are due at any time. The
	// first tick is not until the schedulers run.
	time.Sleep(time.Until(time.Now().Truncate(every).Add(every)))
	client, processes, all := declare("busy", cron.Entry{
		Expr: "@every " + every.String(), Jitter: every - time.Millisecond, Kind: "report", Args: json.RawMessage(`{"tenant":42}`)})
	begun := time.Now()
	bare := r.bareTimer(client, 2*every) // the first tick comes in this time, and is due for all
	store := bridge.Store(client)
	queue, err := store.Queue(tasuki.DefaultQueue)
	if err != nil {
		t.Fatal(err)
	}
	var late []time.Duration
	err = store.Each(t.Context(), queue.Ready, "list", func(element string, _ float64) {
		var pointer struct{ ID string }
		if err := json.Unmarshal([]byte(element), &pointer); err != nil {
			t.Fatal(err)
		}
		name, stamp, _ := strings.Cut(strings.TrimPrefix(pointer.ID, "cron:"), ":")
		ms, _ := strconv.ParseInt(stamp, 10, 64)
		s, ok := all[name]
		if !ok || s.Next.UnixMilli() != ms {
			return // of a tick after the one whose time is known
		}
		record, err := client.Get(t.Context(), "default/"+pointer.ID)
		if err != nil {
			t.Fatal(err)
		}
		late = append(late, record.EnqueuedAt.Sub(s.DueAt))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range processes {
		share := float64(processor(p)) / float64(time.Since(begun))
		r.figure(fmt.Sprintf("processor time of scheduler %d, of one core", i+1), fmt.Sprintf("%.1f %%", 100*share))
	}
	slices.Sort(late)
	r.demand("entries that have run", len(late), "all: "+thousands(int64(entries)), len(late) == entries)
	if len(late) == 0 {
		return
	}
	r.figure("late, p50", late[len(late)/2])
	r.figure("a bare timer and a PING, on the same machine at the same time: late, p99", bare)
	r.timing("late, p99, above that", late[len(late)*99/100]-bare, 50*time.Millisecond)
	r.figure("late, p99", late[len(late)*99/100])
	r.figure("late, at most", late[len(late)-1])

	then := time.Now().UTC().Add(-time.Hour)
	_, processes, _ = declare("idle", cron.Entry{Expr: fmt.Sprintf("%d %d * * *", then.Minute(), then.Hour()), Kind: "report"})
	begun = time.Now()
	time.Sleep(every)
	for i, p := range processes {
		share := float64(processor(p)) / float64(time.Since(begun))
		r.demand(fmt.Sprintf("processor time of scheduler %d when nothing is due, of one core", i+1), fmt.Sprintf("%.2f %%", 100*share), "less than 2 %, at full size",
			share < 0.02 || !r.isFull())
	}
}

// bareTimer is how late a timer and a call are that go off as often as entries are due, p99: what
// the machine adds to all that is to happen at a time.
func (r *row) bareTimer(client *tasuki.Client, length time.Duration) time.Duration {
	r.t.Helper()
	var late []time.Duration
	for due, end := time.Now(), time.Now().Add(length); due.Before(end); due = due.Add(10 * time.Millisecond) {
		time.Sleep(time.Until(due))
		if err := client.Ping(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		late = append(late, time.Since(due))
	}
	slices.Sort(late)
	return late[len(late)*99/100]
}

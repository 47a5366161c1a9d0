package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// schedulerConfig is what a scheduler process does.
type schedulerConfig struct{ URL, Namespace string }

func (c *schedulerConfig) main() int {
	client, err := tasuki.Open(c.URL, &tasuki.ClientConfig{Namespace: c.Namespace, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		panic(err)
	}
	if err := cron.New(client).Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

// TestKillSchedulers kills and freezes the processes that enqueue the jobs of periodic entries.
// The list of ready jobs, which nobody takes from, is the ledger.
//
//fault:process schedulers are killed with kill -9 while they fire periodic entries, or frozen for longer than they may have them | each tick is enqueued once, at most 3 s late unless all of them are hit one after the other
func TestKillSchedulers(t *testing.T) {
	r := begin(t, "kill-schedulers", "Three processes enqueue the jobs of periodic entries. Each is killed with kill -9 again and again, half of the times while a tick is fired, and started again at once, or frozen for longer than it may have the entries that it has taken. The list of ready jobs, from which nobody takes, is compared with the ticks that there were.")
	const entries, schedulers = 20, 3
	seconds := max(5, r.scaled(300))
	server := redistest.Start(t)
	r.describe(server)
	config := schedulerConfig{URL: server.URL(), Namespace: "tasuki"}
	client, err := tasuki.Open(config.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	table, firsts := cron.New(client), map[string]time.Time{}
	for i := range entries {
		e := cron.Entry{Name: fmt.Sprint("e", i), Expr: "@every 1s", Kind: "tick", Overlap: cron.OverlapAllow, Opts: tasuki.Opts{Keep: -1}}
		if i%2 == 1 {
			e.Opts = tasuki.Opts{} // recorded: the jobs go in by another script
		}
		s, err := table.Set(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		firsts[e.Name] = s.Next
	}
	logs, err := os.Create(filepath.Join(r.dir, "schedulers.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { logs.Close() })
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	var mu sync.Mutex
	var killed, frozen int
	var blows []time.Time // when one was killed or frozen
	var ice sync.Mutex    // one is frozen at a time
	var all sync.WaitGroup
	for range schedulers {
		rng, p := r.fork(), startScheduler(t, config, logs)
		all.Go(func() {
			for time.Now().Before(end) {
				wake := time.Now().Add(time.Duration(500+rng.IntN(2500)) * time.Millisecond)
				if rng.IntN(2) == 0 { // all entries are fired at a whole second, within few milliseconds
					wake = wake.Truncate(time.Second).Add(time.Second + time.Duration(rng.IntN(15_000))*time.Microsecond)
				}
				time.Sleep(time.Until(wake))
				freeze := rng.IntN(5) == 0 && ice.TryLock()
				mu.Lock()
				blows = append(blows, time.Now())
				if freeze {
					frozen++
				} else {
					killed++
				}
				mu.Unlock()
				if freeze {
					p.Signal(t, syscall.SIGSTOP)
					time.Sleep(time.Duration(2500+rng.IntN(2000)) * time.Millisecond)
					p.Signal(t, syscall.SIGCONT)
					ice.Unlock()
					continue
				}
				p.Kill()
				p = startScheduler(t, config, logs)
			}
		})
	}
	all.Wait()
	// What is late by then has time to come.
	last := time.Now().Truncate(time.Second)
	time.Sleep(4 * time.Second)

	store := bridge.Store(client)
	queue, err := store.Queue(tasuki.DefaultQueue)
	if err != nil {
		t.Fatal(err)
	}
	times, late, tooLate := map[string]int{}, []time.Duration{}, []string(nil)
	ledger, err := os.Create(filepath.Join(r.dir, "jobs"+ledgerSuffix))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	note := func(element string) {
		var job struct {
			ID         string `json:"id"`
			EnqueuedAt int64  `json:"enqueued_at"`
		}
		if err := json.Unmarshal([]byte(element), &job); err != nil {
			t.Fatal(err)
		}
		if job.EnqueuedAt == 0 { // a pointer
			record, err := client.Get(t.Context(), "default/"+job.ID)
			if err != nil {
				t.Fatal(err)
			}
			job.EnqueuedAt = record.EnqueuedAt.UnixMilli()
		}
		io.WriteString(ledger, fmt.Sprintln(job.ID, job.EnqueuedAt)) //nolint:errcheck // it is for people
		times[job.ID]++
		tick, err := strconv.ParseInt(job.ID[strings.LastIndexByte(job.ID, ':')+1:], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if tick > last.UnixMilli() {
			return
		}
		by := time.Duration(job.EnqueuedAt-tick) * time.Millisecond
		late = append(late, by)
		n := 0
		for _, blow := range blows {
			if blow.After(time.UnixMilli(tick-5000)) && blow.Before(time.UnixMilli(job.EnqueuedAt)) { // of those before, some are frozen yet
				n++
			}
		}
		if by > 3*time.Second && n < schedulers {
			tooLate = append(tooLate, fmt.Sprintf("%s, %v late, with %d of them killed or frozen shortly before", job.ID, by, n))
		}
	}
	var elements []string
	if err := store.Each(t.Context(), queue.Ready, "list", func(element string, _ float64) { elements = append(elements, element) }); err != nil {
		t.Fatal(err)
	}
	for _, element := range elements {
		note(element)
	}
	var lost, twice, phantom []string
	ticks := 0
	for name, first := range firsts {
		for tick := first; !tick.After(last); tick = tick.Add(time.Second) {
			ticks++
			id := fmt.Sprintf("cron:%s:%d", name, tick.UnixMilli())
			if times[id] == 0 {
				lost = append(lost, id)
			}
		}
	}
	for id, n := range times {
		name, stamp, _ := strings.Cut(strings.TrimPrefix(id, "cron:"), ":")
		tick, _ := strconv.ParseInt(stamp, 10, 64)
		if n > 1 {
			twice = append(twice, fmt.Sprint(id, ", ", n, " times"))
		}
		if first, ok := firsts[name]; !ok || tick < first.UnixMilli() || tick%1000 != 0 {
			phantom = append(phantom, id)
		}
	}
	r.note("%d processes, %d entries with a tick a second, half of them with recorded jobs.", schedulers, entries)
	r.figure("kills", killed)
	r.figure("freezes of 2.5 to 4.5 s", frozen)
	r.demand("ticks", ticks, thousands(int64(entries*seconds))+" and more", ticks >= entries*seconds)
	r.none("ticks without a job", lost)
	r.none("jobs that are there twice", twice)
	r.none("jobs of no tick", phantom)
	slices.Sort(late)
	r.figure("late, p50", late[len(late)/2])
	r.figure("late, p99", late[len(late)*99/100])
	r.figure("late, at most", late[len(late)-1])
	r.none("ticks that were more than 3 s late, although one of the processes was untouched", tooLate)
}

// startScheduler starts a scheduler process.
func startScheduler(t testing.TB, c schedulerConfig, output io.Writer) *redistest.Process {
	return redistest.StartSelf(t, schedulerEnv, c, output)
}

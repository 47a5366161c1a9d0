package tasuki_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// limitFiles bounds how many files this process may have open.
func limitFiles(n uint64) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		panic(err)
	}
}

// takeFiles opens all files that the process may have, for a while, so that
// nothing can connect.
func takeFiles(d time.Duration) {
	var files []*os.File
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			files = append(files, f)
		}
	}
	for _, f := range files {
		f.Close()
	}
}

// TestFilesExhausted: a handler has opened all files that the process may have
// when every connection is cut. The worker gets none until they are closed, then
// goes on.
//
//fault:process no file descriptor is left when the connections are lost | the process lives, and goes on when there are some; nothing is lost
func TestFilesExhausted(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	p := e.startProcess(processConfig{Concurrency: 2, Do: "files", Sleep: 4 * time.Second, Files: 64})
	e.client = e.openAt(s.URL()) // what is enqueued does not go through the proxy
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.enqueue(number, 1)
	p.wait("start", 1)
	proxy.Down(true)
	time.Sleep(500 * time.Millisecond) // the handler has what the connections had
	proxy.Down(false)
	before := e.beats("default")
	time.Sleep(1500 * time.Millisecond) // it tries again every second, and oftener at first
	if after := e.beats("default"); after != before {
		t.Errorf("%d beats, then %d: it could connect", before, after)
	}
	p.wait("done", 1)
	e.settled("default", 1)
	redistest.WaitFor(t, "it to beat again", func() error {
		if n := e.beats("default"); n <= before {
			return fmt.Errorf("%d beats", n)
		}
		return nil
	})
	e.enqueue(number, 1)
	q := e.settled("default", 2)
	if ups := p.lines("up"); len(ups) != 1 || q.Counts["crashed"] != 0 {
		t.Errorf("%v, %+v", ups, q)
	}
	p.signal(syscall.SIGTERM)
	<-p.Ended()
	if p.lines("down") == nil {
		t.Error("it does not stop in order")
	}
}

// has asks a process for its goroutines and files.
func (p *process) has() (goroutines, files int) {
	p.t.Helper()
	n := len(p.lines("has"))
	p.signal(syscall.SIGUSR1)
	words := strings.Fields(p.wait("has", n+1)[n])
	goroutines, err := strconv.Atoi(words[2])
	if err != nil {
		p.t.Fatal(err)
	}
	if files, err = strconv.Atoi(words[3]); err != nil {
		p.t.Fatal(err)
	}
	return goroutines, files
}

// TestReconnectsLeakNothing cuts all connections again and again. In the end the
// worker has as many goroutines and files as in the beginning.
//
//fault:process 100 times all connections cut | the worker has no more goroutines and files than before
func TestReconnectsLeakNothing(t *testing.T) {
	t.Parallel()
	e, s, proxy := proxied(t)
	p := e.startProcess(processConfig{Concurrency: 5, Do: "quick"})
	e.client = e.openAt(s.URL()) // what is enqueued does not go through the proxy
	n := int64(0)
	// A job goes through everything that has to be there again.
	works := func() {
		e.enqueue(number, 1)
		n++
		e.settled("default", n)
	}
	rounds := func(k int) {
		for range k {
			works()
			proxy.CutAll()
		}
		works()
	}
	rounds(10) // what is made at the first need is there
	goroutines, files := p.has()
	rounds(100)
	redistest.WaitFor(t, "as many goroutines and files as before", func() error {
		moreGoroutines, moreFiles := p.has()
		// A few come and go: an idle connection, the end of a timer.
		if moreGoroutines > goroutines+10 || moreFiles > files+10 {
			return fmt.Errorf("%d goroutines and %d files; before it were %d and %d", moreGoroutines, moreFiles, goroutines, files)
		}
		return nil
	})
	if q := e.queue("default"); q.Counts["crashed"] != 0 || q.Workers != 1 {
		t.Errorf("%+v", q)
	}
}

// TestTimesAtTheEdges enqueues with the earliest and latest times there are.
//
//fault:time a job for a time before 1970, for the last second of the year 9999, or in a nanosecond | it runs at once, is kept for then, runs at once
func TestTimesAtTheEdges(t *testing.T) {
	onBoth(t, func(t *testing.T, e *env) {
		last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		for i, opts := range []tasuki.Opts{
			{At: last}, {In: 100 * 365 * 24 * time.Hour}, {At: time.Unix(-1e9, 0)}, {At: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}, {In: 1},
		} {
			if _, err := number.With(opts).Enqueue(e.ctx, e.client, i); err != nil {
				t.Errorf("%+v: %v", opts, err)
			}
		}
		got := e.survive(10)
		got.wait(t, 3)
		q := e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 3 && q.Running == 0 })
		if all := numbers(got.get()); q.Scheduled != 2 || fmt.Sprint(all) != "[2 3 4]" {
			t.Errorf("%+v, run were %v; want those that are past", q, all)
		}
		scheduled, err := e.do("ZRANGE", e.key("default", "scheduled"), "-1", "-1", "WITHSCORES").AsZScores()
		if err != nil || len(scheduled) != 1 || int64(scheduled[0].Score) != last.UnixMilli() {
			t.Errorf("the last is due at %v, %v; want %d", scheduled, err, last.UnixMilli())
		}
	})
}

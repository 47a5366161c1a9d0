package tasuki_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// spin is a loop that calls nothing, and so cannot be preempted without signals.
// It ends when the first word of the file is not 0 any more.
func spin(file string) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	page, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	word := (*uint32)(unsafe.Pointer(&page[0]))
	for atomic.LoadUint32(word) == 0 {
	}
}

// beats is the counter of the first worker of a queue.
func (e *env) beats(queue string) int64 {
	e.t.Helper()
	worker, _, _ := strings.Cut(e.workers(queue)[0], ".")
	n, err := e.do("HGET", e.namespace+":workers", worker).AsInt64()
	if err != nil {
		e.t.Fatal(err)
	}
	return n
}

// TestBusyLoop: a handler keeps the only processor and lets no other goroutine
// run. Its worker cannot beat, and is not taken for dead for that.
//
//fault:process a handler's busy loop keeps the only processor for 6 s, and nothing beats | it is not taken for dead
func TestBusyLoop(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	file := filepath.Join(t.TempDir(), "spin")
	if err := os.WriteFile(file, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	p := e.startProcess(processConfig{Concurrency: 2, Do: "spin", Spin: file, Env: []string{"GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"}})
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.run(e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}}))
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.enqueue(number, 1)
	p.wait("start", 1)
	time.Sleep(time.Second) // what was on its way is there
	before := e.beats("default")
	time.Sleep(5 * time.Second) // longer than the quick rule
	if after := e.beats("default"); after != before {
		t.Errorf("%d beats, then %d: the loop did not keep it from that", before, after)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0) // not emptied, as it is mapped
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if q := e.settled("default", 1); q.Counts["crashed"] != 0 || len(p.lines("start")) != 1 {
		t.Errorf("%+v, %v", q, p.lines("start"))
	}
}

// TestStarved gives a worker a twentieth of the time, as a tight quota does.
//
//fault:process worker gets a twentieth of a processor for 10 s | it is not taken for dead, and its jobs are done once
func TestStarved(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	e.run(e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}}))
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	p := e.startProcess(processConfig{Concurrency: 10, Do: "sleep", Sleep: 100 * time.Millisecond})
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.enqueue(number, 100)
	for range 10 {
		p.signal(syscall.SIGSTOP)
		time.Sleep(950 * time.Millisecond)
		p.signal(syscall.SIGCONT)
		time.Sleep(50 * time.Millisecond)
	}
	if q := e.settled("default", 100); q.Counts["crashed"] != 0 || len(p.lines("start")) != 100 {
		t.Errorf("%d runs, %+v", len(p.lines("start")), q)
	}
}

// TestLaptopSleep stops workers and server together for longer than any limit, and
// continues them in either order: nobody has seen anybody be dead.
//
//fault:process workers and server stand still together for 33 s, as on a laptop that sleeps; the server wakes first | nobody is taken for dead, nothing runs again
//fault:process the same; the workers wake first | the same
func TestLaptopSleep(t *testing.T) {
	t.Parallel()
	for name, serverFirst := range map[string]bool{"server first": true, "workers first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			e := newEnv(t, s.URL())
			e.enqueue(number, 20)
			release := filepath.Join(t.TempDir(), "release")
			var all []*process
			for range 2 { // the first observes
				p := e.startProcess(processConfig{Concurrency: 10, Do: "until", Until: release})
				p.wait("start", 10)
				all = append(all, p)
			}
			e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 20 })
			time.Sleep(2 * time.Second) // an observer is at work
			for _, p := range all {
				p.signal(syscall.SIGSTOP)
			}
			s.Signal(t, syscall.SIGSTOP)
			time.Sleep(33 * time.Second) // the sleep is what is tested
			wake := func() {
				for _, p := range all {
					p.signal(syscall.SIGCONT)
					time.Sleep(time.Second) // nobody wakes everything at once
				}
			}
			if serverFirst {
				s.Signal(t, syscall.SIGCONT)
				time.Sleep(time.Second)
				wake()
			} else {
				wake()
				s.Signal(t, syscall.SIGCONT)
			}
			time.Sleep(5 * time.Second) // longer than the quick rule, were it to hold
			if err := os.WriteFile(release, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			q := e.settled("default", 20)
			if n := len(all[0].lines("start")) + len(all[1].lines("start")); n != 20 || q.Counts["crashed"] != 0 || q.Counts["done"] != 20 {
				t.Errorf("%d runs, %+v", n, q)
			}
		})
	}
}

// until waits for a file, or for the end of the context.
func until(ctx context.Context, file string) {
	for ctx.Err() == nil {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

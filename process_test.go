package tasuki_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// processEnv makes the test binary a worker: its value is a processConfig.
const processEnv = "TASUKI_TEST_PROCESS"

func TestMain(m *testing.M) {
	var c processConfig
	if redistest.Self(processEnv, &c) {
		os.Exit(c.main())
	}
	redistest.Main(m)
}

// processConfig is what a worker process does.
type processConfig struct {
	URL         string
	Namespace   string
	Queues      []tasuki.Queue
	Concurrency int
	Grace       time.Duration
	Ledger      string // a file that gets a line for each event
	// Do is what the handler does: "quick", "hold" (until its context ends),
	// "ignore" (for ever), "sleep" (Sleep), "spin" (see Spin), "files" (see
	// takeFiles), "until" (there is a file Until), "poison" (exits if the argument is below 0),
	// "log" (three lines, and then as "hold"),
	// "raw" (also takes raw jobs of the queue default, and fails each once).
	Do    string
	Sleep time.Duration
	// Fatal is a way to end the process, of fatal: its handler takes it.
	Fatal string
	// Spin is a file whose first byte ends the busy loop of Do "spin".
	Spin  string
	Until string
	// Produce makes it a producer of so many jobs, one by one or, with Batch,
	// in one call.
	Produce int
	Batch   bool
	// Files is how many files it may have open: 0 for as many as it is.
	Files uint64
	// Env is for its environment.
	Env []string `json:"-"`
}

func (c *processConfig) main() int {
	ledger, err := os.OpenFile(c.Ledger, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	pid := os.Getpid()
	// One write for each line: it is in the file when it returns, whatever
	// happens to the process then.
	note := func(format string, args ...any) {
		fmt.Fprintf(ledger, "%d %s\n", pid, fmt.Sprintf(format, args...))
	}
	client, err := tasuki.Open(c.URL, &tasuki.ClientConfig{Namespace: c.Namespace, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		panic(err)
	}
	if c.Produce > 0 {
		return c.produce(client, note)
	}
	logger := slog.New(tasuki.RecordLog(slog.NewTextHandler(os.Stderr, nil)))
	w, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Queues: c.Queues, Concurrency: c.Concurrency, Grace: c.Grace, MaxAttempts: 5, Backoff: soon, Logger: logger})
	if err != nil {
		panic(err)
	}
	tasuki.Handle(w, number, func(ctx context.Context, job *tasuki.Job[int]) error {
		note("start %d %d %d", job.Args, job.Fence(), time.Now().UnixMicro())
		if c.Fatal != "" {
			fatal[c.Fatal]()
		}
		switch c.Do {
		case "spin":
			spin(c.Spin)
		case "files":
			takeFiles(c.Sleep)
		case "until":
			if until(ctx, c.Until); ctx.Err() != nil {
				note("ended %d %v", job.Args, context.Cause(ctx))
				return ctx.Err()
			}
		case "hold", "log":
			for i := 0; c.Do == "log" && i < 3; i++ {
				logger.InfoContext(ctx, "row", "n", i)
			}
			<-ctx.Done()
			note("ended %d %v", job.Args, context.Cause(ctx))
			return ctx.Err()
		case "ignore":
			select {}
		case "sleep":
			select {
			case <-time.After(c.Sleep):
			case <-ctx.Done():
				note("ended %d %v", job.Args, context.Cause(ctx))
				return ctx.Err()
			}
		case "poison":
			if job.Args < 0 {
				os.Exit(3)
			}
			time.Sleep(c.Sleep)
		}
		note("done %d", job.Args)
		return nil
	})
	if c.Do == "raw" {
		tasuki.HandleRaw(w, tasuki.DefaultQueue, func(_ context.Context, job *tasuki.RawJob) error {
			note("raw %d %x", job.Attempt, sha256.Sum256(job.Args))
			if job.Attempt == 1 {
				return errors.New("once more") // it is wrapped then
			}
			return nil
		})
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		stop() // the second signal ends the process, as it does without the first
		note("told")
	})
	c.answer(note)
	if c.Files > 0 {
		limitFiles(c.Files)
	}
	note("up")
	if err := w.Run(ctx); err != nil {
		note("failed %v", err)
		return 1
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	note("allocated %d", m.TotalAlloc)
	note("down")
	return 0
}

// process is a worker process under test.
type process struct {
	*redistest.Process
	t      testing.TB
	ledger string
}

// startProcess starts a worker process on the env's namespace, and kills it with
// the test.
func (e *env) startProcess(c processConfig) *process {
	e.t.Helper()
	if c.URL == "" {
		c.URL = e.url
	}
	c.Namespace = e.namespace
	if c.Ledger == "" {
		c.Ledger = filepath.Join(e.t.TempDir(), "ledger")
	}
	return &process{t: e.t, ledger: c.Ledger, Process: redistest.StartSelf(e.t, processEnv, c, e.log, c.Env...)}
}

// signal sends a signal to the process.
func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	p.Signal(p.t, sig)
}

// kill is kill -9.
func (p *process) kill() { p.Kill() }

// lines returns the lines of the ledger that begin with a word behind the pid.
func (p *process) lines(word string) []string { return ledgerLines(p.t, p.ledger, word) }

func ledgerLines(t testing.TB, ledger, word string) []string {
	t.Helper()
	f, err := os.Open(ledger)
	if err != nil {
		return nil
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if pid, rest, ok := strings.Cut(s.Text(), " "); ok && strings.HasPrefix(rest+" ", word+" ") {
			lines = append(lines, pid+" "+rest)
		}
	}
	return lines
}

// wait waits for n lines.
func (p *process) wait(word string, n int) []string {
	p.t.Helper()
	var lines []string
	redistest.WaitFor(p.t, fmt.Sprintf("%d times %q in the ledger", n, word), func() error {
		if lines = p.lines(word); len(lines) < n {
			return fmt.Errorf("%d so far", len(lines))
		}
		return nil
	})
	return lines
}

// ledger is a set of numbers that were done, by any process.
type ledger struct {
	mu   sync.Mutex
	runs map[int]int
}

func (l *ledger) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs == nil {
		l.runs = map[int]int{}
	}
	l.runs[n]++
}

// note has a worker do jobs whose runs are noted, and nothing else.
func (l *ledger) note(w *tasuki.Worker) {
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		l.add(job.Args)
		return nil
	})
}

// check demands that each of 0 to n-1 was done, and returns how many runs there
// were beyond one each.
func (l *ledger) check(t testing.TB, n int) (extra int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []int
	for i := range n {
		if l.runs[i] == 0 {
			lost = append(lost, i)
		}
		extra += max(l.runs[i]-1, 0)
	}
	if len(lost) > 0 {
		t.Errorf("%d of %d jobs are lost: %v", len(lost), n, lost[:min(len(lost), 20)])
	}
	var phantoms []int
	for i := range l.runs {
		if i < 0 || i >= n {
			phantoms = append(phantoms, i)
		}
	}
	if slices.Sort(phantoms); len(phantoms) > 0 {
		t.Errorf("jobs that nobody enqueued were run: %v", phantoms)
	}
	return extra
}

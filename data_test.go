package tasuki_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// typed writes a value of a type to a key.
var typed = map[string]func(key string) []string{
	"string": func(key string) []string { return []string{"SET", key, "x"} },
	"list":   func(key string) []string { return []string{"RPUSH", key, "x"} },
	"set":    func(key string) []string { return []string{"SADD", key, "x"} },
	"hash":   func(key string) []string { return []string{"HSET", key, "x", "y"} },
	"zset":   func(key string) []string { return []string{"ZADD", key, "1", "x"} },
	"stream": func(key string) []string { return []string{"XADD", key, "*", "x", "y"} },
}

// partTypes are the keys of a queue and their types; "" is the ready list.
var partTypes = map[string]string{
	"": "list", "suspect": "list", "scheduled": "zset", "retry": "zset", "dead": "zset", "alarm": "list",
	"seen": "zset", "rules": "hash", "count": "hash", "workers": "zset", "hand": "list", "held": "hash",
}

// TestWrongTypes has another program put something of every other type where a key of a
// queue should be, for every key: in a queue for each, all of one worker, before it
// begins and while it waits. A queue beside them does not notice, and when the
// keys are gone every job that was accepted is run.
//
//fault:data another program has put something of another type in place of any key of a queue | other queues go on; the check names key and type; when the key is gone all accepted jobs are run
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for _, before := range []bool{true, false} {
		s := redistest.Start(t)
		e := newEnv(t, s.URL())
		wg.Go(func() { wrongTypes(t, e, before) })
	}
	wg.Wait()
}

func wrongTypes(t *testing.T, e *env, before bool) {
	type broken struct{ queue, part, kind string }
	var all []broken
	queues := []tasuki.Queue{{Name: "whole", Weight: 1}}
	for part, own := range partTypes {
		if before && (part == "hand" || part == "held") {
			continue // nobody knows the worker's id
		}
		for kind := range typed {
			if kind != own {
				b := broken{strings.Join([]string{"q", part, kind}, "-"), part, kind}
				all = append(all, b)
				queues = append(queues, tasuki.Queue{Name: b.queue, Weight: 1})
			}
		}
	}
	w := e.worker(tasuki.WorkerConfig{Queues: queues, Concurrency: 80, MaxAttempts: 3, Backoff: soon})
	var mu sync.Mutex
	ran := map[string]bool{}
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		mu.Lock()
		defer mu.Unlock()
		if job.Attempt == 1 && job.Args%2 == 0 {
			return errors.New("once more")
		}
		ran[job.Address()] = true
		return nil
	})
	key := func(b broken) string {
		switch b.part {
		case "":
			return e.key(b.queue)
		case "hand", "held":
			return e.key(b.queue, b.part, e.workers(b.queue)[0])
		}
		return e.key(b.queue, b.part)
	}
	run := func() {
		e.run(w)
		for _, q := range queues {
			redistest.WaitFor(t, "the wait in "+q.Name, func() error {
				if !w.Waits(q.Name) {
					return errors.New("it does not wait")
				}
				return nil
			})
		}
	}
	if !before {
		run()
	}
	keys := map[broken]string{}
	for _, b := range all {
		keys[b] = key(b)
		e.do("DEL", keys[b]) // what is there is lost, as by the other program
		if err := e.do(typed[b.kind](keys[b])...).Error(); err != nil {
			t.Error(err)
		}
	}
	if before {
		e.run(w)
	}
	accepted := map[string]bool{}
	for _, q := range queues {
		for i, opts := range []tasuki.Opts{{}, {}, {ID: "own"}, {In: 10 * time.Millisecond}} {
			info, err := number.With(opts).With(tasuki.Opts{Queue: q.Name}).Enqueue(e.ctx, e.client, i)
			switch {
			case err == nil:
				accepted[info.Address()] = true
			case errors.Is(err, tasuki.ErrUncertain) || !strings.Contains(err.Error(), "wrong type"):
				t.Errorf("enqueue in %s: %v", q.Name, err)
			}
		}
	}
	start := time.Now()
	e.waitQueue("whole", func(q inspect.Queue) bool { return q.Counts["done"] == 4 })
	t.Logf("before: %v; the whole queue was done after %v", before, time.Since(start))
	problems, err := e.inspector.Check(e.ctx)
	if err != nil {
		t.Error(err)
	}
	for _, b := range all {
		if !slices.ContainsFunc(problems, func(p inspect.Problem) bool {
			return p.Key == keys[b] && strings.Contains(p.What, "it is a "+b.kind+", not a "+partTypes[b.part])
		}) {
			t.Errorf("%v: the check does not name %s", b, keys[b])
		}
	}
	for b := range maps.Keys(keys) {
		e.do("DEL", keys[b])
	}
	redistest.WaitLong(t, 2*time.Minute, "all accepted jobs", func() error {
		mu.Lock()
		defer mu.Unlock()
		var missing []string
		for address := range accepted {
			if !ran[address] {
				missing = append(missing, address)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d are missing: %.5q", len(missing), missing)
		}
		return nil
	})
	// Counters that another program has removed cannot be right, nor what was
	// in a list that it has removed.
	for _, b := range all {
		if b.part == "count" || b.part == "held" || b.part == "workers" {
			e.waitQueue(b.queue, func(q inspect.Queue) bool { return q.Running == 0 && q.Ready+q.Retry+q.Scheduled == 0 })
			for _, part := range []string{"count", "workers"} {
				e.do("DEL", e.key(b.queue, part))
			}
		}
	}
}

// TestMissingKeys removes every key of a queue under a worker that waits. What was in it
// is gone; the worker goes on, and everything that is enqueued then is run.
//
//fault:data somebody removes any key of a queue, or of the lists of workers and queues | the worker enters again and runs what is enqueued then; the directories are filled again within minutes
func TestMissingKeys(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	parts := slices.Sorted(maps.Keys(partTypes))
	var queues []tasuki.Queue
	for _, part := range parts {
		queues = append(queues, tasuki.Queue{Name: "q-" + part, Weight: 1})
	}
	w := e.worker(tasuki.WorkerConfig{Queues: queues, Concurrency: 20, MaxAttempts: 2, Backoff: soon})
	var runs recorder[string]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		runs.add(job.Queue)
		if job.Args == 0 && job.Attempt == 1 {
			return errors.New("once more")
		}
		return nil
	})
	// It walks over all queues 5 s after it has begun, and then every minute.
	observer := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}})
	e.run(observer)
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	e.run(w)
	put := func() {
		for _, q := range queues {
			for i, opts := range []tasuki.Opts{{}, {In: 10 * time.Millisecond}} {
				if _, err := number.With(opts).With(tasuki.Opts{Queue: q.Name}).Enqueue(e.ctx, e.client, i); err != nil {
					t.Error(err)
				}
			}
		}
	}
	put()
	runs.wait(t, 3*len(queues)) // one of two is run twice
	for i, part := range parts {
		name := queues[i].Name
		e.waitQueue(name, func(q inspect.Queue) bool { return q.Running+q.Ready+q.Retry == 0 && q.Workers == 1 && w.Waits(name) })
		switch part {
		case "":
			e.do("DEL", e.key(name))
		case "hand", "held":
			e.do("DEL", e.key(name, part, e.workers(name)[0]))
		default:
			e.do("DEL", e.key(name, part))
		}
	}
	for _, key := range []string{":workers", ":workers:info", ":queues"} {
		e.do("DEL", e.namespace+key)
	}
	put()
	runs.wait(t, 6*len(queues))
	for i, part := range parts {
		e.waitQueue(queues[i].Name, func(q inspect.Queue) bool { return q.Running+q.Ready+q.Retry+q.Scheduled == 0 && q.Workers == 1 })
		if part == "count" || part == "held" {
			e.do("DEL", e.key(queues[i].Name, "count")) // it cannot be right any more
		}
	}
	redistest.WaitFor(t, "the directory", func() error {
		if n, err := e.do("SCARD", e.namespace+":queues").AsInt64(); err != nil || n < int64(len(queues)) {
			return fmt.Errorf("%d queues, %v", n, err)
		}
		return nil
	})
}

// TestCopies puts copies of a job in several places, as a snapshot that is restored
// beside living data does. Each copy is a job of its own, and the check names them.
//
//fault:data the same job is in two places, as after a backup was restored | each copy is run; the check names the job and the places
func TestCopies(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	element := `{"id":"twin","kind":"number","token":"%s","args":1}`
	now := time.Now().UnixMilli()
	e.do("RPUSH", e.key("default"), fmt.Sprintf(element, "a"), fmt.Sprintf(element, "a"))
	e.do("ZADD", e.key("default", "retry"), fmt.Sprint(now+2000), fmt.Sprintf(element, "b"))
	e.do("ZADD", e.key("default", "scheduled"), fmt.Sprint(now+2000), fmt.Sprintf(element, "c"))
	e.do("ZADD", e.key("default", "dead"), fmt.Sprint(now), fmt.Sprintf(element, "d"))
	e.do("RPUSH", e.key("default", "suspect"), fmt.Sprintf(element, "e"))
	e.do("SADD", e.namespace+":queues", "default")
	problems, err := e.inspector.Check(e.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, places := range []string{"ready", "suspect", "scheduled", "retry", "dead"} {
		if !slices.ContainsFunc(problems, func(p inspect.Problem) bool {
			return strings.Contains(p.What, "twin is in ") && strings.Contains(p.What, places)
		}) {
			t.Errorf("the check does not say that it is in %s: %v", places, problems)
		}
	}
	w := e.worker(tasuki.WorkerConfig{})
	got := collect(w, number)
	e.run(w)
	got.wait(t, 5)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Counts["done"] == 5 && q.Dead == 1 && q.Running == 0 })
}

// TestOddCounters fills the counters with what no counter can be: jobs are run all the
// same.
//
//fault:data counters and times in Redis are negative, too large, or no numbers | jobs are run all the same; the check names the counters
func TestOddCounters(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	values := []string{"-5", "9223372036854775807", "-9223372036854775808", "x", "", "1e400", "NaN", "1.5", "\x00\xff"}
	var queues []tasuki.Queue
	for i := range values {
		queues = append(queues, tasuki.Queue{Name: fmt.Sprint("q", i), Weight: 1})
	}
	for i, q := range queues {
		e.do("HSET", e.key(q.Name, "count"), "claimed", values[i], "done", values[i], "retry", values[i], "existed", values[i], "strange", values[i])
		e.do("ZADD", e.key(q.Name, "workers"), "inf", "a", "-inf", "b", "-1", "c", "0.5", "d")
		e.do("ZADD", e.key(q.Name, "seen"), "inf", "known", "-inf", "old")
		e.do("HSET", e.key(q.Name, "rules"), "strange", values[i])
		e.do("HSET", e.namespace+":workers", "ghost"+fmt.Sprint(i), values[i])
	}
	w := e.worker(tasuki.WorkerConfig{Queues: queues, Concurrency: 20, MaxAttempts: 2, Backoff: soon})
	var runs recorder[string]
	tasuki.Handle(w, number, func(_ context.Context, job *tasuki.Job[int]) error {
		runs.add(job.Queue)
		if job.Args == 0 && job.Attempt == 1 {
			return errors.New("once more")
		}
		return nil
	})
	e.run(w)
	for _, q := range queues {
		for i, opts := range []tasuki.Opts{{}, {ID: "known"}, {ID: "old"}, {In: 10 * time.Millisecond}} {
			if info, err := number.With(opts).With(tasuki.Opts{Queue: q.Name}).Enqueue(e.ctx, e.client, i); err != nil || info.Existed != (opts.ID == "known") {
				t.Errorf("%s: %+v, %v", q.Name, info, err)
			}
		}
	}
	runs.wait(t, 4*len(queues)) // three jobs, of which one runs twice
	for _, q := range queues {
		redistest.WaitFor(t, "what is held in "+q.Name, func() error {
			for _, id := range e.workers(q.Name) {
				if n, err := e.do("HLEN", e.key(q.Name, "held", id)).AsInt64(); err != nil || n > 0 {
					return fmt.Errorf("%d, %v", n, err)
				}
			}
			return nil
		})
	}
	problems, err := e.inspector.Check(e.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		if !slices.ContainsFunc(problems, func(p inspect.Problem) bool { return p.Key == e.key(q.Name, "count") }) {
			t.Errorf("the check does not name the counters of %s", q.Name)
		}
		e.do("DEL", e.key(q.Name, "count"))
		e.do("ZREM", e.key(q.Name, "workers"), "a", "b", "c", "d")
	}
	for i := range values {
		e.do("HDEL", e.namespace+":workers", "ghost"+fmt.Sprint(i))
	}
}

// TestBytesOfAllKinds: whatever bytes a plain element has, the handler gets them, also
// after a failure, for which they are kept in JSON.
//
//fault:data elements of random bytes, NUL, control characters, invalid UTF-8, text that runs backwards, escape sequences | the raw handler gets exactly these bytes, at every attempt
func TestBytesOfAllKinds(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	elements := []string{
		"\x00", "\x00\x00\x00", "\r\n", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "\xff\xfe\xfd", "\xc3\x28", "\xed\xa0\x80",
		"*1\r\n$4\r\nPING\r\n", "{\"kind\":\"\x00\"}", "\ufeff{\"kind\":\"number\"}", "'; DROP TABLE jobs; --", "<script>alert(1)</script>", "%s%n%d", "../../etc/passwd", " ",
	}
	for n := range 100 {
		element := make([]byte, n)
		for i := range element {
			element[i] = byte(rand.Uint32())
		}
		// So that no two are equal, and each is known by its end.
		elements = append(elements, string(binary.BigEndian.AppendUint32(element, uint32(n))))
	}
	w := e.worker(tasuki.WorkerConfig{Concurrency: 10, MaxAttempts: 3, Backoff: soon})
	var mu sync.Mutex
	runs := map[string]int{}
	tasuki.HandleRaw(w, "default", func(_ context.Context, job *tasuki.RawJob) error {
		mu.Lock()
		defer mu.Unlock()
		runs[string(job.Args)]++
		if job.Attempt < 3 {
			return errors.New(string(job.Args)) // it is an error's text as well
		}
		return nil
	})
	e.run(w)
	for _, element := range elements {
		if err := e.client.Push(e.ctx, tasuki.Queue{Name: "default"}, []byte(element)); err != nil {
			t.Fatal(err)
		}
	}
	e.settled("default", int64(len(elements)))
	mu.Lock()
	defer mu.Unlock()
	for _, element := range elements {
		if runs[element] != 3 {
			t.Errorf("%q was run %d times, want 3", element, runs[element])
		}
	}
	for element := range runs {
		if !slices.Contains(elements, element) {
			t.Errorf("%q was run, which nobody has pushed", element)
		}
	}
	for line := range strings.Lines(e.log.String()) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x00\x1b\r\u202e") {
			t.Errorf("the log has control characters: %.200q", line)
		}
	}
}

// TestHugeElement has another program push an element of 64 MiB between small ones.
//
//fault:data another program pushes an element of 64 MiB | it is run or dead like any other, the jobs beside it are run, and memory stays within a few times its size
func TestHugeElement(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	huge := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	e.enqueue(number, 50)
	if err := e.do("RPUSH", e.key("default"), string(huge)).Error(); err != nil {
		t.Fatal(err)
	}
	e.enqueue(number, 50)
	p := e.startProcess(processConfig{Do: "raw", Concurrency: 10}) // what others allocate is not counted
	redistest.WaitLong(t, 2*time.Minute, "the huge one", func() error {
		if q := e.queue("default"); q.Counts["done"] != 101 {
			return fmt.Errorf("%+v", q)
		}
		return nil
	})
	p.signal(syscall.SIGTERM)
	p.wait("down", 1)
	sum := fmt.Sprintf("%x", sha256.Sum256(huge))
	if len(p.lines("done")) != 100 || len(p.lines("raw")) != 2 || len(p.lines("raw 1 "+sum)) != 1 || len(p.lines("raw 2 "+sum)) != 1 {
		t.Errorf("%q, %d others; want it whole in two attempts, and 100", p.lines("raw"), len(p.lines("done")))
	}
	var pid, allocated int
	if _, err := fmt.Sscanf(p.lines("allocated")[0], "%d allocated %d", &pid, &allocated); err != nil {
		t.Fatal(err)
	}
	grown := float64(allocated) / float64(len(huge))
	t.Logf("allocated %.1f times its size", grown)
	if grown > 20 {
		t.Errorf("%.1f times its size was allocated", grown)
	}
}

// oddNames are what is no name of a queue.
var oddNames = []string{
	":", "a:b", "{}", "}{", "{a}", "a}b", "a b", " a", "a\n", "a\x00", "..", ".hidden", "-x", "a/b", "%2F", "a%2Fb", "*", "?", "a\u202eb",
	"\u0430dmin", "ａ", "é", "\xff", "<script>", "'", "\"", strings.Repeat("x", 129), strings.Repeat("x", 300),
}

// TestOddNames gives names that are none to every entry: none of them writes a key.
//
//fault:data a queue is called what would be another key, another slot, a path or a script | every entry of client, worker and inspector refuses it, and nothing is written
func TestOddNames(t *testing.T) {
	t.Parallel()
	e := newEnv(t, redistest.Shared(t).URL())
	w := e.workerOf(number)
	e.run(w)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Workers == 1 })
	keys := func() []string {
		all, err := e.do("KEYS", "*").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(key string) bool { return !strings.Contains(key, e.namespace) })
	}
	before := keys()
	for _, name := range append([]string{""}, oddNames...) {
		opts := tasuki.Opts{Queue: name}
		entries := map[string]func() error{
			"Push": func() error { return e.client.Push(e.ctx, tasuki.Queue{Name: name}, []byte("x")) },
			"NewWorker": func() error {
				_, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: name}}})
				return err
			},
			"AddQueue":    func() error { return w.AddQueue(tasuki.Queue{Name: name}) },
			"RemoveQueue": func() error { return w.RemoveQueue(name) },
			"Cancel":      func() error { return e.client.Cancel(e.ctx, name+"/id") },
			"Queue":       func() error { _, err := e.inspector.Queue(e.ctx, name); return err },
			"Pause":       func() error { return e.inspector.Pause(e.ctx, name, "me") },
			"Resume":      func() error { return e.inspector.Resume(e.ctx, name) },
			"Revive":      func() error { _, err := e.inspector.Revive(e.ctx, name); return err },
		}
		if name != "" { // which is the default
			entries["Enqueue"] = func() error { _, err := number.With(opts).Enqueue(e.ctx, e.client, 1); return err }
			entries["EnqueueMany"] = func() error {
				_, err := e.client.EnqueueMany(e.ctx, []tasuki.Spec{number.With(opts).Spec(1)})
				return err
			}
		}
		if strings.Contains(name, "/") {
			delete(entries, "Cancel") // of another queue, and an id with a slash
		}
		for entry, f := range entries {
			err := f()
			if err == nil {
				t.Errorf("%s takes %q", entry, name)
				continue
			}
			if text := err.Error(); len(text) > 600 || strings.ContainsAny(text, "\x00\n\x1b\u202e") {
				t.Errorf("%s of %q: the error is long or has control characters: %.300q", entry, name, text)
			}
		}
	}
	for _, list := range []string{"", "a}b", "{a}b}", e.namespace + ":x", strings.Repeat("x", 600)} {
		if list == "{a}b}" {
			continue // {a} is its tag
		}
		if err := w.AddQueue(tasuki.Queue{List: list, Weight: 0}); err == nil {
			t.Errorf("AddQueue takes the list %q", list)
		}
	}
	if after := keys(); !slices.Equal(slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(after))) {
		t.Errorf("keys: %q, then %q", before, after)
	}
	// In the directory, where anybody can write, they are named and do no harm.
	e.do(append([]string{"SADD", e.namespace + ":queues"}, oddNames...)...)
	if _, err := number.Enqueue(e.ctx, e.client, 1); err != nil {
		t.Error(err)
	}
	e.settled("default", 1)
	problems, err := e.inspector.Check(e.ctx)
	if err != nil || len(problems) != len(oddNames) {
		t.Errorf("%d problems for %d names, %v", len(problems), len(oddNames), err)
	}
	e.do(append([]string{"SREM", e.namespace + ":queues"}, oddNames...)...)
}

// TestManyQueues has fifty thousand queues in the directory. The death of a worker is
// noticed and its jobs are put back as fast as ever, while the walk over all
// queues is under way.
//
//fault:data tens of thousands of queues are in the directory | jobs of a dead worker run again as fast as with few; what is slow is the walk over all, beside it
func TestManyQueues(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	e := newEnv(t, s.URL())
	const n = 50_000
	if err := e.do("EVAL", "for i = 1, tonumber(ARGV[1]) do redis.call('SADD', KEYS[1], 'many' .. i) end return 1", "1", e.namespace+":queues", fmt.Sprint(n)).Error(); err != nil {
		t.Fatal(err)
	}
	observer := e.worker(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "elsewhere"}}})
	e.run(observer)
	e.waitQueue("elsewhere", func(q inspect.Queue) bool { return q.Workers == 1 })
	p := e.startProcess(processConfig{Concurrency: 5, Do: "hold"})
	p.wait("up", 1)
	e.enqueue(number, 5)
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Running == 5 })
	walking := func() int64 {
		info, err := e.do("INFO", "commandstats").ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(info, "cmdstat_zrange:calls=")
		var calls int64
		fmt.Sscan(strings.SplitN(text, ",", 2)[0], &calls)
		return calls
	}
	redistest.WaitFor(t, "the walk over all queues", func() error {
		if calls := walking(); calls < 1000 {
			return fmt.Errorf("%d queues were looked at", calls)
		}
		return nil
	})
	p.kill()
	start := time.Now()
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Ready == 5 && q.Counts["crashed"] == 5 })
	took, walked := time.Since(start), walking()
	t.Logf("put back after %v, when %d of %d queues had been looked at", took, walked, n)
	if took > 15*time.Second || walked >= n {
		t.Errorf("it took %v, and the walk had seen %d", took, walked)
	}
	start = time.Now()
	if names, err := e.inspector.Names(e.ctx); err != nil || len(names) < n {
		t.Errorf("%d names, %v", len(names), err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the names took %v", took)
	}
	e.do("DEL", e.namespace+":queues") // the check at the end would look at each
	e.do("SADD", e.namespace+":queues", "elsewhere", "default")
}

package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func (e *env) why(address string) *inspect.Why {
	e.t.Helper()
	why, err := e.inspector.Why(e.t.Context(), address, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return why
}

// because looks why a job waits: the causes, in their order, and words of the first sentence.
// It returns the first reason.
func (e *env) because(address string, state tasuki.State, causes string, words ...string) inspect.Reason {
	e.t.Helper()
	why := e.why(address)
	var got []string
	for _, r := range why.Reasons {
		got = append(got, string(r.Cause))
		if r.Text == "" || !strings.HasSuffix(r.Text, ".") {
			e.t.Errorf("%s: %s: %q is no sentence", address, r.Cause, r.Text)
		}
	}
	if why.State != state || strings.Join(got, " ") != causes {
		e.t.Errorf("%s: %s %v, want %s %s: %+v", address, why.State, got, state, causes, why.Reasons)
	}
	for _, word := range words {
		if !strings.Contains(why.Reasons[0].Text, word) {
			e.t.Errorf("%s: %q lacks %q", address, why.Reasons[0].Text, word)
		}
	}
	return why.Reasons[0]
}

// TestWhyWaits: what waits without a worker, with the facts in fields. The same is said of
// a bare job and of a recorded one.
func TestWhyWaits(t *testing.T) {
	e := setup(t)
	e.whyWaits()
}

// TestWhyWaitsEmbedded is TestWhyWaits on the embedded server.
func TestWhyWaitsEmbedded(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	on(t, s.URL()).whyWaits()
}

func (e *env) whyWaits() {
	t := e.t
	e.many()
	for _, suffix := range []string{"-bare", "-rec"} {
		if r := e.because("default/scheduled"+suffix, tasuki.StateScheduled, "scheduled no_worker", "It is scheduled for 20"); time.Until(r.Until) < 50*time.Minute || time.Until(r.Until) > time.Hour {
			t.Errorf("until %v", r.Until)
		}
		if r := e.because("default/retry"+suffix, tasuki.StateRetry, "retry no_worker", "Attempt 1 has failed: the server is away. It is tried again at 20"); r.Attempt != 1 || r.Error != "the server is away" || time.Until(r.Until) < 50*time.Minute {
			t.Errorf("%+v", r)
		}
		if r := e.because("default/dead"+suffix, tasuki.StateDead, "ended", "It is dead since 20", "the address is wrong. It runs again when somebody revives it."); r.Error != "the address is wrong" || time.Since(r.Since) > time.Minute {
			t.Errorf("%+v", r)
		}
		e.because("default/ready"+suffix, tasuki.StateReady, "no_worker line", "No worker serves the queue default.")
	}
	e.because("default/done-rec", tasuki.StateDone, "ended", "It is done since 20")
	r := e.because("default/done-bare", "", "not_found", "It is not in the queue, and has no record. The queue has had it", "remembers that it came in at 20")
	if time.Since(r.Since) > time.Minute {
		t.Errorf("%+v", r)
	}
	e.because("default/never", "", "not_found", "or was never there: an id is 26 characters long")
	e.because("nothing/x", "", "not_found", "The queue nothing was never used")
	made := inspectID(t, e)
	if r := e.because("default/"+made, "", "not_found", "By its id it was made at 20"); time.Since(r.Since) > time.Minute {
		t.Errorf("%+v", r)
	}
	if err := e.inspector.Pause(t.Context(), "default", "ann@host"); err != nil {
		t.Fatal(err)
	}
	r = e.because("default/ready-rec", tasuki.StateReady, "paused no_worker line", "The queue default is paused by ann@host since 20")
	if r.By != "ann@host" || time.Since(r.Since) > time.Minute || !r.Until.IsZero() {
		t.Errorf("%+v", r)
	}
	e.because("default/scheduled-bare", tasuki.StateScheduled, "scheduled paused no_worker")
	if err := e.inspector.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	line := e.why("default/ready-rec").Reasons[1]
	if line.Line == nil || line.Line.Place != 2 || line.Line.Length != 3 || !maps.Equal(line.Line.Kinds, map[string]int{"number": 1}) || line.Text != "It is number 2 of 3 in the queue. Before it: 1 number." {
		t.Errorf("%+v", line)
	}

	// What was read already is not looked for, and what is known of workers is not asked.
	j, err := e.inspector.Job(t.Context(), "default/ready-bare")
	if err != nil {
		t.Fatal(err)
	}
	given := &inspect.WhyConfig{Job: &j, Workers: []inspect.Worker{}}
	if why, err := e.inspector.Why(t.Context(), "default/ready-bare", given); err != nil || why.State != tasuki.StateReady || why.Reasons[1].Line.Place != 1 {
		t.Errorf("%+v, %v", why, err)
	}
	for address, want := range map[string]string{"x": "allowed is QUEUE/ID", "a b/x": `"a b"`, "list:/x": "the key of the list is missing"} {
		if _, err := e.inspector.Why(t.Context(), address, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}

// inspectID is an id as the library makes it, of a job that has gone.
func inspectID(t *testing.T, e *env) string {
	t.Helper()
	info, err := kind.With(tasuki.Opts{In: time.Hour}).Enqueue(t.Context(), e.client, 1)
	if err != nil {
		t.Fatal(err)
	}
	j, err := e.inspector.Job(t.Context(), info.Address())
	if err == nil {
		err = e.inspector.Act(t.Context(), inspect.Remove, j)[0]
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.ID
}

// TestWhyTimes: deadline, expiry, snooze and an unknown kind.
func TestWhyTimes(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "limited", Record: true, In: time.Minute, ExpireIn: time.Hour, Deadline: time.Now().Add(2 * time.Hour)}).Spec(1))
	e.because("default/limited", tasuki.StateScheduled, "scheduled no_worker expires deadline")
	why := e.why("default/limited")
	if at := why.Reasons[2].Until; time.Until(at) < 50*time.Minute || time.Until(at) > time.Hour {
		t.Errorf("expires at %v", at)
	}
	if at := why.Reasons[3].Until; time.Until(at) < 110*time.Minute || time.Until(at) > 2*time.Hour {
		t.Errorf("the deadline is %v", at)
	}
	e.put(kind.With(tasuki.Opts{ID: "snoozed", Record: true}).Spec(1))
	e.put(tasuki.Define[int]("stranger").With(tasuki.Opts{ID: "unknown"}).Spec(1))
	w, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tasuki.Handle(w, kind, func(context.Context, *tasuki.Job[int]) error { return tasuki.Snooze(time.Hour) })
	stop := redistest.Run(t, w.Run)
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["snooze"] == 1 && q.Counts["unknown"] >= 4 && q.Retry == 2 })
	r := e.because("default/unknown", tasuki.StateRetry, "unknown_kind no_handler", "A worker without a handler for its kind has put it back", "It is dead if none has taken it by 20")
	if time.Since(r.Since) > time.Minute || time.Until(r.Until) > 30*time.Second {
		t.Errorf("%+v", r)
	}
	e.because("default/snoozed", tasuki.StateRetry, "retry", "It was put off")
	stop()
}

// TestWhyWorkers: slots, handlers, and workers that take no more.
func TestWhyWorkers(t *testing.T) {
	e := setup(t)
	h, runs, let := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{Concurrency: 2}, h)
	for _, id := range []string{"a", "b"} {
		e.put(kind.With(tasuki.Opts{ID: id, Record: id == "b", Timeout: time.Hour}).Spec(1))
		<-runs
	}
	e.put(kind.With(tasuki.Opts{ID: "first"}).Spec(1))
	e.put(tasuki.Define[int]("other").With(tasuki.Opts{ID: "second", Record: true}).Spec(1))
	r := e.because("default/second", tasuki.StateReady, "slots_busy line", "1 worker serves the queue default, and all their slots are busy: 2 of 2. The oldest of these jobs is default/a (number), since 20")
	if r.Slots != 2 || r.Busy != 2 || !maps.Equal(r.Kinds, map[string]int{"number": 2}) || r.Oldest.ID != "a" || len(r.Workers) != 1 || r.Workers[0].State != inspect.WorkerRunning {
		t.Errorf("%+v", r)
	}
	if line := e.why("default/second").Reasons[1].Line; line.Place != 2 || line.Length != 2 || line.Kinds["number"] != 1 {
		t.Errorf("%+v", line)
	}
	host, _ := os.Hostname()
	place := fmt.Sprintf("%s:%d", host, os.Getpid())
	for _, id := range []string{"a", "b"} {
		causes := map[string]string{"a": "running timeout", "b": "running timeout"}[id]
		if r := e.because("default/"+id, tasuki.StateRunning, causes, "It runs on "+place+" since 20"); time.Since(r.Since) > time.Minute || r.Workers[0].Place != place {
			t.Errorf("%+v", r)
		}
	}
	if errs := e.inspector.Quiet(t.Context(), e.workers(answered(1))[0].ID); errs[0] != nil {
		t.Fatal(errs[0])
	}
	e.because("default/first", tasuki.StateReady, "workers_quiet line", "1 worker serves the queue default and is quiet or stopping")
	close(let)
	e.workers(func(all []inspect.Worker) bool { return answered(1)(all) && all[0].Busy == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	e.because("default/first", tasuki.StateReady, "no_worker line")
	e.settle(4, func(context.Context, *tasuki.RawJob) error { return nil })
}

// TestWhyKeys: who has the uniqueness key, and what that one does.
func TestWhyKeys(t *testing.T) {
	e := setup(t)
	h, runs, let := blocked()
	stop, ended := e.begin(tasuki.WorkerConfig{Concurrency: 5}, h)
	k := kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueRunning, Key: "x"}})
	for _, id := range []string{"one", "two", "three"} {
		e.put(k.With(tasuki.Opts{ID: id}).Spec(1))
		if id == "one" {
			<-runs
		}
	}
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["parked"] == 2 })
	e.put(k.With(tasuki.Opts{ID: "later", In: time.Hour}).Spec(1))
	r := e.because("default/two", tasuki.StateParked, "parked", "It is set aside until default/one has ended, which has the same uniqueness key and is running on ")
	if r.Other.Address != "default/one" || r.Other.Kind != "number" || r.Other.State != tasuki.StateRunning || time.Since(r.Since) > time.Minute || r.Line.Length != 2 {
		t.Errorf("%+v %+v", r, r.Other)
	}
	places := []int64{r.Line.Place, e.why("default/three").Reasons[0].Line.Place}
	if places[0]+places[1] != 3 {
		t.Errorf("the places are %v", places)
	}
	e.because("default/later", tasuki.StateScheduled, "scheduled key_runs")
	if err := e.client.Cancel(t.Context(), "default/later"); err != nil {
		t.Fatal(err)
	}
	close(let)
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["done"] == 3 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	// A dead one, whose key another has by now.
	d := kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueUntilDone, Key: "y"}})
	e.put(d.With(tasuki.Opts{ID: "buried"}).Spec(1))
	stop2 := e.work(func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	e.wait("default", func(q inspect.Queue) bool { return q.Dead == 1 })
	stop2()
	e.put(d.With(tasuki.Opts{ID: "heir"}).Spec(1))
	e.because("default/buried", tasuki.StateDead, "ended locked")
	if other := e.why("default/buried").Reasons[1].Other; other.Address != "default/heir" || other.State != tasuki.StateReady {
		t.Errorf("%+v", other)
	}
}

// TestWhyMoved: an old address leads on, and a move that was cut is told.
func TestWhyMoved(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true, Keep: -1}).Spec(1))
	if _, err := e.client.Move(t.Context(), "default/a", "bulk"); err != nil {
		t.Fatal(err)
	}
	if why := e.why("default/a"); why.Address != "bulk/a" || why.State != tasuki.StateReady || why.Reasons[len(why.Reasons)-1].From != "default/a" {
		t.Errorf("%+v", why)
	}
	e.because("default/a", tasuki.StateReady, "no_worker line moved")
	if err := e.client.Remove(t.Context(), "bulk/a"); err != nil {
		t.Fatal(err)
	}
	if r := e.because("default/a", "", "not_found", "It was moved to bulk/a, and has ended since"); r.To != "bulk/a" {
		t.Errorf("%+v", r)
	}
	e.put(kind.With(tasuki.Opts{ID: "cut", Record: true}).Spec(1))
	e.do("HSET", "%s:{default}:rec:cut", "state", "parked", "to", "bulk/cut")
	if r := e.because("default/cut", tasuki.StateParked, "leaving", "It is on its way to bulk/cut"); r.To != "bulk/cut" {
		t.Errorf("%+v", r)
	}
	e.do("HSET", "%s:{default}:rec:cut", "state", "ready")
	e.do("HDEL", "%s:{default}:rec:cut", "to")
	e.do("RENAME", "%s:{default}:rec:cut", "%s:{default}:rec:other")
	e.because("default/cut", tasuki.StateReady, "record_gone")
	e.do("RENAME", "%s:{default}:rec:other", "%s:{default}:rec:cut")
}

// TestWhySuspect: two processes have died of it.
func TestWhySuspect(t *testing.T) {
	e := setup(t)
	e.enqueue("normal")
	e.do("RPUSH", "%s:{default}:suspect", `{"id":"s","kind":"number","crashes":2,"hosts":["h1:1","h2:2"],"token":"t","args":1}`)
	e.because("default/s", tasuki.StateSuspect, "no_worker suspect line")
	r := e.why("default/s").Reasons[1]
	if r.Crashes != 2 || strings.Join(r.Hosts, " ") != "h1:1 h2:2" || !strings.Contains(r.Text, "2 processes have died while they ran it (h1:1, h2:2)") {
		t.Errorf("%+v", r)
	}
	if line := e.why("default/normal").Reasons[1].Line; line.Suspects != 1 || line.Place != 1 {
		t.Errorf("%+v", line)
	}
}

// TestWhyForeign: the list of another program.
func TestWhyForeign(t *testing.T) {
	e := setup(t)
	list := e.namespace + "/jobs"
	for _, id := range []string{"a", "b"} {
		e.do("RPUSH", list, fmt.Sprintf(`{"id":%q,"kind":"number","args":1}`, id))
	}
	e.because("list:"+list+"/b", tasuki.StateReady, "no_worker foreign")
	if r := e.why("list:" + list + "/b").Reasons[1]; r.Line.Place != 2 || !strings.Contains(r.Text, "It is number 2 of 2 from the left") {
		t.Errorf("%+v", r)
	}
	e.do("DEL", list)
}

// TestWhyHeld: what a worker that was killed had.
func TestWhyHeld(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "bare"}).Spec(1))
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), workerEnv+"="+e.server.As(t, "worker", e.namespace)+" "+e.namespace)
	var out redistest.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended, or the test has failed
	redistest.WaitFor(t, "the job to run", func() error {
		if !strings.Contains(out.String(), "holds") {
			return errors.New(out.String())
		}
		return nil
	})
	e.put(kind.With(tasuki.Opts{ID: "next"}).Spec(1))
	e.because("default/bare", tasuki.StateRunning, "running", fmt.Sprintf(":%d since 20", cmd.Process.Pid))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	r := e.because("default/bare", tasuki.StateRunning, "worker_unheard", "has not beaten for 2.5s", "No other is there to put the job back: start one.")
	if r.Workers[0].State != inspect.WorkerUnheard || !r.Until.IsZero() {
		t.Errorf("%+v", r)
	}
	// The killed one may have got the next too.
	if why := e.why("default/next"); why.State == tasuki.StateReady && why.Reasons[0].Cause != inspect.CauseUnheard {
		t.Errorf("%+v", why.Reasons)
	}
	e.do("HDEL", "%s:workers", r.Workers[0].ID)
	e.do("HDEL", "%s:workers:info", r.Workers[0].ID)
	e.because("default/bare", tasuki.StateRunning, "worker_gone", "is in no list any more, and no other is there")
}

// TestWhyCancel: somebody has asked a job to end that does not heed it.
func TestWhyCancel(t *testing.T) {
	e := setup(t)
	runs, let := make(chan bool), make(chan bool)
	stop := e.work(func(context.Context, *tasuki.RawJob) error { runs <- true; <-let; return nil })
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	<-runs
	if err := e.client.Cancel(t.Context(), "default/a"); err != nil {
		t.Fatal(err)
	}
	e.because("default/a", tasuki.StateRunning, "running cancel_asked")
	close(let)
	stop()
}

// TestWhyLong: a job in a long list is found without reading all of it.
func TestWhyLong(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t) // of its own, as the script holds it up
	e := on(t, s.URL())
	e.server = s
	// Ids as the library makes them, of one each ms; every tenth was put back and lies among younger ones.
	const fill = `
local alphabet, base = '0123456789abcdefghjkmnpqrstvwxyz', 1700000000000
for i = tonumber(ARGV[1]) + 1, tonumber(ARGV[1]) + 10000 do
  local ms, id = base + i, ''
  if i % 10 == 0 then ms = base end
  for _ = 1, 10 do
    local digit = ms % 32
    id = string.sub(alphabet, digit + 1, digit + 1) .. id
    ms = (ms - digit) / 32
  end
  id = id .. string.format('%016d', i)
  if i % 2 == 0 then
    redis.call('RPUSH', KEYS[1], '{"id":"' .. id .. '","kind":"long","enqueued_at":' .. (base + i) .. ',"args":1}')
  else
    redis.call('RPUSH', KEYS[1], '{"id":"' .. id .. '","rec":1}')
  end
end`
	for from := 0; from < 150_000; from += 10_000 {
		e.do("EVAL", fill, "1", "%s:{default}", strconv.Itoa(from))
	}
	e.do("SADD", "%s:queues", "default")
	defer e.do("DEL", "%s:{default}")
	id := func(i int64) string {
		var all []byte
		for ms := 1700000000000 + i; len(all) < 10; ms /= 32 {
			all = append([]byte{"0123456789abcdefghjkmnpqrstvwxyz"[ms%32]}, all...)
		}
		return fmt.Sprintf("%s%016d", all, i)
	}
	for _, i := range []int64{1002, 9998, 40002, 74996, 110008, 149002} { // bare ones
		why := e.why("default/" + id(i))
		if why.State != tasuki.StateReady || why.Reasons[1].Line.Place != i || why.Reasons[1].Line.Length != 150_000 {
			t.Errorf("%d: %+v", i, why)
		}
	}
	// Recorded ones, beyond what is compared from either end.
	for _, i := range []int64{7, 60_001, 74_999, 149_999} {
		e.do("HSET", "%s:{default}:rec:"+id(i), "gen", "1", "state", "ready", "job", fmt.Sprintf(`{"kind":"long","enqueued_at":%d,"args":1}`, 1700000000000+i))
		if why := e.why("default/" + id(i)); why.Reasons[1].Line.Place != i {
			t.Errorf("%d: %+v", i, why.Reasons)
		}
		e.do("DEL", "%s:{default}:rec:"+id(i))
	}
	// One that lies where nobody looks: what is known is said.
	r := e.because("default/somewhere", "", "not_found", "not among the first and the last 10000 jobs of each state")
	if !r.Since.IsZero() {
		t.Errorf("%+v", r)
	}
	e.do("LSET", "%s:{default}", "75000", `{"id":"somewhere","rec":1}`)
	e.do("HSET", "%s:{default}:rec:somewhere", "gen", "1", "state", "ready", "job", `{"kind":"long","args":1}`)
	e.because("default/somewhere", tasuki.StateReady, "no_worker line")
	if r := e.why("default/somewhere").Reasons[1]; r.Line.Place != 0 || r.Line.Looked != 50_000 || !strings.Contains(r.Text, "It is not among the first and the last 50000 of 150000") {
		t.Errorf("%+v", r)
	}
	e.do("DEL", "%s:{default}:rec:somewhere")
}

package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// row is one proof while it runs.
type row struct {
	t     *testing.T
	name  string
	what  string
	scale float64
	seed  uint64
	rng   *rand.Rand // of the goroutine of the test alone; others take from fork
	dir   string
	// patience is how long a row waits for what must come in the end.
	patience time.Duration

	begun  time.Time
	commit string // and load of the machine, both at the beginning
	load   string

	mu      sync.Mutex
	sites   []*site
	figures []figure
	notes   []string
	server  []string // what describe found
}

// figure is a line of the report's table.
type figure struct {
	name, value, aim string
	missed           bool
}

// begin begins a row. It runs beside others, and its report is written when the test
// ends, whatever its outcome.
func begin(t *testing.T, name, what string) *row {
	t.Helper()
	t.Parallel()
	r := &row{t: t, name: name, what: what, scale: *scaleFlag, seed: *seedFlag, begun: time.Now(), commit: commit(), load: loadAverage(), patience: 5 * time.Minute}
	if r.seed == 0 {
		r.seed = uint64(rand.Uint32())
	}
	h := fnv.New64a()
	io.WriteString(h, name)
	r.rng = rand.New(rand.NewPCG(r.seed, h.Sum64()))
	t.Logf("seed %d: repeat it with %s", r.seed, r.command())
	r.dir = t.TempDir()
	if *ledgersFlag != "" {
		r.dir = filepath.Join(inCheckout(*ledgersFlag), fmt.Sprintf("%s-%d", name, r.seed))
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(r.finish)
	return r
}

// fork returns a source of randomness for another goroutine.
func (r *row) fork() *rand.Rand { return rand.New(rand.NewPCG(r.rng.Uint64(), r.rng.Uint64())) }

// sideBySide runs the parts of a row at the same time, each with randomness of its
// own. A part that fails at once has no verdict.
func (r *row) sideBySide(parts int, part func(i int, rng *rand.Rand) *verdict) []*verdict {
	verdicts := make([]*verdict, parts)
	var wg sync.WaitGroup
	for i := range parts {
		rng := r.fork()
		wg.Go(func() { verdicts[i] = part(i, rng) })
	}
	wg.Wait()
	return verdicts
}

// scaled is a full size at the scale of this run, and at least 1.
func (r *row) scaled(full int) int { return max(1, int(math.Round(float64(full)*r.scale))) }

// isFull tells whether this is not one of the small runs of every day.
func (r *row) isFull() bool { return r.scale >= 1 }

// note adds a sentence to the report.
func (r *row) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// figure adds a figure without an aim.
func (r *row) figure(name string, value any) { r.add(figure{name: name, value: show(value)}) }

// demand adds one whose aim is met or not: then the test fails.
func (r *row) demand(name string, value any, aim string, met bool) {
	r.t.Helper()
	r.add(figure{name, show(value), aim, !met})
	if !met {
		r.t.Errorf("%s: %s; the aim is %s", name, show(value), aim)
	}
}

// timing is demand for what a small run on a busy machine does not have to reach.
func (r *row) timing(name string, value time.Duration, aim time.Duration) {
	r.t.Helper()
	met := value <= aim
	r.add(figure{name, show(value), "at most " + show(aim), !met})
	switch {
	case met:
	case r.isFull():
		r.t.Errorf("%s: %v; the aim is %v", name, value, aim)
	default:
		r.t.Logf("%s: %v; the aim at full size is %v", name, value, aim)
	}
}

// none demands an empty list.
func (r *row) none(name string, list []string) {
	r.t.Helper()
	r.demand(name, len(list), "0", len(list) == 0)
	for _, text := range list[:min(len(list), 10)] {
		r.t.Errorf("%s: %s", name, text)
	}
}

func (r *row) add(f figure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures = append(r.figures, f)
	r.t.Logf("%s: %s", f.name, f.value)
}

func show(value any) string {
	switch v := value.(type) {
	case time.Duration:
		if v < 10*time.Second {
			return v.Round(time.Millisecond).String()
		}
		return v.Round(100 * time.Millisecond).String()
	case int:
		return thousands(int64(v))
	case int64:
		return thousands(v)
	}
	return fmt.Sprint(value)
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// judged adds the figures of verdicts, one for each site, and demands what every row
// has to hold. It returns their sum.
func (r *row) judged(all ...*verdict) *verdict {
	r.t.Helper()
	sum := &verdict{}
	for _, v := range all {
		if v == nil {
			r.t.Fatal("a part of the row has not come to its end")
		}
		sum.add(v)
	}
	r.figure("jobs", sum.Jobs)
	if sum.Uncertain > 0 {
		r.figure("of these never known to be in or not", sum.Uncertain)
	}
	r.figure("done", sum.Done)
	r.figure("runs", sum.Runs)
	if sum.extra() > 0 || sum.Kills > 0 {
		r.figure("runs above one for each job", sum.extra())
		r.figure("of these cut by a kill", sum.Cut)
		r.figure("of these ended, but killed before that was written", sum.Unsettled)
	}
	if sum.Stale > 0 {
		r.figure("of these of workers that were frozen or cut off too long", sum.Stale)
		r.figure("of these ended after the job had begun elsewhere", sum.StaleEnds)
	}
	for _, list := range sum.mustBeEmpty() {
		r.none(list.name, list.texts)
	}
	if len(sum.Recovery) > 0 {
		r.figure("from a kill to the next start, p50", quantiles(sum.Recovery, 0.5)[0])
	}
	return sum
}

func (v *verdict) add(w *verdict) {
	v.Jobs += w.Jobs
	v.Accepted += w.Accepted
	v.Uncertain += w.Uncertain
	v.Done += w.Done
	v.Dead += w.Dead
	v.Full += w.Full
	v.Runs += w.Runs
	v.Kills += w.Kills
	v.Lost = append(v.Lost, w.Lost...)
	v.Phantom = append(v.Phantom, w.Phantom...)
	v.Homeless = append(v.Homeless, w.Homeless...)
	v.Fencing = append(v.Fencing, w.Fencing...)
	v.Counters = append(v.Counters, w.Counters...)
	v.Residue = append(v.Residue, w.Residue...)
	v.Problems = append(v.Problems, w.Problems...)
	v.Takeovers = append(v.Takeovers, w.Takeovers...)
	v.Strange = append(v.Strange, w.Strange...)
	v.Cut += w.Cut
	v.Unsettled += w.Unsettled
	v.Stale += w.Stale
	v.Released += w.Released
	v.StaleEnds += w.StaleEnds
	v.Cancelled += w.Cancelled
	v.Taken += w.Taken
	v.Recovery = append(v.Recovery, w.Recovery...)
}

// describe asks a server what it is, for the report.
func (r *row) describe(s *redistest.Server) {
	r.mu.Lock()
	known := r.server != nil
	r.mu.Unlock()
	if known {
		return
	}
	var words []string
	for _, name := range []string{"redis_version", "valkey_version"} {
		if v := s.Info(r.t, "server", name); v != "" {
			words = append(words, name+" "+v)
		}
	}
	for _, name := range []string{"appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save"} {
		words = append(words, fmt.Sprintf("%s %q", name, s.Config(r.t, name)))
	}
	r.mu.Lock()
	r.server = words
	r.mu.Unlock()
}

// command is how to do the same once more.
func (r *row) command() string {
	text := fmt.Sprintf("go test ./internal/proof -run '%s$' -proof.scale=%v -proof.seed=%d", r.t.Name(), r.scale, r.seed)
	if r.name == "soak" {
		text += " -proof.for=" + forFlag.String()
	}
	return text + " -timeout 12h"
}

// finish writes the report.
func (r *row) finish() {
	if *reportFlag == "" {
		return
	}
	dir := inCheckout(*reportFlag)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Error(err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, r.name+".md"), []byte(r.report()), 0o644); err != nil {
		r.t.Error(err)
	}
}

// report is the Markdown of what has happened.
func (r *row) report() string {
	var b strings.Builder
	verdict := "**All aims are met.**"
	if r.t.Failed() {
		verdict = "**Failed.**"
	}
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n\n", r.name, r.what, verdict)
	for _, note := range r.notes {
		fmt.Fprintf(&b, "- %s\n", note)
	}
	fmt.Fprintf(&b, "\n| figure | value | aim |\n|---|---:|---|\n")
	for _, f := range r.figures {
		aim := f.aim
		if f.missed {
			aim += " (**missed**)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, f.value, aim)
	}
	raced := ""
	if raceEnabled {
		raced = ", with the race detector"
	}
	fmt.Fprintf(&b, "\n| run | |\n|---|---|\n")
	for _, line := range [][2]string{
		{"date", r.begun.UTC().Format("2006-01-02 15:04 UTC") + ", took " + time.Since(r.begun).Round(time.Second).String()},
		{"commit", r.commit},
		{"seed", fmt.Sprint(r.seed)},
		{"scale", fmt.Sprint(r.scale)},
		{"server", strings.Join(r.server, ", ")},
		{"Go", fmt.Sprintf("%s %s/%s, %d CPUs%s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), raced)},
		{"load of the machine", fmt.Sprintf("%s at the beginning, %s at the end%s", r.load, loadAverage(), niceness())},
		{"ledgers", r.digest()},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", line[0], line[1])
	}
	fmt.Fprintf(&b, "\nRepeat it:\n\n    %s -proof.report=docs/proof\n", r.command())
	return b.String()
}

// digest is one sum over all ledgers of the row.
func (r *row) digest() string {
	sum, files, size := sha256.New(), 0, int64(0)
	err := filepath.WalkDir(r.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ledgerSuffix) {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(sum, f)
		files++
		size += n
		return err
	})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d files, %s bytes, sha256 %s", files, thousands(size), hex.EncodeToString(sum.Sum(nil)))
}

package proof

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// history is what the ledgers of a site say.
type history struct {
	jobs      []told // by number
	runs      []run
	processes map[string]*process
	workers   map[string]*process // by the id under which they were listed
	takeovers []takeover
	severed   []int64 // times at which connections of all were closed
	full      int     // tries that were answered with ErrFull
}

// told is what producers tried and were told of a job. A counter that is full stays
// so.
type told struct {
	pending   uint8 // tries without an answer
	accepted  uint8
	uncertain uint8
	refused   uint8
}

func (j *told) tried() bool { return j.pending|j.accepted|j.uncertain|j.refused != 0 }

// isDoubtful tells whether a try may have put the job in without saying so.
func (j *told) isDoubtful() bool { return j.uncertain > 0 || j.pending > 0 }

// run is one run of a handler.
type run struct {
	job     int
	serial  int64 // within its process
	process *process
	start   int64
	fence   int64 // -1 if it is not known
	end     int64 // 0 if it has none
	how     string
}

// process is a worker process and what was done to it.
type process struct {
	name   string
	killed int64 // 0: it was not
	down   int64 // Run has returned
	stops  []interval
	cuts   []interval
	gone   []int64

	absences []absence // in which it may be taken for dead: see absent
}

// interval is from one time to another; to is 0 while it lasts.
type interval struct{ from, to int64 }

// absence is when a process may be taken for dead, because of what began before.
type absence struct {
	began int64
	interval
}

// takeover is that a worker was taken for dead.
type takeover struct {
	worker string
	by     *process
	at     int64
}

func newHistory() *history {
	return &history{processes: map[string]*process{}, workers: map[string]*process{}}
}

func (h *history) process(name string) *process {
	p := h.processes[name]
	if p == nil {
		p = &process{name: name}
		h.processes[name] = p
	}
	return p
}

func (h *history) job(n int) *told {
	for n >= len(h.jobs) {
		h.jobs = append(h.jobs, make([]told, max(n+1-len(h.jobs), 1024))...)
	}
	return &h.jobs[n]
}

// readAll reads the ledgers of a directory.
func (h *history) readAll(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"+ledgerSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := h.read(name); err != nil {
			return err
		}
	}
	return nil
}

const ledgerSuffix = ".ledger"

// read reads one ledger; one that is not there is empty. A last line that is cut off
// counts for nothing: it was not written when its process died.
func (h *history) read(name string) error {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return h.readFrom(f, strings.TrimSuffix(filepath.Base(name), ledgerSuffix))
}

// readFrom reads the ledger of a process.
func (h *history) readFrom(ledger io.Reader, name string) error {
	p := h.process(name)
	open := map[int64]int{} // serial → index in runs
	r := bufio.NewReaderSize(ledger, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := h.line(p, open, bytes.Fields(line)); err != nil {
			return fmt.Errorf("%s:%d: %q: %w", name, n, line, err)
		}
	}
}

// line reads one line.
func (h *history) line(p *process, open map[int64]int, words [][]byte) error {
	bad := error(nil)
	number := func(i int) int64 {
		if i >= len(words) {
			bad = fmt.Errorf("it has %d words", len(words))
			return 0
		}
		n, err := strconv.ParseInt(string(words[i]), 10, 64)
		if err != nil {
			bad = err
		}
		return n
	}
	if len(words) < 2 {
		return fmt.Errorf("it has %d words", len(words))
	}
	switch verb, name := string(words[0]), string(words[1]); verb {
	case "try", "accepted", "uncertain", "refused", "full":
		for n := number(1); n < number(1)+number(2); n++ {
			h.job(int(n)).hear(verb)
		}
		if verb == "full" {
			h.full += int(number(2))
		}
	case "up", "fault":
		// They are for who reads the ledger.
	case "id":
		h.workers[name] = p
	case "start":
		open[number(1)] = len(h.runs)
		h.runs = append(h.runs, run{serial: number(1), job: int(number(2)), start: number(3), fence: -1, process: p})
	case "fence", "end":
		i, ok := open[number(1)]
		if !ok {
			return fmt.Errorf("run %s has not begun", name)
		}
		if verb == "fence" {
			h.runs[i].fence = number(2)
			break
		}
		h.runs[i].end = number(2)
		if len(words) > 3 {
			h.runs[i].how = string(words[3])
		}
		delete(open, number(1))
	case "took":
		h.takeovers = append(h.takeovers, takeover{worker: name, by: p, at: number(2)})
	case "gone":
		p.gone = append(p.gone, number(1))
	case "down":
		p.down = number(1)
	case "exit":
		p.killed = number(1)
	case "kill":
		h.process(name).killed = number(2)
	case "stop":
		victim := h.process(name)
		victim.stops = append(victim.stops, interval{from: number(2)})
	case "cont":
		end(h.process(name).stops, number(2))
	case "cut":
		victim := h.process(name)
		victim.cuts = append(victim.cuts, interval{from: number(2)})
	case "sever":
		h.severed = append(h.severed, number(1))
	case "heal":
		end(h.process(name).cuts, number(2))
	default:
		return fmt.Errorf("%q is not known", verb)
	}
	return bad
}

// end ends the last interval.
func end(all []interval, at int64) {
	if len(all) > 0 && all[len(all)-1].to == 0 {
		all[len(all)-1].to = at
	}
}

// hear takes in one line of a producer.
func (j *told) hear(verb string) {
	count := func(n *uint8) {
		if *n < 255 {
			*n++
		}
	}
	if verb == "try" {
		count(&j.pending)
		return
	}
	if j.pending > 0 {
		j.pending--
	}
	switch verb {
	case "accepted":
		count(&j.accepted)
	case "uncertain":
		count(&j.uncertain)
	default:
		count(&j.refused)
	}
}

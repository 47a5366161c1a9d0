package cron_test

import (
	"archive/zip"
	"flag"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
)

var zonesReport = flag.String("cron.report", "", "compare the runs of every zone from 2016 to 2036, and write a report to this directory")

// sample is an expression, and once more what it means, said without the parser:
// which days, hours and minutes match.
type sample struct {
	expr   string
	wild   bool
	day    func(d civil) bool
	hour   func(h int) bool
	minute func(m int) bool
}

// civil is a day of the calendar.
type civil struct {
	month   time.Month
	date    int
	days    int // of the month
	weekday time.Weekday
}

func anyDay(civil) bool { return true }
func anyOf(int) bool    { return true }

func one(numbers ...int) func(int) bool {
	return func(n int) bool { return slices.Contains(numbers, n) }
}

func each(n int) func(int) bool { return func(m int) bool { return m%n == 0 } }

func workday(d civil) bool { return d.weekday != time.Saturday && d.weekday != time.Sunday }

var samples = []sample{
	{"* * * * *", true, anyDay, anyOf, anyOf},
	{"*/15 * * * *", true, anyDay, anyOf, each(15)},
	{"0 * * * *", true, anyDay, anyOf, one(0)},
	{"30 */2 * * *", true, anyDay, each(2), one(30)},
	{"*/20 1-3 * * *", true, anyDay, one(1, 2, 3), each(20)},
	{"7 * 31 * *", true, func(d civil) bool { return d.date == 31 }, anyOf, one(7)},
	{"0 0 * * *", false, anyDay, one(0), one(0)},
	{"30 2 * * *", false, anyDay, one(2), one(30)},
	{"0,30 2,3 * * *", false, anyDay, one(2, 3), one(0, 30)},
	{"15,45 0,1,22-23 * * *", false, anyDay, one(0, 1, 22, 23), one(15, 45)},
	{"0-59 0-23 * * *", false, anyDay, anyOf, anyOf},
	{"59 23 * * *", false, anyDay, one(23), one(59)},
	{"0 9 * * MON-FRI", false, workday, one(9), one(0)},
	{"30 1 * * 7", false, func(d civil) bool { return d.weekday == time.Sunday }, one(1), one(30)},
	{"0 3 1,15 * FRI", false, func(d civil) bool { return d.date == 1 || d.date == 15 || d.weekday == time.Friday }, one(3), one(0)},
	{"0 0 */2 * MON", false, func(d civil) bool { return d.date%2 == 1 && d.weekday == time.Monday }, one(0), one(0)},
	{"45 23 L * *", false, func(d civil) bool { return d.date == d.days }, one(23), one(45)},
	{"0 0 L-3 JAN-jun ?", false, func(d civil) bool { return d.date == d.days-3 && d.month <= time.June }, one(0), one(0)},
	{"10 2 LW * *", false, func(d civil) bool {
		return workday(d) && (d.date == d.days || d.weekday == time.Friday && d.date >= d.days-2)
	}, one(2), one(10)},
	{"5 1 15W * *", false, func(d civil) bool {
		return workday(d) && (d.date == 15 || d.date == 14 && d.weekday == time.Friday || d.date == 16 && d.weekday == time.Monday)
	}, one(1), one(5)},
	{"30 2 * 3,11 SUN#2", false, func(d civil) bool {
		return (d.month == time.March || d.month == time.November) && d.weekday == time.Sunday && d.date > 7 && d.date <= 14
	}, one(2), one(30)},
	{"0 1,2 * * SUNL", false, func(d civil) bool { return d.weekday == time.Sunday && d.date+7 > d.days }, one(1, 2), one(0)},
	{"0 2 29 2 *", false, func(d civil) bool { return d.month == time.February && d.date == 29 }, one(2), one(0)},
}

// group is zones whose clocks show the same all the time.
type group struct {
	names   []string
	zone    *time.Location
	changes []time.Time // the first minute of another offset
}

// allZones returns the zones of the database that Go has, grouped by what their
// clocks show in a time.
func allZones(t *testing.T, from, to time.Time) []*group {
	t.Helper()
	archive, err := zip.OpenReader(filepath.Join(build.Default.GOROOT, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var groups []*group
	same := map[string]*group{}
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		zone, err := time.LoadLocation(file.Name)
		if err != nil {
			t.Fatal(err)
		}
		g := &group{zone: zone}
		sign := ""
		for at := from; at.Before(to); {
			_, offset := at.In(zone).Zone()
			sign += fmt.Sprint(at.Unix(), offset, " ")
			for next := offset; next == offset && at.Before(to); _, next = at.In(zone).Zone() {
				_, end := at.In(zone).ZoneBounds()
				if end.IsZero() {
					end = to
				}
				if !end.After(at) { // the last day of a leap year
					end = at.Add(24 * time.Hour)
				}
				at = end
			}
			if at.Before(to) {
				g.changes = append(g.changes, at)
			}
		}
		if same[sign] == nil {
			same[sign] = g
			groups = append(groups, g)
		}
		same[sign].names = append(same[sign].names, file.Name)
	}
	if len(groups) < 50 {
		t.Fatalf("only %d zones that differ", len(groups))
	}
	return groups
}

// scanner compares Next with what a scan over the minutes says of one zone.
type scanner struct {
	*group
	near      time.Duration // to a change, where every minute is a probe
	schedules []*cron.Schedule
	days      []bool        // by sample: today matches
	last      []time.Time   // by sample: the last run
	probes    [][]time.Time // by sample: other times since then, whose next run is the same
	runs      []int
	probed    int
	wrong     []string
}

// newScanner parses the samples.
func newScanner(t *testing.T, g *group) *scanner {
	t.Helper()
	s := &scanner{group: g, days: make([]bool, len(samples)), last: make([]time.Time, len(samples)), probes: make([][]time.Time, len(samples)), runs: make([]int, len(samples))}
	for _, sample := range samples {
		schedule, err := cron.Parse(sample.expr, g.names[0], "")
		if err != nil {
			t.Fatal(err)
		}
		s.schedules = append(s.schedules, schedule)
	}
	return s
}

// minuteOf numbers the minutes that a clock can show.
func minuteOf(t time.Time) int64 {
	year, month, date := t.Date()
	hour, minute, _ := t.Clock()
	return time.Date(year, month, date, hour, minute, 0, 0, time.UTC).Unix() / 60
}

// scan goes from minute to minute and looks at the clock. What an entry with fixed
// times is due for are the minutes that the clock has not shown before: the one it
// shows now, and those that it has just left out, but for days that it has left out
// as a whole. One with wildcards is due whenever the minute matches.
func (s *scanner) scan(from, to time.Time) {
	for i := range samples {
		s.last[i], s.probes[i] = from.Add(-time.Second), nil
	}
	greatest := minuteOf(from.Add(-time.Minute).In(s.zone))
	for at := from.Add(-48 * time.Hour); at.Before(from); at = at.Add(time.Minute) {
		greatest = max(greatest, minuteOf(at.In(s.zone)))
	}
	today := int64(-1)
	var due [64]bool
	match := func(minute int64, wild, fixed bool) {
		if n := minute / (24 * 60); n != today {
			today = n
			d := time.Unix(minute*60, 0).UTC()
			day := civil{d.Month(), d.Day(), d.AddDate(0, 1, -d.Day()).Day(), d.Weekday()}
			for i, sample := range samples {
				s.days[i] = sample.day(day)
			}
		}
		h, m := int(minute/60%24), int(minute%60)
		for i := range samples {
			if sample := &samples[i]; s.days[i] && (sample.wild && wild || !sample.wild && fixed) && sample.minute(m) && sample.hour(h) {
				due[i] = true
			}
		}
	}
	change := 0
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		now := minuteOf(at.In(s.zone))
		for left := greatest + 1; left < now; left++ {
			midnight := left - left%(24*60)
			whole := midnight > greatest && midnight+24*60 <= now
			match(left, false, !whole)
		}
		match(now, true, now > greatest)
		greatest = max(greatest, now)
		for i := range samples {
			if due[i] {
				s.run(i, at)
				due[i] = false
			}
		}
		for change < len(s.changes) && at.After(s.changes[change].Add(s.near)) {
			change++
		}
		if change < len(s.changes) && at.After(s.changes[change].Add(-s.near)) || at.Unix()%(60*1009) == 0 {
			for i := range samples {
				s.probes[i] = append(s.probes[i], at, at.Add(59*time.Second+999*time.Millisecond))
			}
		}
	}
	for i := range samples {
		if next := s.schedules[i].Next(s.last[i]); !next.IsZero() && next.Before(to) {
			s.differ(i, s.last[i], next, to)
		}
	}
}

// run notes that an entry is due.
func (s *scanner) run(i int, at time.Time) {
	s.runs[i]++
	for _, after := range append(s.probes[i], s.last[i]) {
		if next := s.schedules[i].Next(after); !next.Equal(at) {
			s.differ(i, after, next, at)
		}
	}
	s.probed += len(s.probes[i])
	s.probes[i], s.last[i] = s.probes[i][:0], at
}

func (s *scanner) differ(i int, after, next, at time.Time) {
	s.wrong = append(s.wrong, fmt.Sprintf("%s: Next(%s) is %s, and by the minutes %s", s.schedules[i], after.In(s.zone).Format(time.RFC3339), next.Format(time.RFC3339), at.In(s.zone).Format(time.RFC3339)))
}

// TestZones compares Next with a scan over the minutes, in every zone: in two days
// around some of the changes of its clocks, and with -cron.report at all times.
func TestZones(t *testing.T) {
	t.Parallel()
	from, to := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	begin := time.Now()
	groups := allZones(t, from, to)
	var mu sync.Mutex
	total := &scanner{group: &group{}, runs: make([]int, len(samples))}
	work := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for n := range work {
				s := newScanner(t, groups[n])
				if *zonesReport != "" {
					s.near = 26 * time.Hour
					s.scan(from, to)
				} else {
					s.near = 2 * time.Hour
					for i := n % 23; i < len(s.changes); i += 23 {
						s.scan(s.changes[i].Add(-27*time.Hour), s.changes[i].Add(27*time.Hour))
					}
				}
				mu.Lock()
				for i := range samples {
					total.runs[i] += s.runs[i]
				}
				total.probed += s.probed
				total.names = append(total.names, s.names...)
				total.changes = append(total.changes, s.changes...)
				total.wrong = append(total.wrong, s.wrong...)
				mu.Unlock()
			}
		})
	}
	for n := range groups {
		work <- n
	}
	close(work)
	workers.Wait()
	for i, wrong := range total.wrong {
		if i < 20 {
			t.Error(wrong)
		}
	}
	if len(total.wrong) > 20 {
		t.Errorf("and %d more", len(total.wrong)-20)
	}
	all := 0
	for _, n := range total.runs {
		all += n
	}
	t.Logf("%d zones, %d that differ, %d changes, %d runs, %d other times, in %v", len(total.names), len(groups), len(total.changes), all, total.probed, time.Since(begin).Round(time.Second/10))
	if all < 100_000 {
		t.Errorf("only %d runs were compared", all)
	}
	if *zonesReport != "" {
		if err := os.WriteFile(filepath.Join(*zonesReport, "cron-zones.md"), []byte(zonesPage(groups, total, time.Since(begin))), 0o666); err != nil {
			t.Error(err)
		}
	}
}

// zonesPage is what docs/proof/cron-zones.md says.
func zonesPage(groups []*group, total *scanner, took time.Duration) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	commit := "unknown"
	if out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	all := 0
	for _, n := range total.runs {
		all += n
	}
	line("# Cron in every time zone\n")
	line("Written by `TestZones` of `cron`, at commit `%s`. To repeat it: `make cron-zones`.\n", commit)
	line("The test goes through every minute of UTC from 2016 to the end of 2035, and looks at the clock of a zone. By that alone it")
	line("says when an entry runs: what each expression means is written down beside it once more, as plain conditions, and nothing is")
	line("shared with the parser or with `Next`. For each run, `Next` of the run before has to be that one. Near a change of the clocks")
	line("(26 hours before and after) so has `Next` of both ends of every minute, and elsewhere of one minute in 1,009.\n")
	line("| | |\n|---|---:|")
	line("| zones of the IANA database that Go has (%s) | %d |", runtime.Version(), len(total.names))
	line("| of these, whose clocks show another time than those of any other | %d |", len(groups))
	line("| changes of their clocks | %d |", len(total.changes))
	line("| minutes looked at | %d |", len(groups)*20*1461/4*24*60)
	line("| runs compared | %d |", all)
	line("| other times for which `Next` was compared | %d |", total.probed)
	line("| differences | **%d** |", len(total.wrong))
	line("| duration, %d processors | %v |\n", runtime.GOMAXPROCS(0), took.Round(time.Second))
	line("Zones whose clocks show the same are compared once.\n")
	line("| expression | follows | runs compared |\n|---|---|---:|")
	for i, sample := range samples {
		follows := "the calendar"
		if sample.wild {
			follows = "elapsed time"
		}
		line("| `%s` | %s | %d |", sample.expr, follows, total.runs[i])
	}
	line("\nThe zones with the most changes:\n")
	line("| zone | changes |\n|---|---:|")
	slices.SortStableFunc(groups, func(a, b *group) int { return len(b.changes) - len(a.changes) })
	for _, g := range groups[:5] {
		line("| %s | %d |", g.names[0], len(g.changes))
	}
	line("\n`go test ./cron -run TestZones` compares in every zone two days around some of the changes, in seconds.")
	return b.String()
}

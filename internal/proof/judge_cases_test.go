package proof

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// stamp is a time in ledgers: so many seconds after one hour of the past.
func stamp(seconds float64) string {
	return fmt.Sprint(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixMicro() + int64(seconds*1e6))
}

// remember reads ledgers in which {3.5} stands for a time.
func remember(t *testing.T, ledgers map[string]string) *history {
	t.Helper()
	h := newHistory()
	for name, text := range ledgers {
		var lines strings.Builder
		for line := range strings.Lines(text) {
			line = strings.TrimLeft(line, " \t")
			for strings.Contains(line, "{") {
				before, rest, _ := strings.Cut(line, "{")
				seconds, after, _ := strings.Cut(rest, "}")
				var n float64
				fmt.Sscan(seconds, &n)
				line = before + stamp(n) + after
			}
			lines.WriteString(line)
		}
		if err := h.readFrom(strings.NewReader(lines.String()), name); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// TestJudge has ledgers that break each rule, and some that only look so: a check
// that cannot fail proves nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	// Jobs 0 to 2: 0 is simply done, 1 was cut by a kill and done elsewhere, 2 had
	// ended in time but was not settled.
	type texts = map[string]string
	good := func() texts {
		return texts{
			"p1": "try 0 3\naccepted 0 3\n",
			"a.1": `up {0}
				id A
				start 1 0 {-9}
				fence 1 1
				end 1 {-8.9} ok
				start 2 1 {2}
				fence 2 2
				start 3 2 {2}
				fence 3 3
				end 3 {2.9} ok
				start 4`, // it was killed here
			"b.1": `up {0}
				id B
				took A {5}
				start 1 1 {5.5}
				fence 1 4
				end 1 {5.6} ok
				start 2 2 {5.5}
				fence 2 5
				end 2 {5.6} ok
				down {9}`,
			"nemesis": "kill a.1 {3}\nfault {3} something\n",
		}
	}
	tests := []struct {
		name   string
		change func(l texts, f *found)
		allow  tolerance
		which  func(v *verdict) []string // what has to be not empty
		want   string
	}{
		{name: "in order"},
		{"lost: accepted and never run", func(l texts, f *found) { l["p1"] += "try 3 1\naccepted 3 1\n" }, tolerance{}, func(v *verdict) []string { return v.Lost }, "job 3: it never ran"},
		{"lost: cut and never run again", func(l texts, f *found) {
			l["b.1"] = strings.ReplaceAll(l["b.1"], "start 1 1 {5.5}\n", "start 1 0 {5.5}\n") // it ran another
		}, tolerance{}, func(v *verdict) []string { return v.Lost }, "job 1: a.1"},
		{"lost: failed and never run again", func(l texts, f *found) {
			l["b.1"] = strings.Replace(l["b.1"], "end 1 {5.6} ok", "end 1 {5.6} fail", 1)
			f.counts["done"] = 2
		}, tolerance{}, func(v *verdict) []string { return v.Lost }, "job 1"},
		{name: "not lost: never known to be in", change: func(l texts, f *found) { l["p1"] += "try 3 2\nuncertain 3 1\n" }},
		{name: "not lost: refused", change: func(l texts, f *found) { l["p1"] += "try 3 1\nrefused 3 1\ntry 4 1\nfull 4 1\n" }},
		{name: "not lost: still ready", change: func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			f.places[3] = []string{"ready"}
		}},
		{name: "ended, killed before that was written, and dead of it", change: func(l texts, f *found) {
			l["b.1"] = strings.Replace(l["b.1"], "end 1 {5.6} ok", "end 1 {5.6} ok\nexit {5.7}", 1)
			f.places[1] = []string{"dead"}
			f.counts = map[string]int64{"done": 2, "dead": 1}
		}},
		{name: "not lost: dead", change: func(l texts, f *found) {
			l["b.1"] = strings.Replace(l["b.1"], "end 1 {5.6} ok", "end 1 {5.6} kill", 1)
			f.places[1] = []string{"dead"}
			f.counts = map[string]int64{"done": 2, "dead": 1}
		}},
		{"phantom: never tried", func(l texts, f *found) {
			l["b.1"] += "\nstart 3 7 {6}\nfence 3 6\nend 3 {6} ok\n"
			f.counts["done"] = 4
		}, tolerance{}, func(v *verdict) []string { return v.Phantom }, "job 7 was never enqueued"},
		{"phantom: refused", func(l texts, f *found) {
			l["p1"] += "try 3 1\nrefused 3 1\n"
			f.places[3] = []string{"ready"}
		}, tolerance{}, func(v *verdict) []string { return v.Phantom }, "job 3 was refused"},
		{"two places", func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			f.places[3] = []string{"ready", "retry"}
		}, tolerance{}, func(v *verdict) []string { return v.Homeless }, "job 3 is in ready and in retry"},
		{"done and still there", func(l texts, f *found) { f.places[0] = []string{"ready"} }, tolerance{}, func(v *verdict) []string { return v.Homeless }, "job 0 is done, and in ready"},
		{"enqueued twice", func(l texts, f *found) {
			l["b.1"] += "\nstart 3 0 {6}\nfence 3 6\nend 3 {6.1} ok\n"
			f.counts["done"] = 4
		}, tolerance{}, func(v *verdict) []string { return v.Counters }, "Redis has counted 4 done, the ledgers say 3"},
		{"run twice for no reason", func(l texts, f *found) { l["b.1"] += "\nstart 3 0 {600}\nfence 3 6\nend 3 {600.1} ok\n" }, tolerance{}, func(v *verdict) []string { return v.Strange }, "job 0 ran in a.1"},
		{"run beside a run that goes on", func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			l["c.1"] = "up {0}\nid C\nstart 1 3 {4}\nfence 1 9\n"
			l["d.1"] = "up {0}\nid D\nstart 1 3 {5}\nfence 1 10\nend 1 {5.1} ok\n"
			f.counts["done"] = 4
		}, tolerance{}, func(v *verdict) []string { return v.Strange }, "job 3 has not ended in c.1"},
		{"two runs with one fence", func(l texts, f *found) { l["b.1"] = strings.Replace(l["b.1"], "fence 1 4", "fence 1 2", 1) }, tolerance{}, func(v *verdict) []string { return v.Fencing }, "job 1 has two runs with the fence 2"},
		{"a fence that goes back", func(l texts, f *found) { l["b.1"] = strings.Replace(l["b.1"], "fence 2 5", "fence 2 1", 1) }, tolerance{}, func(v *verdict) []string { return v.Fencing }, "job 2: the fence goes back from 3 to 1"},
		{"the outcome of a stale run counted", func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			l["nemesis"] += "stop c.1 {4}\ncont c.1 {40}\n"
			l["c.1"] = "up {0}\nid C\nstart 1 3 {3.5}\nfence 1 9\nend 1 {41} ok\ngone {41}\ndown {60}\n"
			l["d.1"] = "up {0}\nid D\ntook C {34.5}\nstart 1 3 {36}\nfence 1 10\n"
			f.counts["done"] = 4
		}, tolerance{}, func(v *verdict) []string { return v.Fencing }, "job 3 ended with c.1"},
		{name: "a stale run that ends has no effect", change: func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			l["nemesis"] += "stop c.1 {4}\ncont c.1 {40}\n"
			l["c.1"] = "up {0}\nid C\nstart 1 3 {3.5}\nfence 1 9\nend 1 {41} ok\ngone {41}\ndown {60}\n"
			l["d.1"] = "up {0}\nid D\ntook C {34.5}\nstart 1 3 {36}\nfence 1 10\nend 1 {36.1} ok\n"
			f.counts["done"] = 4
		}},
		{name: "frozen before it could write what had ended", change: func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			l["nemesis"] += "stop c.1 {4}\ncont c.1 {40}\n"
			l["c.1"] = "up {0}\nid C\nstart 1 3 {3.5}\nfence 1 9\nend 1 {3.9} ok\ngone {41}\ndown {60}\n"
			l["d.1"] = "up {0}\nid D\ntook C {34.5}\nstart 1 3 {36}\nfence 1 10\nend 1 {36.1} ok\n"
			f.counts["done"] = 4
		}},
		{"frozen long after it had ended", func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			l["nemesis"] += "stop c.1 {14}\ncont c.1 {50}\n"
			l["c.1"] = "up {0}\nid C\nstart 1 3 {3.5}\nfence 1 9\nend 1 {3.9} ok\ngone {51}\ndown {60}\n"
			l["d.1"] = "up {0}\nid D\ntook C {44.5}\nstart 1 3 {46}\nfence 1 10\nend 1 {46.1} ok\n"
			f.counts["done"] = 4
		}, tolerance{}, func(v *verdict) []string { return v.Strange }, "job 3 ran in c.1"},
		{"counted done more often", func(l texts, f *found) { f.counts["done"] = 4 }, tolerance{}, func(v *verdict) []string { return v.Counters }, "4 done, the ledgers say 3"},
		{"counted dead, and not there", func(l texts, f *found) { f.counts["dead"] = 1 }, tolerance{}, func(v *verdict) []string { return v.Counters }, "1 dead, the ledgers say 0"},
		{"a live worker taken for dead", func(l texts, f *found) { l["b.1"] += "\ntook C {8}\n"; l["c.1"] = "up {0}\nid C\n" }, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 took c.1 for dead at"},
		{"one that was stopped for a moment", func(l texts, f *found) {
			l["b.1"] += "\ntook C {28}\n"
			l["c.1"] = "up {0}\nid C\n"
			l["nemesis"] += "stop c.1 {1}\ncont c.1 {27}\n"
		}, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 took c.1"},
		{name: "cut off while it was frozen", change: func(l texts, f *found) {
			l["b.1"] += "\ntook C {8}\n"
			l["c.1"] = "up {0}\nid C\ngone {9.5}\n"
			l["nemesis"] += "stop c.1 {1}\nsever {5}\ncont c.1 {9}\n"
		}},
		{"taken before its connections were cut", func(l texts, f *found) {
			l["b.1"] += "\ntook C {4}\n"
			l["c.1"] = "up {0}\nid C\n"
			l["nemesis"] += "stop c.1 {1}\nsever {5}\ncont c.1 {9}\n"
		}, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 took c.1"},
		{"taken when its connections were cut and it was not frozen", func(l texts, f *found) {
			l["b.1"] += "\ntook C {8}\n"
			l["c.1"] = "up {0}\nid C\n"
			l["nemesis"] += "sever {5}\n"
		}, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 took c.1"},
		{"taken long after it was frozen", func(l texts, f *found) {
			l["b.1"] += "\ntook C {80}\n"
			l["c.1"] = "up {0}\nid C\n"
			l["nemesis"] += "stop c.1 {1}\ncont c.1 {41}\n"
		}, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 took c.1"},
		{name: "taken while it was frozen", change: func(l texts, f *found) {
			l["b.1"] += "\ntook C {31}\n"
			l["c.1"] = "up {0}\nid C\ngone {42}\n"
			l["nemesis"] += "stop c.1 {1}\ncont c.1 {41}\n"
		}},
		{"run again long after its worker was frozen", func(l texts, f *found) {
			l["p1"] += "try 3 1\naccepted 3 1\n"
			l["nemesis"] += "stop c.1 {4}\ncont c.1 {40}\n"
			l["c.1"] = "up {0}\nid C\nstart 1 3 {70}\nfence 1 9\nend 1 {71} ok\n"
			l["d.1"] = "up {0}\nid D\nstart 1 3 {81}\nfence 1 10\nend 1 {81.1} ok\n"
			f.counts["done"] = 4
		}, tolerance{}, func(v *verdict) []string { return v.Strange }, "job 3 ran in c.1"},
		{"taken before it was killed", func(l texts, f *found) { l["b.1"] = strings.Replace(l["b.1"], "took A {5}", "took A {2.5}", 1) }, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 took a.1"},
		{"told that it is dead", func(l texts, f *found) { l["b.1"] += "\ngone {8}\n" }, tolerance{}, func(v *verdict) []string { return v.Takeovers }, "b.1 was told"},
		{name: "taken where that is allowed", change: func(l texts, f *found) { l["b.1"] += "\ngone {8}\n" }, allow: tolerance{Takeovers: true}},
		{name: "cut off for long", change: func(l texts, f *found) {
			l["b.1"] += "\ntook C {8}\n"
			l["c.1"] = "up {0}\nid C\n"
			l["nemesis"] += "cut c.1 {5}\nheal c.1 {8}\n"
		}},
		{"what Redis said", func(l texts, f *found) { f.problems = []string{"x"} }, tolerance{}, func(v *verdict) []string { return v.Problems }, "x"},
		{"what was left", func(l texts, f *found) { f.residue = []string{"x"} }, tolerance{}, func(v *verdict) []string { return v.Residue }, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, f := good(), &found{places: map[int][]string{}, counts: map[string]int64{"done": 3}}
			if tt.change != nil {
				tt.change(l, f)
			}
			v := judge(remember(t, l), f, tt.allow)
			if tt.which == nil {
				for _, list := range v.mustBeEmpty() {
					for _, text := range list.texts {
						t.Errorf("%s: %s", list.name, text)
					}
				}
				return
			}
			if list := tt.which(v); !strings.Contains(strings.Join(list, "\n"), tt.want) {
				t.Errorf("found %q, want %q", list, tt.want)
			}
		})
	}

	v := judge(remember(t, good()), &found{counts: map[string]int64{"done": 3}}, tolerance{})
	if v.Jobs != 3 || v.Done != 3 || v.Runs != 5 || v.Kills != 1 || v.Cut != 1 || v.Unsettled != 1 || v.Taken != 1 || v.extra() != 2 {
		t.Errorf("%+v", v)
	}
	if len(v.Recovery) != 1 || v.Recovery[0].took != 2500*time.Millisecond {
		t.Errorf("recovery %v, want that of job 1 after 2.5 s", v.Recovery)
	}
}

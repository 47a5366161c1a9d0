package top

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestViews(t *testing.T) {
	onBench(t, false, func(b *bench) {
		titles := []string{"Overview", "Queues", "Jobs", "Workers", "Failures", "Schedules", "Operations", "Kinds by failed, over 1h", "Audit"}
		at := func(n int) {
			t.Helper()
			if got := b.m.top().title(); got != titles[n] {
				t.Errorf("it shows %s, want %s", got, titles[n])
			}
		}
		for n := range titles {
			b.press(fmt.Sprint(n + 1))
			at(n)
		}
		for _, key := range []string{"tab", "right", "l"} {
			b.press("9", key)
			at(0)
			b.press(key)
			at(1)
		}
		for _, key := range []string{"shift+tab", "left", "h"} {
			b.press("1", key)
			at(8)
			b.press(key)
			at(7)
		}
		b.press("5", "0")
		at(4)
		b.shows("there is nothing on this key here")
		for _, key := range []string{"esc", "backspace"} {
			b.press("2", "enter")
			b.shows("Queues › images")
			b.press("enter")
			b.shows("Queues › images › Jobs: queue:images")
			b.press(key)
			b.shows("Queues › images")
			b.press(key)
			at(1)
			b.press(key) // there is nothing to go back to
			at(1)
		}
		b.press("2", "enter", "4") // a view leaves what was opened
		at(3)
		b.press("2")
		at(1)
	})
}

func TestLeave(t *testing.T) {
	for _, key := range []string{"q", "ctrl+c"} {
		t.Run(key, func(t *testing.T) {
			onBench(t, false, func(b *bench) {
				b.press("3", "enter", key)
				if !b.quit {
					t.Errorf("%s does not leave", key)
				}
			})
		})
	}
	t.Run("while something is typed", func(t *testing.T) {
		onBench(t, true, func(b *bench) {
			b.press("3", "/", "q")
			if b.quit {
				t.Error("a letter of a filter leaves")
			}
			b.press("ctrl+c")
			if !b.quit {
				t.Error("ctrl+c does not leave")
			}
		})
	})
}

func TestMove(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.stats.Queues = nil
		for n := range 100 {
			b.stats.Queues = append(b.stats.Queues, inspect.Queue{Name: fmt.Sprintf("q%02d", n)})
		}
		b.press("2", "r")
		l := &b.m.views[1].(*queues).list
		for _, c := range []struct {
			key  string
			want string
		}{
			{"j", "q01"}, {"down", "q02"}, {"k", "q01"}, {"up", "q00"}, {"up", "q00"}, {"pgdown", "q18"}, {"ctrl+f", "q36"}, {"pgup", "q18"}, {"ctrl+b", "q00"},
			{"e", "q99"}, {"down", "q99"}, {"g", "q00"}, {"end", "q99"}, {"home", "q00"},
		} {
			b.press(c.key)
			if got := l.id(); got != c.want {
				t.Errorf("after %s it is on %s, want %s", c.key, got, c.want)
			}
			b.shows(c.want)
		}
		// The cursor stays on its queue when others come before it, and somewhere if it goes.
		b.press("g", "down", "down")
		b.stats.Queues = append([]inspect.Queue{{Name: "a"}}, b.stats.Queues...)
		b.press("r")
		if got := l.id(); got != "q02" {
			t.Errorf("it is on %s, want q02", got)
		}
		b.stats.Queues = b.stats.Queues[:2]
		b.press("r")
		if got := l.id(); got != "q00" {
			t.Errorf("it is on %s, want the last that is left", got)
		}
		b.stats.Queues = nil
		b.press("r", "down", "up", "enter", "P")
		b.shows("no queue was ever used")
	})
}

// The help says what keys do on the page that is shown, and no others.
func TestHelp(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("?")
		b.shows("Keys", "overview", "open what the cursor is on", "go to a view")
		b.shuns("retry", "quiet")
		b.press("esc", "3", "?")
		b.shows("jobs", "retry: make it ready now", "move it to another queue")
		b.press("end")
		b.shows("q, ctrl+c")
		b.press("home")
		b.shows("they need --write, and ask first")
		b.press("q") // closes it
		b.shuns("they need --write")
		if b.quit {
			t.Error("it left")
		}
	})
}

// ways are the keys that lead to each place.
var ways = map[string][]string{"overview": {"1"}, "queues": {"2"}, "a queue": {"2", "enter"}, "jobs": {"3"}, "a job": {"3", "down", "enter"}, "workers": {"4"}, "a worker": {"4", "enter"}, "failures": {"5"}, "a failure": {"5", "enter"},
	"schedules": {"6"}, "a schedule": {"6", "enter"}, "operations": {"7"}, "an operation": {"7", "enter"}, "kinds": {"8"}, "a kind": {"8", "enter"}, "audit": {"9"}, "an act": {"9", "enter"}}

// keysOf are the keys of a binding, as bench.press has them.
func keysOf(b *binding) (keys []string) {
	if b.keys == "1 … 9" {
		return []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}
	}
	names := map[string]string{"pgdn": "pgdown", "→": "right", "←": "left", "↓": "down", "↑": "up"}
	for key := range strings.FieldsFuncSeq(strings.ReplaceAll(b.keys, " and ", ","), func(r rune) bool { return r == ',' }) {
		key = strings.TrimSpace(key)
		if name, ok := names[key]; ok {
			key = name
		}
		keys = append(keys, key)
	}
	return keys
}

// Every key of the table has a meaning where the table says so, and none has one where it does not.
func TestBindings(t *testing.T) {
	for place, way := range ways {
		t.Run(place, func(t *testing.T) {
			onBench(t, true, func(b *bench) {
				bound := map[string]bool{}
				try := func(key string) {
					b.quit = false
					b.press("esc", "esc", "esc", "esc")
					b.press(way...)
					if got := b.m.top().place(); got != place {
						t.Fatalf("%q leads to %s, not to %s", way, got, place)
					}
					b.press(key)
				}
				for _, bind := range append(bindingsOf(place), bindingsOf(everywhere)...) {
					for _, key := range keysOf(&bind) {
						if bound[key] {
							t.Errorf("%s has two meanings", key)
						}
						bound[key] = true
						try(key)
						b.shuns("there is nothing on this key")
						asks := b.m.ask != nil || b.m.input != nil || len(b.ran) > 0 || strings.Contains(b.m.note.text, "nothing to do")
						if capital := bind.capital(); capital && !asks || !capital && b.m.ask != nil {
							t.Errorf("%s: it asks: %v", key, b.m.ask)
						}
						b.ran = nil
					}
				}
				for r := '!'; r <= '~'; r++ {
					// enter is not for each page, but nobody is told off for it.
					if key := string(r); !bound[key] {
						try(key)
						b.shows("there is nothing on this key")
					}
				}
				b.did()
			})
		})
	}
	for _, b := range bindings {
		for where := range strings.SplitSeq(b.where, ", ") {
			if where != everywhere && ways[where] == nil {
				t.Errorf("%s: %q is no place", b.keys, where)
			}
		}
	}
}

// Nothing is changed without --write, whatever is pressed.
func TestReadOnly(t *testing.T) {
	onBench(t, false, func(b *bench) {
		for _, way := range slices.AppendSeq([][]string{{"3", "enter"}, {"3", "a"}, {"3", "*"}}, maps.Values(ways)) {
			for key := 'A'; key <= 'Z'; key++ {
				b.press("esc", "esc", "esc")
				b.press(way...)
				b.press(string(key), "q", "enter", "y")
			}
		}
		b.did()
		b.press("3", "esc", "3", "down", "R")
		b.shows("nothing can be changed: start tasuki top with --write", "read-only")
	})
}

func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []string
		asks string
		did  string
	}{
		{"retry a dead job", []string{"3", "down", "down", "R"}, "Retry mail/01kc0d0000000000000000dead (email.welcome)? [y/N]", "retry mail/01kc0d0000000000000000dead"},
		{"retry on its page", []string{"3", "down", "enter", "R"}, "Retry mail/01kc0d000000000000000retry (email.newsletter)? [y/N]", "retry mail/01kc0d000000000000000retry"},
		{"cancel what runs", []string{"3", "C"}, "Cancel images/01kc0d00000000000000000run (image.resize)? [y/N]", "cancel images/01kc0d00000000000000000run"},
		{"delete", []string{"3", "down", "D"}, "Delete mail/01kc0d000000000000000retry (email.newsletter)? [y/N]", "remove mail/01kc0d000000000000000retry"},
		{"delete one without an id", []string{"3", "e", "D"}, "Delete a job of list:legacy? [y/N]", "remove "},
		{"delete marked ones", []string{"3", "down", "x", "x", "D"}, "Delete 2 jobs? [y/N]", "remove mail/01kc0d0000000000000000dead mail/01kc0d000000000000000retry"},
		{"retry some of the marked", []string{"3", "a", "R"}, "Retry 2 of 3 jobs? It is not for a job that is running. [y/N]",
			"retry images/01kc0d00000000000000000run mail/01kc0d0000000000000000dead mail/01kc0d000000000000000retry"},
		{"pause", []string{"2", "P"}, "Pause images? Its 10,000,000 ready jobs will wait. [y/N]", "pause queue images"},
		{"resume", []string{"2", "down", "down", "enter", "P"}, "Resume reports? 12 ready jobs will run. [y/N]", "resume queue reports"},
		{"quiet", []string{"4", "Q"}, "Quiet 01kbz8w1 at web-3:4711?", "quiet worker 01kbz8w1"},
		{"stop", []string{"4", "enter", "S"}, "Stop 01kbz8w1 at web-3:4711? Its 2 jobs have the grace to end. [y/N]", "stop worker 01kbz8w1"},
		{"forget", []string{"5", "D"}, "Forget this failure of email.newsletter, 12,345 times until it is seen again?", "forget failure 6f2a1c09d4e87b35"},
		{"forget on its page", []string{"5", "down", "enter", "D"}, "1 time until it is seen again?", "forget failure 0b17ffe2a6c94d88"},
		{"cancel an operation", []string{"7", "C"}, "End it: retry of queue:mail state:dead? What it has done to 1,000 jobs stays", "cancel operation 01kc0op000000000000000002"},
		{"pause an entry", []string{"6", "P"}, "Pause nightly?", "pause entry nightly"},
		{"resume an entry", []string{"6", "down", "P"}, "Resume poll? [y/N]", "resume entry poll"},
		{"run an entry", []string{"6", "enter", "R"}, "Enqueue a job of nightly (report.nightly) now? [y/N]", "run entry nightly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBench(t, true, func(b *bench) {
				b.wait(time.Second)
				b.count = inspect.Count{Jobs: 1211, Exact: true}
				b.press(c.keys...)
				b.shows(c.asks, "CAN WRITE")
				for _, no := range []string{"n", "esc", "enter", "q", "R", "down"} {
					b.press(no)
					b.shows("nothing was done")
					b.did()
					b.press(c.keys[len(c.keys)-1])
				}
				b.outcome = Outcome{Did: "did it", Skipped: 1, Refused: 2}
				b.err = errors.New("why\x1b[2J")
				b.press("y")
				b.shows("did it; 1 had moved or ended; 2 refused; why�[2J")
				b.did(c.did)
				if b.quit {
					t.Error("an answer left")
				}
			})
		})
	}
}

func TestNotPossible(t *testing.T) {
	onBench(t, true, func(b *bench) {
		b.press("3", "R")
		b.shows("nothing to do: retry is not for a job that is running")
		b.press("D")
		b.shows("nothing to do: delete is not for a job that is running")
		b.press("down", "down", "C")
		b.shows("nothing to do: cancel is not for a job that is dead")
		b.did()
	})
}

func TestMarks(t *testing.T) {
	onBench(t, true, func(b *bench) {
		marked := func() int { return len(b.m.top().(*jobs).marked) }
		b.press("3", "x", "x")
		if marked() != 2 {
			t.Errorf("%d are marked", marked())
		}
		b.press("g", "x")
		if marked() != 1 {
			t.Errorf("%d are marked after one was taken away", marked())
		}
		b.press("a")
		if marked() != 3 { // the one without an id cannot be found again
			t.Errorf("%d are marked of the page", marked())
		}
		b.shows("●")
		b.press("a")
		if marked() != 0 {
			t.Errorf("%d are marked", marked())
		}
		b.press("a", "esc")
		if marked() != 0 {
			t.Errorf("%d are marked", marked())
		}
		b.press("a")
		b.outcome = Outcome{Did: "deleted 3 jobs"}
		b.press("D", "y")
		b.shows("deleted 3 jobs")
		if marked() != 0 {
			t.Errorf("%d are marked after it was done", marked())
		}
	})
}

func TestPages(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.jobs = nil
		for n := range 400 {
			j := inspect.Job{}
			j.Queue, j.ID, j.State = "q", fmt.Sprintf("id%02d", n), tasuki.StateReady
			if j.Kind = "often"; n == 20 || n == 50 {
				j.Kind = "rare"
			}
			b.jobs = append(b.jobs, j)
		}
		b.press("3")
		b.shows("id00", "id16", "page 1, n: on; 400 jobs")
		b.shuns("id17")
		b.press("p") // is the first
		b.shows("id00")
		b.press("n")
		b.shows("id17", "id33", "page 2, n: on")
		for range 30 {
			b.press("n")
		}
		b.shows("id391", "id399", "page 24; 400 jobs")
		b.shuns("n: on")
		for range 30 {
			b.press("p")
		}
		b.shows("id00")
		for _, asked := range b.asked {
			if strings.HasPrefix(asked, "find") && !strings.HasSuffix(asked, " 17") {
				t.Errorf("it asks for more than the screen has: %s", asked)
			}
		}
		// Few among many are looked for in a few calls, and not at every look.
		b.scanned = 5000
		b.press("/")
		b.typeText("kind:rare")
		b.asked = nil
		b.press("enter")
		b.shows("id20", "id50", "page 1, n: on; 20,000 of 400 jobs were looked at for it")
		finds := func() (n int) {
			for _, asked := range b.asked {
				if strings.HasPrefix(asked, "find") {
					n++
				}
			}
			b.asked = nil
			return n
		}
		if n := finds(); n != mostCalls {
			t.Errorf("it has asked %d times", n)
		}
		b.wait(9 * time.Second)
		if n := finds(); n != 0 {
			t.Errorf("it has asked %d times in 9 looks", n)
		}
		b.wait(time.Second)
		if n := finds(); n != mostCalls {
			t.Errorf("it has asked %d times in the tenth look", n)
		}
		b.press("r")
		if n := finds(); n != mostCalls {
			t.Errorf("it has asked %d times at once", n)
		}
		b.press("n")
		b.shows("none among 20,000 that were looked at, of 400: n looks on")
	})
}

// All that match are counted before anything is asked.
func TestAll(t *testing.T) {
	onBench(t, true, func(b *bench) {
		b.count, b.noUndo = inspect.Count{Jobs: 50_000}, "there are many"
		b.press("3", "*")
		b.shows("all that match are meant")
		b.asked = nil
		b.press("C")
		b.shows("Cancel at least 50,000 jobs of all queues? It cannot be undone: there are many")
		if !slices.Contains(b.asked, "preview cancel state:running,suspect,ready,retry,scheduled") {
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("n", "*")
		b.shuns("all that match are meant")
		b.press("*", "esc")
		b.shuns("all that match are meant")
		b.press("s", "*", "R") // those that run
		b.shows("nothing to do: retry is not for a job that is running")
		b.count = inspect.Count{Exact: true}
		b.press("C")
		b.shows("nothing to do: no job that matches is in a state for it")
		b.jobsErr = errAway
		b.press("C")
		b.shows("connection refused")
		b.did()
	})
}

func TestFilter(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("3", "/")
		b.typeText("queue:mail kind:x")
		b.press("backspace")
		b.typeText("email.welcomé")
		b.press("left", "delete")
		b.typeText("e")
		b.shows("filter: queue:mail kind:email.welcome", "enter take it")
		b.asked = nil
		b.press("enter")
		b.shows("Jobs: queue:mail kind:email.welcome")
		if !slices.Contains(b.asked, `find queue:mail kind:email.welcome "" 17`) {
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("/", "ctrl+u")
		b.send(tea.PasteMsg{Content: "state:nonsense\n\x1b[31m"})
		b.press("enter")
		b.shows("allowed are")
		b.press("esc")
		b.shows("Jobs: queue:mail kind:email.welcome")
		b.press("s")
		b.shows("state:running")
		for range len(inspect.States) {
			b.press("s")
		}
		b.shuns("state:")
		b.press("2", "/")
		b.typeText("MAI")
		b.press("enter")
		b.shows("mail")
		b.shuns("images")
		b.press("/")
		b.press("ctrl+w", "enter", "s", "s")
		b.shows("images", "Queues by rate")
	})
}

func TestEditing(t *testing.T) {
	in := newInput("", "one two", nil)
	m := &model{input: in}
	for _, key := range []struct{ key, want string }{
		{"home", "|one two"}, {"right", "o|ne two"}, {"end", "one two|"}, {"left", "one tw|o"}, {"ctrl+w", "one |o"}, {"ctrl+k", "one |"}, {"ctrl+a", "|one "}, {"delete", "|ne "},
		{"ctrl+e", "ne |"}, {"backspace", "ne|"}, {"ctrl+u", "|"}, {"backspace", "|"}, {"delete", "|"}, {"ctrl+w", "|"}, {"left", "|"}, {"right", "|"}, {"up", "|"},
	} {
		in.press(m, key.key, "")
		if got := string(in.typed[:in.at]) + "|" + string(in.typed[in.at:]); got != key.want {
			t.Errorf("after %s it is %s, want %s", key.key, got, key.want)
		}
	}
	in.insert(strings.Repeat("語", 2*mostTyped))
	if len(in.typed) != mostTyped {
		t.Errorf("it takes %d characters", len(in.typed))
	}
	if text, at := in.draw(20); width(text) != 20 || at > 19 {
		t.Errorf("it takes %d cells, the cursor is at %d", width(text), at)
	}
}

// The documentation has the same keys.
func TestDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../../docs/top.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| keys | where | |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var want []string
	for _, b := range bindings {
		want = append(want, fmt.Sprintf("| %s | %s | %s |", b.keys, b.where, b.does))
	}
	if table != strings.Join(want, "\n") {
		t.Errorf("the table of docs/top.md is\n%s\nwant\n%s", table, strings.Join(want, "\n"))
	}
}

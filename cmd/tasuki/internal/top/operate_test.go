package top

import (
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/inspect"
)

// What is done to all that match, and to operations: what is asked, what it begins.
func TestBegins(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []string
		asks string
		did  string
	}{
		{"retry all", []string{"3", "*", "R"}, "Retry 1,211 jobs of all queues? It can be undone for an hour. [y/N]", "retry all state:retry,scheduled,dead"},
		{"delete all", []string{"2", "down", "enter", "d", "*", "D"}, "Delete 1,211 jobs of queue:mail state:dead? It can be undone for an hour. [y/N]", "remove all queue:mail state:dead"},
		{"move all", []string{"3", "*", "M", "b", "u", "l", "k", "enter"}, "Move 1,211 jobs of all queues to bulk? It can be undone for an hour. [y/N]", "move to bulk all state:suspect,ready,retry,scheduled"},
		{"go on", []string{"7", "down", "R"}, "Go on in here: move to bulk of queue:mail kind:email.newsletter? [y/N]", "continue 01kc0op000000000000000001"},
		{"undo", []string{"7", "down", "enter", "U"}, "Undo it: move to bulk of queue:mail kind:email.newsletter? 500 jobs would come", "undo 01kc0op000000000000000001"},
	} {
		for _, answer := range []string{"n", "y"} {
			t.Run(c.name+" "+answer, func(t *testing.T) {
				onBench(t, true, func(b *bench) {
					b.count = inspect.Count{Jobs: 1211, Exact: true}
					b.press(c.keys...)
					b.shows(c.asks)
					b.did()
					b.press(answer)
					if answer == "n" {
						b.shows("nothing was done")
						b.did()
						return
					}
					b.shows("retry: 1,003 of 4,000 jobs")
					b.did(c.did)
				})
			})
		}
	}
}

// An operation that was begun here is followed, wherever one looks, until its end.
func TestFollow(t *testing.T) {
	onBench(t, true, func(b *bench) {
		b.count = inspect.Count{Jobs: 4000, Exact: true}
		b.press("3", "*", "R", "y", "2")
		b.shows("retry: 1,003 of 4,000 jobs")
		b.press("space") // what was begun is followed all the same
		for range 3 {
			b.ops[0].Done += 500
			b.ops[0].Updated = b.ops[0].Updated.Add(time.Second)
			b.wait(time.Second)
		}
		b.shows("retry: 2,503 of 4,000 jobs, 500/s, 2.99s left")
		b.did("retry all state:retry,scheduled,dead")
		b.press("q")
		b.shows("Leave, and interrupt it?")
		b.press("n")
		if b.quit {
			t.Fatal("it leaves before it may")
		}
		b.press("q", "y")
		if !b.quit {
			t.Error("it does not leave")
		}
		o := b.ops[0]
		o.State, o.Done, o.Refused, o.Error, o.Undoable = inspect.OperationFailed, 3000, 2, "mail/x: \x1b[2J", 3000
		b.ends <- o
		b.settle()
		b.shows("retried 3,000 jobs; 3 had moved or ended; 2 refused; mail/x: �[2J", "is failed; it can be undone in Operations")
		b.press("j")
		b.shuns("4,000 jobs")
		b.quit = false
		if b.press("q"); !b.quit {
			t.Error("it asks although nothing goes on")
		}
	})
}

// The end is seen by a look if nobody else says it.
func TestFollowByLooks(t *testing.T) {
	onBench(t, true, func(b *bench) {
		b.count = inspect.Count{Jobs: 4000, Exact: true}
		b.press("3", "*", "D", "y")
		b.ops[0].Action, b.ops[0].State, b.ops[0].Done, b.ops[0].Skipped = inspect.Remove, inspect.OperationDone, 0, 0
		b.wait(time.Second)
		b.shows("there was no job left that it is for")
	})
}

func TestOperationsNotPossible(t *testing.T) {
	onBench(t, true, func(b *bench) {
		for _, c := range []struct{ down, key, why string }{
			{"", "R", "it is running"}, {"", "U", "it runs: C ends it"},
			{"d", "C", "it is done"}, {"d", "R", "it was undone"}, {"d", "U", "it was undone"},
		} {
			b.press("7", "g")
			if c.down != "" {
				b.press("e")
			}
			b.press(c.key)
			b.shows("nothing to do: " + c.why)
		}
		b.press("g", "enter", "enter")
		b.shows("Operations › 01kc0op000000000000000002 › Jobs: queue:mail state:dead")
		b.did()
	})
}

// How fast others' operations are is seen too.
func TestOperationRates(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("7")
		b.ops[0].Done += 1234
		b.ops[0].Updated = b.ops[0].Updated.Add(time.Second)
		b.wait(time.Second)
		b.shows("2,237", "1,234")
		b.press("enter")
		b.shows("retry: 2,237 of 4,000 jobs, 1,234/s, 1.43s left")
	})
}

// Move: what no queue is called is refused where it is typed, and a job without a record is told.
func TestMoveJobs(t *testing.T) {
	onBench(t, true, func(b *bench) {
		b.press("3", "M")
		b.typeText("a:b")
		b.press("enter")
		b.shows("move to queue: a:b", "allowed is the name of a queue")
		b.press("ctrl+u")
		b.typeText("bulk")
		b.press("enter")
		b.shows("nothing to do: move is not for a job that is running")
		b.press("e", "M")
		b.typeText("bulk")
		b.press("enter")
		b.shows("nothing to do: move is not for a job without a record")
		b.press("a", "M")
		b.typeText("bulk")
		b.press("enter")
		b.shows("Move 1 of 3 jobs to bulk? It is not for a job that is running. [y/N]")
		b.outcome = Outcome{Did: "moved 1 job to bulk"}
		b.press("y")
		b.shows("moved 1 job to bulk")
		b.press("g", "down", "enter", "M")
		b.typeText("bulk")
		b.press("enter")
		b.shows("Move mail/01kc0d000000000000000retry (email.newsletter) to bulk? [y/N]")
		b.press("y")
		b.did("move to bulk images/01kc0d00000000000000000run mail/01kc0d0000000000000000dead mail/01kc0d000000000000000retry", "move to bulk mail/01kc0d000000000000000retry")
	})
}

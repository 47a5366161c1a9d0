package top

import (
	"fmt"
	"slices"
	"strings"
)

// binding is what a key does, and where: the help, the foot of the screen and docs/top.md are
// made of these.
type binding struct {
	keys, where, does string
	foot              string // what the foot says of it; "" if it leaves it out
}

// everywhere is the place of keys that do the same in each.
const everywhere = "everywhere"

// bindings are all keys. Small letters look; capital letters change something, and ask first.
var bindings = []binding{
	{"1 … 9", everywhere, "go to a view", ""},
	{"tab, →, l", everywhere, "go to the next view", ""},
	{"shift+tab, ←, h", everywhere, "go to the view before", ""},
	{"↓, j and ↑, k", everywhere, "move", ""},
	{"pgdn, pgup", everywhere, "move by a screen", ""},
	{"home, g and end, e", everywhere, "move to the first, the last", ""},
	{"esc, backspace", everywhere, "go back", ""},
	{"r", everywhere, "look now", ""},
	{"space", everywhere, "hold: look no more, until space is pressed again", ""},
	{"ctrl+z", everywhere, "back to the shell: fg goes on", ""},
	{"?", everywhere, "show the keys", ""},
	{"q, ctrl+c", everywhere, "leave", ""},
	{"enter", "overview, queues, jobs, workers, failures, schedules, operations, kinds, audit", "open what the cursor is on", "open"},
	{"enter", "a queue, an operation, a kind", "show its jobs", "jobs"},
	{"enter", "a worker", "open the job in the slot", "open"},
	{"enter", "a failure", "open its last job", "its last job"},
	{"/", "queues", "show those whose name contains something", "filter"},
	{"s", "queues", "sort by name, ready, rate, dead", "sort"},
	{"d", "a queue", "show its dead jobs", "dead jobs"},
	{"P", "queues, a queue", "pause it, or resume it", "pause, resume"},
	{"/", "jobs", "filter", "filter"},
	{"s", "jobs", "show those of one state, then of the next", ""},
	{"n, p", "jobs", "go to the next page, the one before", "pages"},
	{"x", "jobs", "mark a job, or take the mark away", "mark"},
	{"a", "jobs", "mark all jobs of the page, or take the marks away", ""},
	{"*", "jobs", "mean all that match, on all pages, or not", "all"},
	{"y", "jobs, a job", "copy its address (where the terminal lets programs)", ""},
	{"R", "jobs, a job", "retry: make it ready now", "retry"},
	{"C", "jobs, a job", "cancel: end it, also while it runs", "cancel"},
	{"D", "jobs, a job", "delete it, or its record", "delete"},
	{"M", "jobs, a job", "move it to another queue (recorded ones that wait)", "move"},
	{"E", "a job", "edit its arguments in $EDITOR (a recorded one that does not run)", "edit"},
	{"Q", "workers, a worker", "quiet it: it takes no more jobs", "quiet"},
	{"S", "workers, a worker", "stop it, as SIGTERM does", "stop"},
	{"d", "failures, a failure", "show dead jobs of the kind", "dead jobs"},
	{"D", "failures, a failure", "forget it, until it is seen again", "forget"},
	{"P", "schedules, a schedule", "pause it, or resume it", "pause, resume"},
	{"R", "schedules, a schedule", "enqueue a job of it now", "run now"},
	{"s", "kinds", "sort by failed, done, run p99, wait p99", "sort"},
	{"t", "kinds, a kind", "look back over 1h, 3h, 7d, 90d", "time"},
	{"n, p", "audit", "go to the next page, the one before", "pages"},
	{"C", "operations, an operation", "cancel: end it, wherever it runs", "cancel"},
	{"R", "operations, an operation", "go on with it, in this process", "go on"},
	{"U", "operations, an operation", "undo: bring back the jobs that it took away or moved", "undo"},
}

// capital tells whether the key changes something.
func (b *binding) capital() bool { return len(b.keys) == 1 && b.keys[0] >= 'A' && b.keys[0] <= 'Z' }

// bindingsOf are those of a place: everywhere gives those that all have.
func bindingsOf(place string) []binding {
	return slices.DeleteFunc(slices.Clone(bindings), func(b binding) bool {
		return !slices.Contains(strings.Split(b.where, ", "), place)
	})
}

// helpLines are the page of the keys that have a meaning on the page that is shown.
func (m *model) helpLines() []line {
	lines := []line{words("Small letters move and look. Capital letters change something:"), words("they need --write, and ask first.")}
	for _, place := range []string{m.top().place(), everywhere} {
		here := bindingsOf(place)
		if len(here) == 0 {
			continue
		}
		lines = append(lines, line{}, styled(place, bold))
		for _, b := range here {
			as := plain
			if b.capital() && !m.write {
				as = faint
			}
			lines = append(lines, line{{fmt.Sprintf("  %-20s", b.keys), cyan}, {b.does, as}})
		}
	}
	return lines
}

// footKeys are the keys that matter most now, and what they do.
func (m *model) footKeys() [][2]string {
	switch {
	case m.input != nil && m.input.err != nil:
		return [][2]string{{"!", m.input.err.Error()}}
	case m.input != nil:
		return [][2]string{{"enter", "take it"}, {"esc", "leave it"}, {"ctrl+u", "empty it"}}
	case m.ask != nil:
		return [][2]string{{"y", "do it"}, {"any other", "leave it"}}
	case m.help:
		return [][2]string{{"↑ ↓", "scroll"}, {"any other", "close"}}
	}
	keys := [][2]string{{"?", "keys"}, {"q", "leave"}}
	if len(m.stack) > 1 {
		keys = append(keys, [2]string{"esc", "back"})
	}
	for _, b := range bindingsOf(m.top().place()) {
		if b.foot != "" && (m.write || !b.capital()) {
			keys = append(keys, [2]string{strings.ReplaceAll(b.keys, ",", ""), b.foot})
		}
	}
	return keys
}

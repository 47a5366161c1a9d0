package top

import "fmt"

// binding is what a key does. docs/top.md has the same table.
type binding struct{ keys, where, does string }

// bindings are all keys. Small letters look; capital letters change something, and ask first.
var bindings = []binding{
	{"1 … 9", "everywhere", "go to a view"},
	{"tab, →, l", "everywhere", "go to the next view"},
	{"shift+tab, ←, h", "everywhere", "go to the view before"},
	{"↓, j and ↑, k", "everywhere", "move"},
	{"pgdn, pgup", "everywhere", "move by a screen"},
	{"home, g and end, e", "everywhere", "move to the first, the last"},
	{"enter", "everywhere", "open what the cursor is on"},
	{"esc, backspace", "everywhere", "go back"},
	{"/", "queues, jobs", "filter"},
	{"r", "everywhere", "look now"},
	{"space", "everywhere", "hold: look no more, until space is pressed again"},
	{"?", "everywhere", "show the keys"},
	{"q, ctrl+c", "everywhere", "leave"},
	{"s", "queues", "sort by name, ready, rate, dead"},
	{"d", "a queue", "show its dead jobs"},
	{"s", "jobs", "show those of one state, then of the next"},
	{"n, p", "jobs", "go to the next page, the one before"},
	{"x", "jobs", "mark a job, or take the mark away"},
	{"a", "jobs", "mark all jobs of the page, or take the marks away"},
	{"*", "jobs", "mean all that match, on all pages, or not"},
	{"y", "jobs, a job", "copy its address (where the terminal lets programs)"},
	{"R", "jobs, a job", "retry: make it ready now"},
	{"C", "jobs, a job", "cancel: end it, also while it runs"},
	{"D", "jobs, a job", "delete it, or its record"},
	{"P", "queues, a queue", "pause it, or resume it"},
	{"Q", "workers, a worker", "quiet it: it takes no more jobs"},
	{"S", "workers, a worker", "stop it, as SIGTERM does"},
	{"d", "failures, a failure", "show dead jobs of the kind"},
	{"D", "failures, a failure", "forget it, until it is seen again"},
	{"P", "schedules", "pause an entry, or resume it"},
	{"R", "schedules", "enqueue a job of the entry now"},
}

// helpLines are the page of the keys.
func (m *model) helpLines() []line {
	lines := []line{words("Small letters move and look. Capital letters change something:"), words("they need --write, and ask first.")}
	where := ""
	for _, b := range bindings {
		if b.where != where {
			where = b.where
			lines = append(lines, line{}, styled(where, bold))
		}
		lines = append(lines, line{{fmt.Sprintf("  %-20s", b.keys), cyan}, {b.does, plain}})
	}
	return lines
}

package top

import (
	"context"
	"fmt"
	"slices"
)

// list is the rows that one can move through. The cursor stays on what it is on when the rows
// change, if that is still there.
type list struct {
	ids   []string // of the rows: they say which row is which
	at    int
	first int // row that is shown
	rows  int // that were shown last
}

// set changes the rows.
func (l *list) set(ids []string) {
	was := l.id()
	l.ids = ids
	if n := slices.Index(ids, was); n >= 0 && was != "" {
		l.at = n
	}
	l.at = max(0, min(l.at, len(ids)-1))
}

// id is that of the row at the cursor; "" if there is none.
func (l *list) id() string {
	if l.at < len(l.ids) {
		return l.ids[l.at]
	}
	return ""
}

// window returns which rows are shown in h lines.
func (l *list) window(h int) (from, to int) {
	l.rows, l.first = max(h, 1), scrolled(l.first, l.at, len(l.ids), max(h, 1))
	return l.first, min(l.first+l.rows, len(l.ids))
}

// scrolled is which row to show first so that row at is seen.
func scrolled(first, at, n, h int) int {
	first = min(first, at, max(0, n-h))
	return max(first, at-h+1, 0)
}

// press moves the cursor, and says whether the key is one that does.
func (l *list) press(key string) bool {
	at, ok := moved(key, l.at, len(l.ids), max(l.rows, 1))
	l.at = at
	return ok
}

// moved is where a key leads from a row, of n.
func moved(key string, at, n, page int) (int, bool) {
	switch key {
	case "j", "down":
		at++
	case "k", "up":
		at--
	case "pgdown", "ctrl+f":
		at += page
	case "pgup", "ctrl+b":
		at -= page
	case "g", "home":
		at = 0
	case "e", "end":
		at = n - 1
	default:
		return at, false
	}
	return max(0, min(at, n-1)), true
}

// draw returns the head of a table and the rows that fit into h lines, the one at the cursor
// chosen.
func (l *list) draw(columns []column, rows [][]piece, w, h int) []string {
	from, to := l.window(h - 1)
	to = min(to, len(rows))
	from = min(from, to)
	shown := rows[from:to]
	columns = slices.Clone(columns)
	for c := range columns {
		if fill := columns[c].fill; fill != nil {
			columns[c].fill = func(row, w int) string { return fill(from+row, w) }
		}
	}
	head, lines := table(columns, shown, w)
	out := []string{head.render(w, false)}
	for n, l2 := range lines {
		out = append(out, l2.render(w, from+n == l.at))
	}
	return out
}

// entries are the rows of a view that one look returns whole.
type entries[T any] struct {
	list list
	all  []T
	got  bool // it was looked
}

// readBy reads them with look; id says which row is which.
func (e *entries[T]) readBy(look func(context.Context) ([]T, error), id func(*T) string) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		all, err := look(ctx)
		if err != nil {
			return nil, err
		}
		return func() {
			e.all, e.got = all, true
			ids := make([]string, len(all))
			for n := range all {
				ids[n] = id(&all[n])
			}
			e.list.set(ids)
		}, nil
	}
}

// chosen is the one at the cursor; nil if there is none.
func (e *entries[T]) chosen() *T {
	if e.list.at >= len(e.all) {
		return nil
	}
	return &e.all[e.list.at]
}

// none is what is drawn while there are none: said, once it was looked.
func (e *entries[T]) none(said string, w int) []string {
	if !e.got {
		said = "looking …"
	}
	return []string{styled(said, faint).render(w, false)}
}

// then is read, with f behind what it puts.
func then(read func(context.Context) (func(), error), f func()) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		put, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return func() {
			put()
			f()
		}, nil
	}
}

// scroll is lines that are looked at through a window.
type scroll struct {
	first int // line that is shown
	ends  int // how many lines can be the first: the last is seen with the last of these
	rows  int
}

func (s *scroll) press(key string) bool {
	at, ok := moved(key, s.first, s.ends, max(s.rows, 1))
	s.first = at
	return ok
}

// draw returns the lines that are seen, and in place of the last how many more there are.
func (s *scroll) draw(lines []line, w, h int) []string {
	s.rows = max(h-1, 1)
	s.ends = max(1, len(lines)-s.rows+1)
	if len(lines) <= h {
		s.ends = 1
	}
	s.first = max(0, min(s.first, s.ends-1))
	to := min(s.first+s.rows, len(lines))
	if len(lines) <= h {
		to = len(lines)
	}
	var out []string
	for _, l := range lines[s.first:to] {
		out = append(out, l.render(w, false))
	}
	if len(lines) > h && h > 1 {
		text := fmt.Sprintf("lines %d to %d of %d", s.first+1, to, len(lines))
		out = append(out, styled(text, faint).render(w, false))
	}
	return out
}

package top

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// The lines of the screen that are not the page's: the head, the views and the title above,
// the note and the keys below.
const frame = 5

func (m *model) bodyHeight() int { return max(m.h-frame, 1) }

// View draws the screen.
func (m *model) View() tea.View {
	var v tea.View
	v.AltScreen = true
	if m.w <= 0 || m.h <= 0 {
		return v
	}
	lines := make([]string, 0, m.h)
	if m.h > frame {
		lines = append(lines, m.head().render(m.w, false), m.viewsLine().render(m.w, false), m.titleLine().render(m.w, false))
	}
	h := m.bodyHeight()
	var body []string
	if m.help {
		help := m.helpLines()
		from := scrolled(0, m.helpAt, len(help), 1)
		from = max(0, min(from, len(help)-h))
		for _, l := range help[from:min(from+h, len(help))] {
			body = append(body, l.render(m.w, false))
		}
	} else {
		body = m.top().draw(m, m.w, h)
	}
	body = body[:min(len(body), h)]
	lines = append(lines, body...)
	lines = append(lines, make([]string, h-len(body))...)
	switch {
	case m.input != nil:
		text, at := m.input.draw(m.w)
		if m.h > frame {
			v.Cursor = tea.NewCursor(at, len(lines))
		}
		lines = append(lines, text, m.foot().render(m.w, false))
	case m.ask != nil:
		lines = append(lines, styled(m.ask.text+" [y/N]", bold|magenta).render(m.w, false), m.foot().render(m.w, false))
	default:
		lines = append(lines, line{m.said()}.render(m.w, false), m.foot().render(m.w, false))
	}
	v.Content = strings.Join(lines[:min(len(lines), m.h)], "\n")
	return v
}

// head is the first line: where this is, and how old.
func (m *model) head() line {
	l := line{{"tasuki top ", bold}, {m.where, plain}}
	var right line
	if m.write {
		right = append(right, piece{" CAN WRITE ", bold | reverse})
	} else {
		right = append(right, piece{"read-only", faint})
	}
	if m.frozen {
		right = append(right, piece{"  ", plain}, piece{"HELD", bold | magenta})
	}
	at := "--:--:--"
	if m.stats != nil {
		at = m.stats.At.Format("15:04:05")
	}
	right = append(right, piece{"  " + at, plain})
	return spread(l, right, m.w)
}

// spread puts two lines at the ends of one.
func spread(left, right line, w int) line {
	room := w - right.width()
	if room < 10 { // the right end is worth less
		return left
	}
	var l line
	for _, p := range left {
		p.text = cut(clean(p.text), room-1)
		room -= width(p.text)
		l = append(l, p)
	}
	return append(append(l, piece{strings.Repeat(" ", room), plain}), right...)
}

// viewNames are those of the views.
var viewNames = []string{"Overview", "Queues", "Jobs", "Workers", "Failures", "Schedules"}

// viewsLine names the views.
func (m *model) viewsLine() line {
	var l line
	for n, p := range m.views {
		as := plain
		if p == m.stack[0] {
			as = bold | reverse
		}
		name := fmt.Sprintf(" %d %s ", n+1, viewNames[n])
		if m.w < 70 && p != m.stack[0] { // a narrow screen
			name = fmt.Sprintf(" %d ", n+1)
		}
		l = append(l, piece{name, as})
	}
	return l
}

func (m *model) titleLine() line {
	if a := m.away; a != nil {
		return styled(fmt.Sprintf("Redis cannot be asked for %s: %v", span(m.now().Sub(a.since)), a.err), red|bold|reverse)
	}
	var names []string
	for _, p := range m.stack {
		names = append(names, p.title())
	}
	if m.help {
		names = []string{"Keys"}
	}
	return styled(strings.Join(names, " › "), bold)
}

// said is the line above the keys.
func (m *model) said() piece {
	switch {
	case m.note.text != "":
		return m.note
	case m.away != nil:
		return piece{"what is shown is old; trying again", magenta}
	case m.failed != nil:
		return piece{m.failed.Error(), red | bold}
	case m.partial != nil:
		return piece{m.partial.Error(), magenta}
	}
	return piece{}
}

// foot is the last line: the keys that matter most.
func (m *model) foot() line {
	var l line
	for n, k := range m.footKeys() {
		more := line{{k[0], cyan | bold}, {" " + k[1], plain}}
		if n > 0 {
			more = append(line{{"  ", plain}}, more...)
			if l.width()+more.width() > m.w { // ? shows the others
				break
			}
		}
		l = append(l, more...)
	}
	return l
}

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
	if p, ok := m.top().(interface{ keys() [][2]string }); ok {
		keys = append(keys, p.keys()...)
	}
	return keys
}

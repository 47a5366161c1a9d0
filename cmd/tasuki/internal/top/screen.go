package top

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// frame is how many lines are not the page's: the head, the views and the title above, which a low
// screen does without, and what is said and the keys below.
func (m *model) frame() int {
	if m.isLow() {
		return 2
	}
	return 5
}

func (m *model) isLow() bool { return m.h < 8 }

func (m *model) bodyHeight() int { return max(m.h-m.frame(), 1) }

// View draws the screen.
func (m *model) View() tea.View {
	var v tea.View
	v.AltScreen = true
	if m.w <= 0 || m.h <= 0 {
		return v
	}
	lines := make([]string, 0, m.h)
	if !m.isLow() {
		lines = append(lines, m.head().render(m.w, false), m.viewsLine().render(m.w, false), m.titleLine().render(m.w, false))
	}
	said := m.said()
	h := max(m.bodyHeight()-len(said)+1, 1) // a long question takes of the page
	var body []string
	if m.help {
		help := m.helpLines()
		m.helpAt = max(0, min(m.helpAt, len(help)-h))
		for _, l := range help[m.helpAt:min(m.helpAt+h, len(help))] {
			body = append(body, l.render(m.w, false))
		}
	} else {
		body = m.top().draw(m, m.w, h)
	}
	body = body[:min(len(body), h)]
	lines = append(lines, body...)
	lines = append(lines, make([]string, h-len(body))...)
	if m.input != nil {
		text, at := m.input.draw(m.w)
		if len(lines) < m.h {
			v.Cursor = tea.NewCursor(at, len(lines))
		}
		lines = append(lines, text)
	} else {
		for _, l := range said {
			lines = append(lines, l.render(m.w, false))
		}
	}
	lines = append(lines, m.foot().render(m.w, false))
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

// viewNames are those of the views, and how they are called where there is little room.
var viewNames = [][2]string{{"Overview", "Over"}, {"Queues", "Queues"}, {"Jobs", "Jobs"}, {"Workers", "Workers"}, {"Failures", "Fails"}, {"Schedules", "Cron"},
	{"Operations", "Ops"}, {"Kinds", "Kinds"}, {"Audit", "Audit"}}

// viewsLine names the views, in the longest way for which there is room; the one that is shown in
// full.
func (m *model) viewsLine() line {
	var l line
	for _, form := range []func(n int) string{
		func(n int) string { return fmt.Sprintf(" %d %s ", n+1, viewNames[n][0]) },
		func(n int) string { return fmt.Sprintf(" %d %s", n+1, viewNames[n][1]) },
		func(n int) string { return fmt.Sprintf(" %d", n+1) },
	} {
		l = nil
		for n, p := range m.views {
			if p == m.stack[0] {
				l = append(l, piece{fmt.Sprintf(" %d %s ", n+1, viewNames[n][0]), bold | reverse})
			} else {
				l = append(l, piece{form(n), plain})
			}
		}
		if l.width() <= m.w {
			break
		}
	}
	return l
}

func (m *model) titleLine() line {
	if a := m.away; a != nil {
		return styled(fmt.Sprintf("Redis cannot be asked for %s: %v", span(m.now().Sub(a.since)), a.err), red|bold|reverse)
	}
	if m.help {
		return styled("Keys", bold)
	}
	title := m.top().title()
	for n := len(m.stack) - 2; n >= 0; n-- { // what is shown stands last, and is worth most
		longer := m.stack[n].title() + " › " + title
		if width(clean(longer)) > m.w {
			return styled("… › "+title, bold)
		}
		title = longer
	}
	return styled(title, bold)
}

// said is what stands above the keys: as many lines as it takes, and one at least.
func (m *model) said() []line {
	p := m.saying()
	var lines []line
	for _, part := range wrap(p.text, m.w) {
		lines = append(lines, styled(part, p.style))
	}
	return lines[:min(len(lines), max(1, m.h-2))]
}

func (m *model) saying() piece {
	switch {
	case m.ask != nil:
		return piece{m.ask.text + " [y/N]", bold | magenta}
	case m.note.text != "":
		return m.note
	case m.away != nil:
		return piece{"what is shown is old; trying again", magenta}
	case m.failed != nil:
		return piece{m.failed.Error(), red | bold}
	case m.partial != nil:
		return piece{m.partial.Error(), magenta}
	}
	return piece{m.following(), bold}
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

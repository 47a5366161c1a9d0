package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/legible"
)

// mark is something that has happened, such as a deploy, as pages show it.
type mark struct {
	At                time.Time
	Version, Text, By string

	// Of a chart that it is on.
	X     string // 0 to 100 from the left
	Left  bool   // its label is on the left of it
	Label string // "" if that of another is in the way
}

// Name is what it is called in short.
func (m *mark) Name() string {
	if m.Version != "" {
		return short(16, m.Version)
	}
	return short(16, m.Text)
}

func (d *Dashboard) readMarks(ctx context.Context) ([]inspect.MarkEntry, error) {
	return d.inspector.Marks(ctx, time.Time{}, time.Time{})
}

// markWidth is how much of a chart on a phone a letter of a label takes, in percent.
const markWidth = 2

// marked are those marks that are on a chart, the oldest first. at are the times of its points, the
// newest on the right, and it has room for some number of them.
func marked(all []inspect.MarkEntry, at []time.Time, room int) []mark {
	var marks []mark
	if len(at) < 2 {
		return nil
	}
	free := -1.0 // up to where the chart has no label
	for _, m := range all {
		next, _ := slices.BinarySearchFunc(at, m.At, time.Time.Compare)
		if next == 0 && m.At.Before(at[0]) {
			continue
		}
		place := float64(len(at) - 1)
		if next > 0 && next < len(at) {
			place = float64(next) - float64(at[next].Sub(m.At))/float64(at[next].Sub(at[next-1]))
		} else if next == 0 {
			place = 0
		}
		x := 100 - (float64(len(at)-1)-place)*100/float64(max(room-1, 1))
		one := newMark(&m)
		one.X = fmt.Sprintf("%.2f", x)
		width := float64(markWidth * utf8.RuneCountInString(one.Name()))
		from := x
		if one.Left = x+width > 100; one.Left {
			from = x - width
		}
		if from > free {
			one.Label = one.Name()
			free = max(x, from+width)
		}
		marks = append(marks, one)
	}
	return marks
}

func newMark(m *inspect.MarkEntry) mark {
	return mark{At: m.At, Version: legible.Lines(m.Version), Text: legible.Lines(m.Text), By: legible.Lines(m.By)}
}

// lastMarks are the last few, the last one first.
func lastMarks(all []inspect.MarkEntry, most int) []mark {
	var last []mark
	for n := len(all) - 1; n >= 0 && len(last) < most; n-- {
		last = append(last, newMark(&all[n]))
	}
	return last
}

// Marks are those of the chart.
func (p *metricsPage) Marks() []mark {
	at := make([]time.Time, len(p.Points))
	for n := range p.Points {
		at[n] = p.Points[n].At
	}
	return marked(p.marks, at, len(at))
}

// MarkSeries are they as JSON, for the charts: [seconds, name].
func (p *metricsPage) MarkSeries() string {
	series := [][2]any{}
	for _, m := range p.Marks() {
		series = append(series, [2]any{m.At.Unix(), m.Name()})
	}
	text, err := json.Marshal(series)
	if err != nil {
		return "[]" // numbers and texts can be written
	}
	return string(text)
}

// mostMarks is how many the page of metrics lists.
const mostMarks = 50

// Listed are those of the chart, the last one first.
func (p *metricsPage) Listed() []mark {
	return lastMarks(p.marks, min(len(p.Marks()), mostMarks))
}

// Marks are those of the last minutes.
func (p *overviewPage) Marks() []mark {
	at := make([]time.Time, len(p.Past))
	for n := range p.Past {
		at[n] = p.Past[n].At
	}
	return marked(p.marks, at, mostPast)
}

// Listed are the last few, also those before the chart.
func (p *overviewPage) Listed() []mark { return lastMarks(p.marks, 3) }

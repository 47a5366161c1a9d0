package cron

import (
	"fmt"
	"strconv"
	"strings"
)

// japanese explains in Japanese.
type japanese struct{ *Schedule }

func (j japanese) sentence() string {
	if j.every > 0 {
		return j.interval() + "ごと(1970-01-01 00:00:00 UTCから数える)"
	}
	days, clock := j.days(), j.clockPart()
	switch {
	case days == "":
	case days == "毎日":
		clock = days + clock
	case j.times() != nil && !strings.HasSuffix(clock, "ごと"):
		clock = days + "の" + clock
	default:
		clock = days + "、" + clock
	}
	return clock + " (" + j.clock.zone.String() + ")"
}

func (j japanese) interval() string {
	text, rest := "", j.every
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{3600, "時間"}, {60, "分"}, {1, "秒"}} {
		if n := rest / unit.seconds; n > 0 {
			text += strconv.FormatInt(n, 10) + unit.name
		}
		rest %= unit.seconds
	}
	return text
}

// numbers writes a set with a unit behind each number.
func (j japanese) numbers(s set, unit string) string {
	return j.names(s, func(n int) string { return strconv.Itoa(n) + unit }, unit)
}

func (japanese) names(s set, name func(int) string, unit string) string {
	return strings.Join(s.pieces(name,
		func(lo, hi string) string { return lo + "から" + hi },
		func(lo, hi string, step int) string {
			return fmt.Sprintf("%sから%sまで%d%sごと", lo, hi, step, unit)
		}), "、")
}

// clockPart says at which times of a day.
func (j japanese) clockPart() string {
	h, m, sec := j.hour.plain, j.minute.plain, j.second.plain
	step, regular := h.regular()
	first, last := j.time(h.first(), m.first(), sec.first()), j.time(h.last(), m.last(), sec.last())
	single := m.count() == 1 && sec.count() == 1
	inRow := regular && step == 1
	between := first + "から" + last + "まで"
	switch minutes, ok := m.cycle(60); {
	case h == span(0, 23) && m == span(0, 59) && sec == 1:
		return "毎分"
	case single && regular && h.count() > 2 && h != span(0, 23):
		return fmt.Sprintf("%s%d時間ごと", between, step)
	case j.times() != nil:
		return strings.Join(j.times(), "、")
	case sec == 1 && ok && h == span(0, 23):
		return j.each(minutes, "分")
	case sec == 1 && ok && (inRow || h.count() == 1):
		return between + j.each(minutes, "分")
	}
	if step, ok := m.cycle(60); ok && sec == 1 {
		return j.numbers(h, "時") + "に" + j.each(step, "分")
	}
	of := ""
	switch {
	case h == span(0, 23) && m == span(0, 59):
		of = "毎分"
	case h == span(0, 23):
		of = "毎時" + j.numbers(m, "分")
	case m == span(0, 59):
		of = j.numbers(h, "時") + "の毎分"
	default:
		of = j.numbers(h, "時") + "の" + j.numbers(m, "分")
	}
	seconds, inCycle := sec.cycle(60)
	switch {
	case sec == 1:
		return of
	case inCycle && of == "毎分":
		return j.each(seconds, "秒")
	case inCycle:
		return of + "に" + j.each(seconds, "秒")
	case of == "毎分":
		return of + j.numbers(sec, "秒")
	}
	return of + "の" + j.numbers(sec, "秒")
}

// each writes 毎分, 5分ごと.
func (japanese) each(step int, unit string) string {
	if step == 1 {
		return "毎" + unit
	}
	return fmt.Sprintf("%d%sごと", step, unit)
}

// days says on which days. It is empty for all days, unless the times begin anew
// each day.
func (j japanese) days() string {
	months := "毎月"
	if j.month.plain != span(1, 12) {
		months = j.numbers(j.month.plain, "月")
	}
	dates, weekdays := j.dates(months), j.weekdays(months)
	switch {
	case j.either():
		return dates + "または" + weekdays
	case dates != "" && weekdays != "":
		return weekdays + "で、かつ" + dates
	case dates != "" || weekdays != "":
		return dates + weekdays
	case months != "毎月":
		return months + "の毎日"
	case j.hour.plain != span(0, 23):
		return "毎日"
	}
	return ""
}

// dates is empty if all are meant.
func (j japanese) dates(months string) string {
	d := j.date
	if d.wildcard && d.plain == span(1, 31) {
		return ""
	}
	if j.month.plain.count() > 1 && months != "毎月" {
		months += "の"
	}
	var parts []string
	if d.plain != 0 {
		parts = append(parts, j.numbers(d.plain, "日"))
	}
	for n := range d.fromLast.all() {
		if n == 0 {
			parts = append(parts, "末日")
		} else {
			parts = append(parts, fmt.Sprintf("末日の%d日前", n))
		}
	}
	for n := range d.nearest.all() {
		parts = append(parts, fmt.Sprintf("%d日に最も近い平日(月〜金)", n))
	}
	if d.lastWorkday {
		parts = append(parts, "最後の平日(月〜金)")
	}
	return months + strings.Join(parts, "、")
}

// weekdays is empty if all are meant.
func (j japanese) weekdays(months string) string {
	w := j.weekday
	if w.wildcard && w.plain == span(0, 6) {
		return ""
	}
	name := func(n int) string { return string([]rune("日月火水木金土")[n%7]) + "曜日" }
	in := ""
	if months != "毎月" {
		in = months + "の"
		months = in
	}
	var parts []string
	if w.plain != 0 {
		parts = append(parts, in+"毎週"+j.names(mondayFirst(w.plain), name, "日"))
	}
	var special []string
	for i, days := range w.nth {
		for n := range days.all() {
			special = append(special, fmt.Sprintf("第%d%s", i, name(n)))
		}
	}
	for n := range w.lastOf.all() {
		special = append(special, "最終"+name(n))
	}
	if special != nil {
		parts = append(parts, months+strings.Join(special, "、"))
	}
	return strings.Join(parts, "と")
}

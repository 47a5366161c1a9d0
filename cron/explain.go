package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Explain says in words when an entry runs: in English ("en"), or in Japanese
// ("ja"). Two schedules have the same words only if they name the same times.
func (s *Schedule) Explain(lang string) string {
	if lang == "ja" {
		return japanese{s}.sentence()
	}
	return english{s}.sentence()
}

// mostTimes is how many times of a day are told one by one.
const mostTimes = 6

// times returns the times of a day, if they are few.
func (s *Schedule) times() []string {
	h, m, sec := s.hour.plain, s.minute.plain, s.second.plain
	if h.count()*m.count()*sec.count() > mostTimes {
		return nil
	}
	var all []string
	for h := range h.all() {
		for m := range m.all() {
			for sec := range sec.all() {
				all = append(all, s.time(h, m, sec))
			}
		}
	}
	return all
}

// time writes a time of the day, without the second if all are at second 0.
func (s *Schedule) time(h, m, sec int) string {
	if s.second.plain == 1 {
		return fmt.Sprintf("%02d:%02d", h, m)
	}
	return fmt.Sprintf("%02d:%02d:%02d", h, m, sec)
}

// regular tells whether the numbers of a set are all the same step apart.
func (s set) regular() (step int, ok bool) {
	if s.count() < 2 {
		return 0, false
	}
	next, _ := s.from(s.first() + 1)
	step = next - s.first()
	for n := range s.all() {
		if n != s.first() && !s.has(n-step) {
			return 0, false
		}
	}
	return step, (s.last()-s.first())/step == s.count()-1
}

// cycle returns the step of a set that goes from 0 round a clock of n numbers in
// equal steps.
func (s set) cycle(n int) (step int, ok bool) {
	step, ok = s.regular()
	return step, ok && s.has(0) && s.count()*step == n
}

// pieces writes a set as a list. What has four or more regular numbers is a range,
// and so is any piece of three or more in a row.
func (s set) pieces(one func(n int) string, to func(lo, hi string) string, steps func(lo, hi string, step int) string) []string {
	if step, ok := s.regular(); ok && step > 1 && s.count() > 4 {
		return []string{steps(one(s.first()), one(s.last()), step)}
	}
	var all []string
	for rest := s; rest != 0; {
		lo := rest.first()
		hi := lo
		for hi < 63 && rest.has(hi+1) {
			hi++
		}
		rest &^= span(lo, hi)
		if hi-lo >= 2 {
			all = append(all, to(one(lo), one(hi)))
			continue
		}
		for n := lo; n <= hi; n++ {
			all = append(all, one(n))
		}
	}
	return all
}

// english explains in English.
type english struct{ *Schedule }

func (e english) sentence() string {
	if e.every > 0 {
		return "Every " + e.interval() + ", counted from 1970-01-01 00:00:00 UTC"
	}
	text := e.clockPart()
	switch days := e.days(); {
	case strings.HasPrefix(days, "on "):
		text += " " + days
	case days != "":
		text += ", " + days
	}
	return strings.ToUpper(text[:1]) + text[1:] + " (" + e.clock.zone.String() + ")"
}

func (e english) interval() string {
	var parts []string
	rest := e.every
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{3600, "hour"}, {60, "minute"}, {1, "second"}} {
		if n := rest / unit.seconds; n > 0 {
			parts = append(parts, plural(int(n), unit.name))
		}
		rest %= unit.seconds
	}
	if text, ok := strings.CutPrefix(strings.Join(parts, " "), "1 "); ok && len(parts) == 1 {
		return text
	}
	return strings.Join(parts, " ")
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// list writes A, B and C.
func (english) list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// numbers writes a set behind the name of what it counts: minute 5, days 1 and 15.
func (e english) numbers(unit string, s set) string {
	if s.count() > 1 {
		unit += "s"
	}
	return unit + " " + e.names(s, strconv.Itoa)
}

func (e english) names(s set, name func(int) string) string {
	return e.list(s.pieces(name,
		func(lo, hi string) string { return lo + " to " + hi },
		func(lo, hi string, step int) string { return fmt.Sprintf("%s to %s in steps of %d", lo, hi, step) }))
}

// clockPart says at which times of a day.
func (e english) clockPart() string {
	h, m, sec := e.hour.plain, e.minute.plain, e.second.plain
	step, regular := h.regular()
	first, last := e.time(h.first(), m.first(), sec.first()), e.time(h.last(), m.last(), sec.last())
	single := m.count() == 1 && sec.count() == 1
	inRow := regular && step == 1
	switch minutes, ok := m.cycle(60); {
	case h == span(0, 23) && m == span(0, 59) && sec == 1:
		return "every minute"
	case h == span(0, 23) && single && m == 1 && sec == 1:
		return "every hour, on the hour"
	case single && regular && h.count() > 2 && h != span(0, 23):
		return e.each(step, "hour") + " from " + first + " to " + last
	case e.times() != nil:
		return "at " + e.list(e.times())
	case sec == 1 && ok && h == span(0, 23):
		return e.each(minutes, "minute")
	case sec == 1 && ok && (inRow || h.count() == 1):
		return e.each(minutes, "minute") + " from " + first + " to " + last
	}
	hours := "every hour"
	if h != span(0, 23) {
		hours = e.numbers("hour", h)
	}
	minutes := e.numbers("minute", m)
	if m == span(0, 59) {
		minutes = "every minute"
	}
	if step, ok := m.cycle(60); ok && sec == 1 {
		return e.each(step, "minute") + " of " + hours
	}
	of := minutes + " of " + hours
	if m == span(0, 59) && h == span(0, 23) {
		of = minutes
	}
	seconds, inCycle := sec.cycle(60)
	switch {
	case sec == 1:
		return "at " + of
	case inCycle && of == "every minute":
		return e.each(seconds, "second")
	case inCycle:
		return e.each(seconds, "second") + " of " + of
	}
	return "at " + e.numbers("second", sec) + " of " + of
}

// each writes every minute, every 5 minutes.
func (english) each(step int, unit string) string {
	if step == 1 {
		return "every " + unit
	}
	return fmt.Sprintf("every %d %ss", step, unit)
}

var (
	weekdayNames = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	ordinals     = []string{"", "first", "second", "third", "fourth", "fifth"}
)

func monthName(n int) string { return time.Month(n).String() }

func weekdayName(n int) string { return weekdayNames[n] }

// mondayFirst moves Sunday behind Saturday, where a list of days has it.
func mondayFirst(s set) set {
	if s.has(0) {
		return s&^1 | span(7, 7)
	}
	return s
}

// days says on which days. It is empty for all days, unless the times begin anew
// each day.
func (e english) days() string {
	months := "every month"
	if e.month.plain != span(1, 12) {
		months = e.names(e.month.plain, monthName)
	}
	dates, weekdays := e.dates(months), e.weekdays(months)
	switch {
	case e.either():
		return dates + ", and " + weekdays
	case dates != "" && weekdays != "":
		return weekdays + ", but only " + dates
	case dates != "" || weekdays != "":
		return dates + weekdays
	case e.month.plain != span(1, 12):
		return "every day in " + months
	case e.hour.plain != span(0, 23):
		return "every day"
	}
	return ""
}

// dates is empty if all are meant.
func (e english) dates(months string) string {
	d := e.date
	if d.wildcard && d.plain == span(1, 31) {
		return ""
	}
	if d.plain.count() == 1 && d.fromLast|d.nearest == 0 && !d.lastWorkday && e.month.plain.count() == 1 {
		return fmt.Sprintf("on %d %s", d.plain.first(), months)
	}
	var parts []string
	if d.plain != 0 {
		parts = append(parts, e.numbers("day", d.plain))
	}
	for n := range d.fromLast.all() {
		switch n {
		case 0:
			parts = append(parts, "the last day")
		case 1:
			parts = append(parts, "the day before the last")
		default:
			parts = append(parts, fmt.Sprintf("the day %d days before the last", n))
		}
	}
	for n := range d.nearest.all() {
		parts = append(parts, fmt.Sprintf("the weekday nearest to day %d", n))
	}
	if d.lastWorkday {
		parts = append(parts, "the last weekday")
	}
	return "on " + e.list(parts) + " of " + months
}

// weekdays is empty if all are meant.
func (e english) weekdays(months string) string {
	w := e.weekday
	if w.wildcard && w.plain == span(0, 6) {
		return ""
	}
	var parts []string
	if w.plain != 0 {
		text := e.names(mondayFirst(w.plain), func(n int) string { return weekdayName(n % 7) })
		if !strings.Contains(text, " to ") || strings.Contains(text, " and ") {
			text = "every " + text
		}
		if months != "every month" {
			text += " in " + months
		}
		parts = append(parts, text)
	}
	var special []string
	for i, days := range w.nth {
		for n := range days.all() {
			special = append(special, "the "+ordinals[i]+" "+weekdayName(n))
		}
	}
	for n := range w.lastOf.all() {
		special = append(special, "the last "+weekdayName(n))
	}
	if special != nil {
		parts = append(parts, "on "+e.list(special)+" of "+months)
	}
	return e.list(parts)
}

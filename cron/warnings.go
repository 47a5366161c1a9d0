package cron

import (
	"fmt"
	"strings"
	"time"
)

// Warnings returns what the writer of the expression may not have meant, each in a
// sentence: none for most. What it says of clocks that go forward and back is for
// the year that begins now.
func (s *Schedule) Warnings() []string { return s.warnings(time.Now()) }

func (s *Schedule) warnings(now time.Time) []string {
	if s.every > 0 {
		return nil
	}
	var all []string
	for _, more := range [][]string{s.warnOften(), s.warnDays(), s.warnSteps(), s.warnShortMonths(), s.warnLast(), s.warnClocks(now)} {
		all = append(all, more...)
	}
	return all
}

// warnOften is for * 0 * * *, which was meant to run once.
func (s *Schedule) warnOften() []string {
	h, m, sec := s.hour.plain, s.minute.plain, s.second.plain
	if sec == span(0, 59) && m.count() < 60 {
		return []string{fmt.Sprintf("the second is *: it runs in every second of a minute, %d times a day; with 0 it runs once in the minute", 60*m.count()*h.count())}
	}
	if m == span(0, 59) && h.count() < 24 {
		return []string{fmt.Sprintf("the minute is *: it runs in every minute of an hour, %d times a day; with 0 it runs once in the hour", 60*sec.count()*h.count())}
	}
	return nil
}

// restricted tells whether a day field leaves out some days.
func (v *values) restricted(all set) bool { return !v.wildcard || v.plain != all }

func (s *Schedule) warnDays() []string {
	switch {
	case s.either():
		return []string{"day of month and day of week are both given: it runs on every day that one of the two allows, as in crontab"}
	case s.date.restricted(span(1, 31)) && s.weekday.restricted(span(0, 6)):
		return []string{"one of the two day fields begins with * and has a step: it runs only on days that both of them allow, as in crontab"}
	}
	return nil
}

// warnSteps is for steps that do not come out even where the field begins anew.
func (s *Schedule) warnSteps() []string {
	var all []string
	for _, f := range []struct {
		values
		of   int // numbers, or 0 if that differs
		name string
		unit string
	}{
		{s.second, 60, "second", "minute"}, {s.minute, 60, "minute", "hour"}, {s.hour, 24, "hour", "day"},
		{s.date, 0, "day of month", "month"}, {s.month, 12, "month", "year"}, {s.weekday, 7, "day of week", "week"},
	} {
		if f.step < 2 || f.of != 0 && f.of%f.step == 0 {
			continue
		}
		numbers := english{s}.names(f.plain, func(n int) string { return fmt.Sprint(n) })
		all = append(all, fmt.Sprintf("%s: a step of %d begins anew with every %s: it runs at %s, and the time from the last of these to the next is another", f.name, f.step, f.unit, numbers))
	}
	return all
}

// warnShortMonths is for days that some months do not have.
func (s *Schedule) warnShortMonths() []string {
	var without, leap set
	var what string
	note := func(text string, day int) {
		for month := range s.month.plain.all() {
			switch {
			case daysIn(2023, time.Month(month)) >= day:
				continue
			case daysIn(2024, time.Month(month)) >= day:
				leap |= span(month, month)
			default:
				without |= span(month, month)
			}
			what = text
		}
	}
	if !s.date.wildcard && s.date.plain != 0 {
		note(fmt.Sprint("day ", s.date.plain.last()), s.date.plain.last())
	}
	if s.date.nearest != 0 {
		note(fmt.Sprintf("%dW", s.date.nearest.last()), s.date.nearest.last())
	}
	if s.date.fromLast != 0 {
		note(fmt.Sprintf("L-%d", s.date.fromLast.last()), s.date.fromLast.last()+1)
	}
	var in []string
	if without != 0 {
		in = append(in, "in "+english{s}.names(without, monthName))
	}
	if leap != 0 {
		in = append(in, "in February of most years")
	}
	var all []string
	if in != nil {
		all = append(all, fmt.Sprintf("there is no %s %s, and no run for it; L is the last day of every month", what, strings.Join(in, ", nor ")))
	}
	if s.weekday.nth[5] != 0 {
		all = append(all, "many months have no fifth of a weekday, and no run for it; 5L is the last Friday of every month")
	}
	return all
}

// warnLast is for what other programs read in another way.
func (s *Schedule) warnLast() []string {
	var all []string
	if s.weekday.lastOf != 0 || s.weekday.nth != [6]set{} {
		for _, word := range strings.FieldsFunc(s.text, func(r rune) bool { return r == ' ' || r == ',' }) {
			before, _, numbered := strings.Cut(word, "#")
			if day, last := strings.CutSuffix(word, "L"); last {
				before, numbered = day, true
			}
			if n, ok := number(before); ok && numbered {
				all = append(all, fmt.Sprintf("%s: day %d of the week is %s here, as in crontab; in Quartz it is the day before that", word, n, weekdayName(n%7)))
				break
			}
		}
	}
	if s.date.nearest != 0 || s.date.lastWorkday {
		text := "W means Monday to Friday: it knows of no holidays"
		if s.date.nearest != 0 {
			text += ", and never goes into another month"
		}
		all = append(all, text)
	}
	return all
}

// warnClocks is for times that clocks leave out or show twice within a year.
func (s *Schedule) warnClocks(now time.Time) []string {
	if s.wild() && s.hour.plain == span(0, 23) {
		return nil // nobody expects it at a certain time
	}
	var all []string
	told := map[bool]bool{} // by whether they go forward
	for p := s.clock.at(now.Unix()); p.end < now.AddDate(1, 0, 0).Unix(); {
		next := s.clock.at(p.end)
		from, to := next.start+p.offset, next.start+next.offset
		forward := to > from
		if r, ok := s.nextReading(min(from, to)); ok && r < max(from, to) && !told[forward] {
			told[forward] = true
			all = append(all, fmt.Sprintf("on %s the clocks of %s go from %s to %s: %s", utc(from).Format(time.DateOnly), s.clock.zone, timeOf(from), timeOf(to), s.atChange(timeOf(r), timeOf(to), forward)))
		}
		p = next
	}
	return all
}

// atChange says what becomes of a run when clocks leave out its time, or show it twice.
func (s *Schedule) atChange(at, to string, forward bool) string {
	switch {
	case s.wild() && forward:
		return fmt.Sprintf("with a wildcard in minute or hour there is no run for what they leave out, such as %s", at)
	case s.wild():
		return fmt.Sprintf("with a wildcard in minute or hour it runs again at what comes twice, such as %s", at)
	case forward:
		return fmt.Sprintf("the run of %s, which they leave out, is at %s", at, to)
	}
	return fmt.Sprintf("%s comes twice, and it runs the first time only", at)
}

// utc returns what a clock shows as a time that prints so.
func utc(reading int64) time.Time { return time.Unix(reading, 0).UTC() }

// timeOf writes the time of the day that a clock shows.
func timeOf(reading int64) string {
	if reading%60 != 0 {
		return utc(reading).Format(time.TimeOnly)
	}
	return utc(reading).Format("15:04")
}

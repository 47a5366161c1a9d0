package cron

import "time"

// Times are counted in two ways here, both in seconds. An instant is a Unix time. A
// reading is what the clock of the schedule's zone shows: the Unix time of UTC at
// which a clock there shows the same.
//
// Neither is a function of the other alone: in a gap, when clocks go forward,
// readings are left out, and in an overlap, when they go back, readings come twice.
//
// An entry whose minute or hour is a wildcard runs at every instant whose reading
// matches. Any other has fixed times: it runs once for each reading that matches, at
// the first instant at which the clock shows it or more. That is the reading's first
// occurrence in an overlap, and the end of the gap if it lies in one. A day that a
// gap leaves out as a whole is no day of the calendar there, and has no runs.

const (
	day = 24 * 60 * 60

	// No clock differs from UTC by more.
	maxOffset = day
)

// What JSON and RFC 3339 can say.
var (
	minInstant = time.Date(0, 1, 2, 0, 0, 0, 0, time.UTC).Unix()
	maxInstant = time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
)

// Next returns the first run that is later than after, in the zone of the schedule.
// The zero time says that there is none before the end of the year 9999.
func (s *Schedule) Next(after time.Time) time.Time {
	u := max(after.Unix(), minInstant)
	if u >= maxInstant {
		return time.Time{}
	}
	var ok bool
	switch {
	case s.every > 0:
		u, ok = (floor(u, s.every)+1)*s.every, true
	case s.wild():
		u, ok = s.nextWild(u)
	default:
		u, ok = s.nextFixed(u)
	}
	if !ok || u > maxInstant {
		return time.Time{}
	}
	return time.Unix(u, 0).In(s.clock.zone)
}

// wild tells whether an entry follows elapsed time.
func (s *Schedule) wild() bool { return s.minute.wildcard || s.hour.wildcard }

// nextWild returns the first instant later than u whose reading matches.
func (s *Schedule) nextWild(u int64) (int64, bool) {
	for u++; u <= maxInstant; {
		p := s.clock.at(u)
		r, ok := s.nextReading(u + p.offset)
		if !ok {
			return 0, false
		}
		if r-p.offset < p.end {
			return r - p.offset, true
		}
		u = p.end
	}
	return 0, false
}

// nextFixed returns the first instant later than u at which the clock first shows a
// reading that matches, or has just left it out.
func (s *Schedule) nextFixed(u int64) (int64, bool) {
	r := s.clock.shown(u) + 1
	for {
		var ok bool
		if r, ok = s.nextReading(r); !ok {
			return 0, false
		}
		next, p := s.clock.first(r)
		if r < next+p.offset { // in a gap
			begin, gapBegin := floor(r, day)*day, next+s.clock.at(next-1).offset
			if gapBegin <= begin && begin+day <= next+p.offset {
				r = begin + day
				continue
			}
		}
		return next, true
	}
}

// nextReading returns the first reading from r on that matches.
func (s *Schedule) nextReading(r int64) (int64, bool) {
	today := floor(r, day)
	year, month, date := time.Unix(r, 0).UTC().Date()
	dates := set(0)
	if s.month.plain.has(int(month)) {
		dates = s.datesOf(year, month)
	}
	if dates.has(date) {
		if t, ok := s.timeFrom(int(r - today*day)); ok {
			return today*day + int64(t), true
		}
	}
	next, ok := dates.from(date + 1)
	for !ok {
		m, sameYear := s.month.plain.from(int(month) + 1)
		if !sameYear {
			m = s.month.plain.first()
			if year++; year > 9999 {
				return 0, false
			}
		}
		month = time.Month(m)
		next, ok = s.datesOf(year, month).from(1)
	}
	t, _ := s.timeFrom(0)
	return time.Date(year, month, next, 0, 0, t, 0, time.UTC).Unix(), true
}

// timeFrom returns the first second of a day from t on that matches.
func (s *Schedule) timeFrom(t int) (int, bool) {
	hour, minute, second := t/3600, t/60%60, t%60
	h, ok := s.hour.plain.from(hour)
	if !ok {
		return 0, false
	}
	if h > hour {
		return h*3600 + s.minute.plain.first()*60 + s.second.plain.first(), true
	}
	m, ok := s.minute.plain.from(minute)
	if ok && m == minute {
		if sec, ok := s.second.plain.from(second); ok {
			return h*3600 + m*60 + sec, true
		}
		m, ok = s.minute.plain.from(minute + 1)
	}
	if ok {
		return h*3600 + m*60 + s.second.plain.first(), true
	}
	if h, ok = s.hour.plain.from(hour + 1); !ok {
		return 0, false
	}
	return h*3600 + s.minute.plain.first()*60 + s.second.plain.first(), true
}

// datesOf returns the days of a month that match.
func (s *Schedule) datesOf(year int, month time.Month) set {
	days := daysIn(year, month)
	if s.plainDates {
		return s.date.plain & span(1, days)
	}
	first := int(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday())
	weekday := func(date int) int { return (first + date - 1) % 7 }

	byDate := s.date.plain
	for n := range s.date.fromLast.all() {
		if n < days {
			byDate |= span(days-n, days-n)
		}
	}
	for n := range s.date.nearest.all() {
		if n <= days {
			n = nearestWorkday(n, weekday(n), days)
			byDate |= span(n, n)
		}
	}
	if s.date.lastWorkday {
		n := nearestWorkday(days, weekday(days), days)
		byDate |= span(n, n)
	}

	byWeekday := set(0)
	of := func(n int) set { // the days that are the weekday n
		return (1 | 1<<7 | 1<<14 | 1<<21 | 1<<28) << (1 + (n-first+7)%7) & span(1, days)
	}
	for n := range s.weekday.plain.all() {
		byWeekday |= of(n)
	}
	for n := range s.weekday.lastOf.all() {
		last := of(n).last()
		byWeekday |= span(last, last)
	}
	for i, weekdays := range s.weekday.nth {
		for n := range weekdays.all() {
			if nth := of(n).first() + 7*(i-1); nth <= days {
				byWeekday |= span(nth, nth)
			}
		}
	}
	if s.either() {
		return (byDate | byWeekday) & span(1, days)
	}
	return byDate & byWeekday & span(1, days)
}

// either tells whether a day matches that one of the two day fields allows. Else
// both have to.
func (s *Schedule) either() bool { return !s.date.wildcard && !s.weekday.wildcard }

// nearestWorkday returns the day from Monday to Friday that is nearest to a date, in
// the same month.
func nearestWorkday(date, weekday, days int) int {
	switch {
	case weekday == 6 && date == 1:
		return 3
	case weekday == 6:
		return date - 1
	case weekday == 0 && date == days:
		return date - 2
	case weekday == 0:
		return date + 1
	}
	return date
}

func daysIn(year int, month time.Month) int {
	if month == time.February {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + int(month+month>>3)&1
}

// floor is n/by, rounded down.
func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

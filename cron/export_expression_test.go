package cron

import "time"

// WarningsAt is Warnings of another time.
func (s *Schedule) WarningsAt(now time.Time) []string { return s.warnings(now) }

// Matches tells whether the fields allow a run, seen from the clock that it is by: the
// time it shows, or for fixed times one that it has just left out.
func Matches(s *Schedule, at time.Time) bool {
	if s.every > 0 {
		return at.Unix()%s.every == 0
	}
	fits := func(t time.Time) bool {
		return s.second.plain.has(t.Second()) && s.minute.plain.has(t.Minute()) && s.hour.plain.has(t.Hour()) &&
			s.month.plain.has(int(t.Month())) && s.datesOf(t.Year(), t.Month()).has(t.Day())
	}
	if fits(at) {
		return true
	}
	_, before := at.Add(-time.Second).Zone()
	_, now := at.Zone()
	for left := before; left < now && !s.wild(); left++ {
		if fits(at.In(time.FixedZone("", left))) {
			return true
		}
	}
	return false
}

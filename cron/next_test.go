package cron_test

import (
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
)

// schedule parses an expression, for an entry with the name x.
func schedule(t testing.TB, expr, zone string) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(expr, zone, "x")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about, expr, zone string
		after             string
		want              []string
	}{
		{"it is later than after", "0 9 * * *", "UTC", "2026-01-01T09:00:00Z", []string{"2026-01-02T09:00:00Z"}},
		{"a part of a second before", "0 9 * * *", "UTC", "2026-01-01T08:59:59.999999999Z", []string{"2026-01-01T09:00:00Z"}},
		{"a part of a second behind", "0 9 * * *", "UTC", "2026-01-01T09:00:00.000000001Z", []string{"2026-01-02T09:00:00Z"}},
		{"before 1970", "0 9 * * *", "UTC", "1900-12-31T23:59:59.5Z", []string{"1901-01-01T09:00:00Z"}},
		{"on the last day of a leap year that no file lists", "0 */12 * * *", "America/New_York", "2048-12-31T02:00:00Z", []string{"2048-12-31T05:00:00Z", "2048-12-31T17:00:00Z", "2049-01-01T05:00:00Z"}},
		{"seconds", "*/20 59 23 31 12 *", "UTC", "2026-12-31T23:59:19Z", []string{"2026-12-31T23:59:20Z", "2026-12-31T23:59:40Z", "2027-12-31T23:59:00Z"}},
		{"leap days", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"once in 40 years", "0 0 * 2 MON#5", "UTC", "2072-03-01T00:00:00Z", []string{"2112-02-29T00:00:00Z"}},
		{"last days", "0 0 L * *", "UTC", "2028-01-31T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"}},
		{"L-30", "0 0 L-30 * *", "UTC", "2026-01-02T00:00:00Z", []string{"2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"}},
		{"1W of a month that begins on Saturday", "0 0 1W * *", "UTC", "2026-07-02T00:00:00Z", []string{"2026-08-03T00:00:00Z"}},
		{"31W of a month that ends on Sunday", "0 0 31W * *", "UTC", "2026-05-02T00:00:00Z", []string{"2026-05-29T00:00:00Z"}},
		{"LW of a month that ends on Sunday", "0 0 LW * *", "UTC", "2026-05-02T00:00:00Z", []string{"2026-05-29T00:00:00Z", "2026-06-30T00:00:00Z"}},
		{"the last Friday", "0 0 * * 5L", "UTC", "2026-01-01T00:00:00Z", []string{"2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"}},
		{"Sunday is 7 too", "0 0 * * 7L", "UTC", "2026-01-01T00:00:00Z", []string{"2026-01-25T00:00:00Z"}},
		{"either day", "0 0 13 * FRI", "UTC", "2026-02-12T00:00:00Z", []string{"2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"}},
		{"both days with a step", "0 0 */10 * MON", "UTC", "2026-01-01T00:00:00Z", []string{"2026-05-11T00:00:00Z", "2026-06-01T00:00:00Z"}},
		{"any of the weekdays as a range is given too", "0 0 13 * 0-6", "UTC", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z"}},

		{"gap: the first instant behind it", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"gap: all that lie in it are one", "0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"}},
		{"gap: after its end there is no run for it", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", []string{"2026-03-30T00:30:00Z"}},
		{"gap: wildcards leave it out", "*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-30T00:00:00Z"}},
		{"gap: wildcards go on", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z"}},
		{"gap: a second with * is no wildcard", "* 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-30T00:30:01Z"}},
		{"overlap: the first occurrence", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"overlap: in its second pass", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"overlap: between the passes", "15 2,3 * * *", "Europe/Berlin", "2026-10-25T00:20:00Z", []string{"2026-10-25T02:15:00Z"}},
		{"overlap: wildcards run in both", "*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:00:00Z"}},
		{"a midnight that is not there", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		{"a midnight that clocks go back to", "30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z", []string{"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}},
		{"the end of a day that is not there", "45 23 * * *", "Asia/Pyongyang", "2018-05-04T00:00:00Z", []string{"2018-05-04T15:00:00Z", "2018-05-05T14:45:00Z"}},
		{"half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"half an hour back", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		{"winter is the other time in Dublin", "30 1 * * *", "Europe/Dublin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"two hours", "30 1 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T23:30:00Z"}},
		{"a day that is not there", "0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", []string{"2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"}},
		{"nothing on a day that is not there", "0 12 30 * *", "Pacific/Apia", "2011-12-01T00:00:00Z", []string{"2012-01-29T22:00:00Z"}},
		{"wildcards on a day that is not there", "*/30 * 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", []string{"2012-12-29T10:00:00Z"}},
		{"a day that comes twice", "0 12 * * *", "America/Juneau", "1867-10-17T00:00:00Z", []string{"1867-10-17T20:57:41Z", "1867-10-18T20:57:41Z", "1867-10-20T20:57:41Z"}},
		{"a gap of seconds", "30 44 0 * * *", "Africa/Monrovia", "1972-01-06T12:00:00Z", []string{"1972-01-07T00:44:30Z", "1972-01-08T00:44:30Z"}},
		{"in a gap of seconds", "0 20 0 * * *", "Africa/Monrovia", "1972-01-06T12:00:00Z", []string{"1972-01-07T00:44:30Z", "1972-01-08T00:20:00Z"}},
		{"an overlap of seconds", "50 59 23 * * *", "Europe/Paris", "1911-03-10T12:00:00Z", []string{"1911-03-10T23:50:29Z", "1911-03-11T23:59:50Z"}},

		{"every: multiples since 1970", "@every 7h", "Asia/Tokyo", "1970-01-01T00:00:00Z", []string{"1970-01-01T07:00:00Z", "1970-01-01T14:00:00Z"}},
		{"every, whatever comes before", "@every 90s", "UTC", "2026-01-01T00:00:01Z", []string{"2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z"}},
		{"every, before 1970", "@every 1m", "UTC", "1969-12-31T23:59:00.5Z", []string{"1970-01-01T00:00:00Z"}},
	} {
		s := schedule(t, c.expr, c.zone)
		at := instant(t, c.after)
		for _, want := range c.want {
			at = s.Next(at)
			if !at.Equal(instant(t, want)) || at.Location() != s.Zone() {
				t.Errorf("%s: %s after %s: %s, want %s", c.about, s, c.after, at.Format(time.RFC3339Nano), instant(t, want).In(s.Zone()))
				break
			}
		}
	}
}

// What no clock can show has no run, and no time is too far away to ask for.
func TestNever(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{"* * * * *", "0 0 * * *", "@every 1h"} {
		s := schedule(t, expr, "Europe/Berlin")
		if at := s.Next(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)); !at.IsZero() {
			t.Errorf("%s: %v", expr, at)
		}
		if at := s.Next(time.Unix(1<<62, 0)); !at.IsZero() {
			t.Errorf("%s: %v", expr, at)
		}
		for _, early := range []time.Time{{}, time.Unix(-1<<62, 0)} {
			if at := s.Next(early); at.Year() > 1 || !at.After(early) {
				t.Errorf("%s: %v", expr, at)
			}
		}
	}
	// Clocks have left it out in each year since 2007.
	s := schedule(t, "*/30 2 * 3 SUN#2", "America/New_York")
	if at := s.Next(instant(t, "2026-01-01T00:00:00Z")); !at.IsZero() {
		t.Errorf("it runs at %v", at)
	}
}

func TestConcurrentNext(t *testing.T) {
	t.Parallel()
	s := schedule(t, "30 2 * * *", "Europe/Berlin")
	var all sync.WaitGroup
	for year := 2000; year < 2008; year++ {
		all.Go(func() {
			n := 0
			for at := time.Date(year, 1, 1, 0, 0, 0, 0, s.Zone()); at.Year() == year; at = s.Next(at) {
				n++
			}
			if want := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay(); n != want+1 {
				t.Errorf("%d runs in %d", n-1, year)
			}
		})
	}
	all.Wait()
}

// BenchmarkYear: all runs of a year.
func BenchmarkYear(b *testing.B) {
	for _, expr := range []string{"0 9 * * *", "0 9 * * MON-FRI", "0 * * * *", "*/15 * * * *"} {
		b.Run(expr, func(b *testing.B) {
			s := schedule(b, expr, "Europe/Berlin")
			from, to := instant(b, "2026-01-01T00:00:00Z"), instant(b, "2027-01-01T00:00:00Z")
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = 0
				for at := s.Next(from); at.Before(to); at = s.Next(at) {
					n++
				}
			}
			b.ReportMetric(float64(n), "runs")
		})
	}
}

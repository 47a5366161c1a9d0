package cron_test

import (
	"slices"
	"testing"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	now := instant(t, "2026-11-23T12:00:00Z")
	for _, c := range []struct {
		expr string
		want []string
	}{
		{"0 9 * * *", nil},
		{"0 9 * * MON-FRI", nil},
		{"*/15 * * * *", nil},
		{"0 * * * *", nil},
		{"@every 90s", nil},
		{"0 0 L * *", nil},
		{"0 0 28 * *", nil},
		{"0 0 31 1,3,12 *", nil},
		{"0 0 * * FRIL", nil},
		{"* 9 * * *", []string{"the minute is *: it runs in every minute of an hour, 60 times a day; with 0 it runs once in the hour"}},
		{"* 0 9 * * *", []string{"the second is *: it runs in every second of a minute, 60 times a day; with 0 it runs once in the minute"}},
		{"* * 9,10 * * *", []string{"the minute is *: it runs in every minute of an hour, 7200 times a day; with 0 it runs once in the hour"}},
		{"*/40 * * * *", []string{"minute: a step of 40 begins anew with every hour: it runs at 0 and 40, and the time from the last of these to the next is another"}},
		{"0 9 * */5 *", []string{"month: a step of 5 begins anew with every year: it runs at 1, 6 and 11, and the time from the last of these to the next is another"}},
		{"0 9 13 * FRI", []string{"day of month and day of week are both given: it runs on every day that one of the two allows, as in crontab"}},
		{"0 9 */16 * MON", []string{
			"one of the two day fields begins with * and has a step: it runs only on days that both of them allow, as in crontab",
			"day of month: a step of 16 begins anew with every month: it runs at 1 and 17, and the time from the last of these to the next is another"}},
		{"0 9 31 * *", []string{"there is no day 31 in February, April, June, September and November, and no run for it; L is the last day of every month"}},
		{"0 9 30 1,2 *", []string{"there is no day 30 in February, and no run for it; L is the last day of every month"}},
		{"0 9 29 2 *", []string{"there is no day 29 in February of most years, and no run for it; L is the last day of every month"}},
		{"0 9 L-28 * *", []string{"there is no L-28 in February of most years, and no run for it; L is the last day of every month"}},
		{"0 9 31W 4,5 *", []string{
			"there is no 31W in April, and no run for it; L is the last day of every month",
			"W means Monday to Friday: it knows of no holidays, and never goes into another month"}},
		{"0 9 LW * *", []string{"W means Monday to Friday: it knows of no holidays"}},
		{"0 9 * * MON#5", []string{"many months have no fifth of a weekday, and no run for it; 5L is the last Friday of every month"}},
		{"0 9 * * 1,5L", []string{"5L: day 5 of the week is Friday here, as in crontab; in Quartz it is the day before that"}},
		{"0 9 * * 2#1", []string{"2#1: day 2 of the week is Tuesday here, as in crontab; in Quartz it is the day before that"}},
		{"30 2 * * *", []string{
			"on 2027-03-28 the clocks of Europe/Berlin go from 02:00 to 03:00: the run of 02:30, which they leave out, is at 03:00",
			"on 2027-10-31 the clocks of Europe/Berlin go from 03:00 to 02:00: 02:30 comes twice, and it runs the first time only"}},
		{"30 2 * 3 *", []string{"on 2027-03-28 the clocks of Europe/Berlin go from 02:00 to 03:00: the run of 02:30, which they leave out, is at 03:00"}},
		{"0 3 * * *", nil}, // the end of the gap is in none
		{"*/30 2 * * *", []string{
			"on 2027-03-28 the clocks of Europe/Berlin go from 02:00 to 03:00: with a wildcard in minute or hour there is no run for what they leave out, such as 02:00",
			"on 2027-10-31 the clocks of Europe/Berlin go from 03:00 to 02:00: with a wildcard in minute or hour it runs again at what comes twice, such as 02:00"}},
	} {
		if got := schedule(t, c.expr, "Europe/Berlin").WarningsAt(now); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q\nwant\n%q", c.expr, got, c.want)
		}
	}
	if got := schedule(t, "30 2 * * *", "UTC").Warnings(); got != nil {
		t.Errorf("%q", got)
	}
}

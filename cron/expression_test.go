package cron_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/cron"
)

// Expressions that mean the same have the same runs.
func TestSyntax(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"0 0 * * *", "@daily", "@midnight", "@Daily", " 0\t0  * * * ", "0 0 0 * * *", "0 0 ? * ?", "0 0 1-31 * ?"},
		{"0 * * * *", "@hourly", "0 0-23 * * *", "0 */1 * * *"},
		{"0 0 * * 0", "@weekly", "0 0 * * 7", "0 0 * * SUN", "0 0 ? * sun", "0 0 * * 0,7"},
		{"0 0 1 * *", "@monthly"},
		{"0 0 1 1 *", "@yearly", "@annually", "0 0 1 JAN *", "0 0 1 jan ?"},
		{"*/20 * * * *", "0,20,40 * * * *", "0-59/20 * * * *", "0/20 * * * *", "40,0,20,20 * * * *"},
		{"5,25,45 * * * *", "5/20 * * * *", "05-59/20 * * * *"},
		{"0 9 * * MON-FRI", "0 9 * * 1-5", "0 9 ? * Mon-fri", "0 9 * * 1,2,3,4,5"},
		{"0 9 * * FRI-SUN", "0 9 * * 5-7", "0 9 * * 0,5,6"},
		{"0 9 * * */2", "0 9 * * SUN,2,4,6", "0 9 * * 0/2"},
		{"0 0 L * *", "0 0 l * ?", "0 0 L-0 * *"},
		{"0 0 * * 5L", "0 0 * * FRIL"},
		{"0 0 * * 7#2", "0 0 * * SUN#2", "0 0 * * 0#2"},
		{"0 0 1,L * *", "0 0 L,1 * *"},
		{"@every 90s", "@every 1m30s", "@EVERY 90s"},
		{"TZ=Asia/Tokyo 0 9 * * *", "CRON_TZ=Asia/Tokyo 0 9 * * *"},
	} {
		var want string
		for i, expr := range same {
			s := schedule(t, expr, "")
			var runs []string
			for at := instant(t, "2026-01-01T00:00:00Z"); len(runs) < 50; {
				at = s.Next(at)
				runs = append(runs, at.Format(time.RFC3339))
			}
			if got := strings.Join(runs, " "); i == 0 {
				want = got
			} else if got != want {
				t.Errorf("%q: %s\n%q: %s", same[0], want, expr, got)
			}
			again := schedule(t, s.String(), "")
			if again.String() != s.String() || !again.Next(time.Unix(0, 0)).Equal(s.Next(time.Unix(0, 0))) || again.Zone().String() != s.Zone().String() {
				t.Errorf("%q is %q, and that is %q", expr, s, again)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, want string }{
		{"", "the expression is empty: allowed are five fields such as 0 9 * * MON-FRI"},
		{"* * * *", "4 fields: allowed are 5, which are minute, hour, day of month, month and day of week, or 6 with the second in front"},
		{"* * * * * * 2026", "7 fields: allowed are 5"},
		{"daily", `"daily" is 1 field: allowed are 5`},
		{strings.Repeat("1,", 124) + "1 * * * *", "the expression has 257 bytes: allowed are 256"},
		{"60 * * * *", `minute (field 1): "60": allowed are 0 to 59`},
		{"0 24 * * *", `hour (field 2): "24": allowed are 0 to 23`},
		{"0 0 0 * *", `day of month (field 3): "0": allowed are 1 to 31`},
		{"0 0 32 * *", `day of month (field 3): "32": allowed are 1 to 31`},
		{"0 0 * 13 *", `month (field 4): "13": allowed are 1 to 12 and JAN to DEC`},
		{"0 0 * foo *", `month (field 4): "FOO": allowed are 1 to 12 and JAN to DEC`},
		{"0 0 * * 8", `day of week (field 5): "8": allowed are 0 to 7 (0 and 7 are Sunday) and SUN to SAT`},
		{"0 0 * * MONDAY", `day of week (field 5): "MONDAY": allowed are`},
		{"0 60 * * * *", `minute (field 2): "60": allowed are 0 to 59`},
		{"60 0 * * * *", `second (field 1): "60": allowed are 0 to 59`},
		{"0 0 1--100000000 * *", `day of month (field 3): "-100000000": allowed are 1 to 31`},
		{"0-99999999999999999999 * * * *", `minute (field 1): "99999999999999999999": allowed are 0 to 59`},
		{"-1 * * * *", `minute (field 1): "": allowed are 0 to 59`},
		{"+1 * * * *", `minute (field 1): "+1": allowed are 0 to 59`},
		{"1.5 * * * *", `minute (field 1): "1.5": allowed are`},
		{"? * * * *", `minute (field 1): "?": allowed are 0 to 59`},
		{"1,,2 * * * *", "minute (field 1): a part of it is empty"},
		{"*/0 * * * *", `minute (field 1): step "0": allowed are 1 to 60`},
		{"*/61 * * * *", `minute (field 1): step "61": allowed are 1 to 60`},
		{"0 */-1 * * *", `hour (field 2): step "-1": allowed are 1 to 24`},
		{"0 0-5/ * * *", `hour (field 2): step "": allowed are 1 to 24`},
		{"0 0-5/2/2 * * *", `hour (field 2): step "2/2": allowed are 1 to 24`},
		{"0 22-2 * * *", `hour (field 2): range "22-2": allowed are ranges that go up; one around the end is two, such as 22-23,0-2`},
		{"0 0 * * SAT-MON", `day of week (field 5): range "SAT-MON": allowed are ranges that go up; one around the end is two, such as 6-6,0-1`},
		{"0 0 L-31 * *", `day of month (field 3): "L-31": allowed are L-1 to L-30`},
		{"0 0 L/2 * *", `day of month (field 3): "L": allowed are 1 to 31`},
		{"0 0 32W * *", `day of month (field 3): "32W": allowed are 1W to 31W`},
		{"0 0 W * *", `day of month (field 3): "W": allowed are 1W to 31W`},
		{"L * * * *", `minute (field 1): "L": allowed are 0 to 59`},
		{"0 0 * * L", `day of week (field 5): "L": say the last which: 5L and FRIL`},
		{"0 0 * * 8L", `day of week (field 5): "8": allowed are 0 to 7`},
		{"0 0 * * MON#6", `day of week (field 5): "MON#6": allowed behind # are 1 to 5`},
		{"0 0 * * #1", `day of week (field 5): "": allowed are`},
		{"H(5) * * * *", `minute (field 1): "H(5)": allowed is H, or H with a range such as H(0-59)`},
		{"H(0-60) * * * *", `minute (field 1): "60": allowed are 0 to 59`},
		{"H(9-5) * * * *", `minute (field 1): range "9-5"`},
		{"H(0-5 * * * *", `minute (field 1): "H(0-5": allowed is H`},
		{"0 0 30 2 *", `day of month "30" and month "2": there is no such day in any year, so that it would never run`},
		{"0 0 31 4,6,9,11 *", `day of month "31" and month "4,6,9,11": there is no such day`},
		{"0 0 0 L-30 FEB ?", `day of month "L-30" and month "FEB": there is no such day`},
		{"@every", "@every: the interval is missing: allowed are whole seconds from 1s to 8784h"},
		{"@every 10ms", `@every: interval "10ms": allowed are whole seconds from 1s to 8784h`},
		{"@every 1.5s", `@every: interval "1.5s": allowed are whole seconds`},
		{"@every -1h", `@every: interval "-1h": allowed are`},
		{"@every 8785h", `@every: interval "8785h": allowed are`},
		{"@every 1h 30m", `@every takes one interval: leave out "30m"`},
		{"@dayly", `"@dayly": allowed are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, and @every`},
		{"@daily 5", `@daily takes nothing behind it: leave out "5"`},
		{"@reboot", "@reboot: there is no such moment"},
		{"CRON_TZ=Mars/Olympus 0 9 * * *", `time zone "Mars/Olympus" is unknown: allowed are the names of the IANA database, such as Europe/Berlin, and UTC`},
		{"CRON_TZ=../etc/passwd 0 9 * * *", `time zone "../etc/passwd" is unknown`},
		{"TZ=Local 0 9 * * *", `time zone "Local": allowed are names such as Europe/Berlin, and UTC`},
		{"TZ= 0 9 * * *", "TZ=: the time zone is missing"},
		{"TZ=UTC", "the expression is empty"},
	} {
		s, err := cron.Parse(c.expr, "", "x")
		if err == nil || !strings.HasPrefix(err.Error(), "cron: "+c.want) || s != nil {
			t.Errorf("%q: %v, %v\nwant %s", c.expr, s, err, c.want)
		}
	}
}

func TestZoneGivenTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, zone, want string }{
		{"0 9 * * *", "", "UTC"},
		{"0 9 * * *", "Asia/Tokyo", "Asia/Tokyo"},
		{"CRON_TZ=Asia/Tokyo 0 9 * * *", "", "Asia/Tokyo"},
		{"TZ=Asia/Tokyo 0 9 * * *", "Asia/Tokyo", "Asia/Tokyo"},
		{"CRON_TZ=Asia/Tokyo @every 90s", "", "Asia/Tokyo"},
	} {
		if s := schedule(t, c.expr, c.zone); s.Zone().String() != c.want {
			t.Errorf("%q with %q is in %v", c.expr, c.zone, s.Zone())
		}
	}
	const want = `cron: two time zones, "Europe/Berlin" and CRON_TZ="Asia/Tokyo": allowed is one`
	if _, err := cron.Parse("CRON_TZ=Asia/Tokyo 0 9 * * *", "Europe/Berlin", ""); err == nil || err.Error() != want {
		t.Error(err)
	}
	if _, err := cron.Parse("0 9 * * *", "Nowhere", ""); err == nil || !strings.Contains(err.Error(), `"Nowhere"`) {
		t.Error(err)
	}
}

// What H chooses never changes: it would move the runs of everybody.
func TestHash(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, name, want string }{
		{"H H * * *", "report", "At 18:48, every day (UTC)"},
		{"H H H H H H", "report", "At 18:48:18 on 19 December, and every Saturday in December (UTC)"},
		{"H(0-29) * * * *", "report", "At minute 18 of every hour (UTC)"},
		{"H/15 * * * *", "report", "At minutes 3, 18, 33 and 48 of every hour (UTC)"},
		{"H(10-20)/5 * * * *", "report", "At minutes 13 and 18 of every hour (UTC)"},
	} {
		s, err := cron.Parse(c.expr, "", c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Explain("en"); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.expr, c.name, got, c.want)
		}
	}
	if _, err := cron.Parse("H * * * *", "", ""); err == nil || !strings.Contains(err.Error(), "minute (field 1): H takes its value from the entry's name") {
		t.Error(err)
	}

	// Entries are spread over all that H can choose, and each stays in its bounds.
	minutes, days := map[int]int{}, map[int]int{}
	for i := range 6000 {
		s, err := cron.Parse("H(10-19) 0 H * *", "", fmt.Sprint("entry ", i))
		if err != nil {
			t.Fatal(err)
		}
		at := s.Next(instant(t, "2026-02-01T00:00:00Z"))
		minutes[at.Minute()]++
		days[at.Day()]++
		if at.Month() != time.February {
			t.Fatalf("%s has no run in February: %v", s, at)
		}
	}
	for minute, n := range minutes {
		if minute < 10 || minute > 19 || n < 450 || n > 750 {
			t.Errorf("%d of 6000 in minute %d", n, minute)
		}
	}
	if len(minutes) != 10 || len(days) != 28 {
		t.Errorf("%d minutes, %d days", len(minutes), len(days))
	}
}

// Nothing is made of a number before it is held against its bounds.
func TestRefusedAtOnce(t *testing.T) {
	for _, expr := range []string{"0 0 1-100000000 * *", "*/1000000000 * * * *", "0-59/000000000000000000001 * * * *", "@every 999999999999h", "0 0 L-4000000000 * *", strings.Repeat("*,", 1<<20) + "* * * * *"} {
		if n := testing.AllocsPerRun(1, func() {
			if _, err := cron.Parse(expr, "", ""); err == nil || len(err.Error()) > 500 {
				t.Errorf("%.50q: %v", expr, err)
			}
		}); n > 50 {
			t.Errorf("%.50q: %v allocations", expr, n)
		}
	}
}

// FuzzExpression reads any expression: what is refused is told in a short error; what is
// taken is written so that it is read again as the same, and its runs grow, are what its
// fields say, and do not depend on when one asks.
func FuzzExpression(f *testing.F) {
	zones := []string{"", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Monrovia", "Pacific/Apia", "Europe/Dublin"}
	for i, expr := range []string{"* * * * *", "30 2 * * *", "0,30 2 29 2 *", "*/40 H(3-9)/2 L-3,15W,LW JAN-JUN/2 MON#2,5L", "*/7 0-59/3 * ? * ?", "CRON_TZ=Asia/Tokyo @weekly", "@every 90s", "0 0 1--100000000 * *", "H/15 H * * FRI-SUN", "0 0 30 2 *", "TZ=x 1"} {
		f.Add(expr, byte(i), int64(1774746000)+int64(i)*86400)
	}
	f.Fuzz(func(t *testing.T, expr string, zone byte, after int64) {
		s, err := cron.Parse(expr, zones[int(zone)%len(zones)], "x")
		if err != nil {
			if len(err.Error()) > 600 || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: an error of %d bytes: %q", expr, len(err.Error()), err)
			}
			return
		}
		again, err := cron.Parse(s.String(), "", "x")
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q is %q, and that is %q (%v)", expr, s, again, err)
		}
		if s.Explain("en") != again.Explain("en") || s.Explain("ja") == "" {
			t.Fatalf("%q is %q, and that is %q", s, s.Explain("en"), again.Explain("en"))
		}
		s.Warnings()
		at := time.Unix(after%(1<<33), 0)
		for range 5 {
			next := s.Next(at)
			if next.IsZero() {
				return // clocks can leave it out for ever
			}
			if !next.After(at) || !again.Next(at).Equal(next) {
				t.Fatalf("%s after %v: %v and %v", s, at, next, again.Next(at))
			}
			for _, between := range []time.Time{at.Add(next.Sub(at) / 2), next.Add(-1)} {
				if got := s.Next(between); !got.Equal(next) {
					t.Fatalf("%s after %v: %v, and after %v: %v", s, at, next, between, got)
				}
			}
			if !cron.Matches(s, next) {
				t.Fatalf("%s after %v: %v, which is none of its times", s, at, next)
			}
			at = next
		}
	})
}

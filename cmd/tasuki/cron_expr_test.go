package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCronNext(t *testing.T) {
	t.Parallel()
	r := run(t, command(t, "cron", "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2027-03-27T00:00:00Z", "-n", "3")).want(t, exitOK)
	const want = `TIME                       DAY  UTC
2027-03-27T02:30:00+01:00  Sat  2027-03-27T01:30:00Z
2027-03-28T03:00:00+02:00  Sun  2027-03-28T01:00:00Z
2027-03-29T02:30:00+02:00  Mon  2027-03-29T00:30:00Z
`
	if r.stdout != want {
		t.Errorf("it prints %q", r.stdout)
	}
	if !strings.HasPrefix(r.stderr, "tasuki: warning: on 20") || !strings.Contains(r.stderr, "02:30 comes twice") {
		t.Errorf("it warns %q", r.stderr)
	}

	type found struct {
		Expression, Zone string
		From             time.Time
		Next             []time.Time
		Warnings         []string
	}
	r = run(t, command(t, "cron", "next", "TZ=Asia/Tokyo  * 9 * * mon", "--from", "2027-01-01T00:00:00Z", "-o", "json")).want(t, exitOK)
	f := decode[found](t, r.stdout)
	if f.Expression != "CRON_TZ=Asia/Tokyo * 9 * * MON" || f.Zone != "Asia/Tokyo" || len(f.Next) != 5 || f.Next[4].Format(time.RFC3339) != "2027-01-04T09:04:00+09:00" ||
		f.From.Format(time.RFC3339) != "2027-01-01T09:00:00+09:00" || len(f.Warnings) != 1 || r.stderr != "" {
		t.Errorf("it is %+v, and on stderr %q", f, r.stderr)
	}
	before := time.Now()
	r = run(t, command(t, "cron", "next", "@hourly", "--count", "1", "-o", "json")).want(t, exitOK, `"warnings": []`)
	if f := decode[found](t, r.stdout); len(f.Next) != 1 || f.Next[0].Before(before) || f.Next[0].After(time.Now().Add(time.Hour)) {
		t.Errorf("it is %+v", f)
	}
	// H is of the name.
	var all []string
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, run(t, command(t, "cron", "next", "H H * * *", "--name", name, "--from", "2027-01-01T00:00:00Z", "-n", "1")).want(t, exitOK).stdout)
	}
	if slices.Sort(all); len(slices.Compact(all)) != 3 {
		t.Errorf("they run at %q", all)
	}
}

func TestCronExplain(t *testing.T) {
	t.Parallel()
	r := run(t, command(t, "cron", "explain", "*/15 9-17 * * MON-FRI")).want(t, exitOK)
	if r.stdout != "Every 15 minutes from 09:00 to 17:45, Monday to Friday (UTC)\n" || r.stderr != "" {
		t.Errorf("it prints %q and %q", r.stdout, r.stderr)
	}
	r = run(t, command(t, "cron", "explain", "0 0 31 * *", "--tz", "Asia/Tokyo", "--lang", "ja")).want(t, exitOK, "warning: there is no day 31")
	if r.stdout != "毎月31日の00:00 (Asia/Tokyo)\n" {
		t.Errorf("it prints %q", r.stdout)
	}
	type said struct {
		Expression, Zone, Explanation string
		Warnings                      []string
	}
	r = run(t, command(t, "cron", "explain", "* 0 * * *", "-o", "json")).want(t, exitOK)
	if s := decode[said](t, r.stdout); s.Expression != "* 0 * * *" || s.Zone != "UTC" || s.Explanation != "Every minute from 00:00 to 00:59, every day (UTC)" || len(s.Warnings) != 1 || r.stderr != "" {
		t.Errorf("it is %+v, and on stderr %q", s, r.stderr)
	}
}

func TestCronRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"next"}, "the EXPR is missing: tasuki cron next EXPR"},
		{[]string{"next", "0", "9", "*", "*", "*"}, "cron next takes one EXPR, and got 5 arguments: put it in quotes"},
		{[]string{"explain", "0 25 * * *"}, `tasuki: hour (field 2): "25": allowed are 0 to 23` + "\n"},
		{[]string{"next", "0 0 30 2 *"}, "there is no such day in any year"},
		{[]string{"next", "H * * * *"}, "H takes its value from the entry's name, and there is none: --name says it"},
		{[]string{"next", "@daily", "--tz", "Mars/Olympus"}, `time zone "Mars/Olympus" is unknown`},
		{[]string{"next", "@daily", "-n", "0"}, "--count: 0: allowed are 1 to 10000"},
		{[]string{"next", "@daily", "-n", "x"}, `--count: "x": allowed are 1 to 10000`},
		{[]string{"next", "@daily", "--from", "yesterday"}, `--from: "yesterday": allowed is a time such as`},
		{[]string{"explain", "@daily", "--lang", "fr"}, `--lang: "fr": allowed are en and ja`},
		{[]string{"explain", "@daily", "-o", "xml"}, `--output: "xml": allowed are text and json`},
		{[]string{"nope"}, `unknown command "nope" for "tasuki cron": allowed are explain, get, history, ls, next, pause, resume, rm, run, set`},
	} {
		r := run(t, command(t, append([]string{"cron"}, c.args...)...)).want(t, exitUsage, c.want)
		if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%q prints %q and %q", c.args, r.stdout, r.stderr)
		}
	}
}

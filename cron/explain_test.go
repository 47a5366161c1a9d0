package cron_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, en, ja string }{
		{"* * * * *", "Every minute", "毎分"},
		{"*/15 * * * *", "Every 15 minutes", "15分ごと"},
		{"0 * * * *", "Every hour, on the hour", "毎時0分"},
		{"5 * * * *", "At minute 5 of every hour", "毎時5分"},
		{"*/40 * * * *", "At minutes 0 and 40 of every hour", "毎時0分、40分"},
		{"1-59/2 * * * *", "At minutes 1 to 59 in steps of 2 of every hour", "毎時1分から59分まで2分ごと"},
		{"0 9 * * *", "At 09:00, every day", "毎日09:00"},
		{"30 2,14 * * *", "At 02:30 and 14:30, every day", "毎日02:30、14:30"},
		{"0 9 * * MON-FRI", "At 09:00, Monday to Friday", "毎週月曜日から金曜日の09:00"},
		{"0 9-17 * * MON-FRI", "Every hour from 09:00 to 17:00, Monday to Friday", "毎週月曜日から金曜日、09:00から17:00まで1時間ごと"},
		{"*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45, Monday to Friday", "毎週月曜日から金曜日、09:00から17:45まで15分ごと"},
		{"* 0 * * *", "Every minute from 00:00 to 00:59, every day", "毎日00:00から00:59まで毎分"},
		{"*/10 0,12 * * *", "Every 10 minutes of hours 0 and 12, every day", "毎日0時、12時に10分ごと"},
		{"5,35 8-18 * * *", "At minutes 5 and 35 of hours 8 to 18, every day", "毎日8時から18時の5分、35分"},
		{"0 */2 * * *", "Every 2 hours from 00:00 to 22:00, every day", "毎日00:00から22:00まで2時間ごと"},
		{"0 0 1 * *", "At 00:00 on day 1 of every month", "毎月1日の00:00"},
		{"0 0 1,15 * *", "At 00:00 on days 1 and 15 of every month", "毎月1日、15日の00:00"},
		{"*/15 * 1 * *", "Every 15 minutes on day 1 of every month", "毎月1日、15分ごと"},
		{"0 0 L * *", "At 00:00 on the last day of every month", "毎月末日の00:00"},
		{"0 0 L-1,L-3 * *", "At 00:00 on the day before the last and the day 3 days before the last of every month", "毎月末日の1日前、末日の3日前の00:00"},
		{"0 0 LW * *", "At 00:00 on the last weekday of every month", "毎月最後の平日(月〜金)の00:00"},
		{"0 0 15W * *", "At 00:00 on the weekday nearest to day 15 of every month", "毎月15日に最も近い平日(月〜金)の00:00"},
		{"0 0 * * 5L", "At 00:00 on the last Friday of every month", "毎月最終金曜日の00:00"},
		{"0 0 * * MON#2", "At 00:00 on the second Monday of every month", "毎月第2月曜日の00:00"},
		{"0 0 * * MON,FRI#3", "At 00:00, every Monday and on the third Friday of every month", "毎週月曜日と毎月第3金曜日の00:00"},
		{"0 0 13 * FRI", "At 00:00 on day 13 of every month, and every Friday", "毎月13日または毎週金曜日の00:00"},
		{"0 0 */10 * MON", "At 00:00, every Monday, but only on days 1, 11, 21 and 31 of every month", "毎週月曜日で、かつ毎月1日、11日、21日、31日の00:00"},
		{"0 0 29 2 *", "At 00:00 on 29 February", "2月29日の00:00"},
		{"0 0 1 */3 *", "At 00:00 on day 1 of January, April, July and October", "1月、4月、7月、10月の1日の00:00"},
		{"0 0 * 6-8 *", "At 00:00, every day in June to August", "6月から8月の毎日の00:00"},
		{"0 12 * JAN,JUL SUN", "At 12:00, every Sunday in January and July", "1月、7月の毎週日曜日の12:00"},
		{"0 0 * * SAT,SUN", "At 00:00, every Saturday and Sunday", "毎週土曜日、日曜日の00:00"},
		{"0 0 * * MON-WED,SAT", "At 00:00, every Monday to Wednesday and Saturday", "毎週月曜日から水曜日、土曜日の00:00"},
		{"* * * * * *", "Every second", "毎秒"},
		{"*/10 * * * * *", "Every 10 seconds", "10秒ごと"},
		{"30 * * * * *", "At second 30 of every minute", "毎分30秒"},
		{"15 30 9 * * *", "At 09:30:15, every day", "毎日09:30:15"},
		{"*/5 0 * * * *", "Every 5 seconds of minute 0 of every hour", "毎時0分に5秒ごと"},
		{"@weekly", "At 00:00, every Sunday", "毎週日曜日の00:00"},
	} {
		s := schedule(t, c.expr, "Asia/Tokyo")
		if got := s.Explain("en"); got != c.en+" (Asia/Tokyo)" {
			t.Errorf("%s: %s", c.expr, got)
		}
		if got := s.Explain("ja"); got != c.ja+" (Asia/Tokyo)" {
			t.Errorf("%s: %s", c.expr, got)
		}
	}
	for expr, want := range map[string][2]string{
		"@every 90s":    {"Every 1 minute 30 seconds", "1分30秒ごと"},
		"@every 1h":     {"Every hour", "1時間ごと"},
		"@every 26h15s": {"Every 26 hours 15 seconds", "26時間15秒ごと"},
	} {
		s := schedule(t, expr, "Asia/Tokyo")
		if en, ja := s.Explain("en"), s.Explain("ja"); en != want[0]+", counted from 1970-01-01 00:00:00 UTC" || ja != want[1]+"(1970-01-01 00:00:00 UTCから数える)" {
			t.Errorf("%s: %s, %s", expr, en, ja)
		}
	}
}

// What is said in the same words has the same runs, for any expressions.
func TestExplainIsExact(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	said := map[string]string{}
	runs := map[string]string{}
	for range 5000 {
		list := func(lo, hi int) string {
			var parts []string
			for range 1 + random.IntN(2) {
				a := lo + random.IntN(hi-lo+1)
				b := a + random.IntN(hi-a+1)
				parts = append(parts, pick(fmt.Sprint(a), fmt.Sprintf("%d-%d", a, b), fmt.Sprintf("%d/%d", a, 1+random.IntN(hi-lo+1)), fmt.Sprintf("*/%d", 1+random.IntN(6))))
			}
			return strings.Join(parts, ",")
		}
		expr := strings.Join([]string{
			pick("0", "0", "0", "*", list(0, 59)), pick("*", "0", list(0, 59)), pick("*", list(0, 23)),
			pick("*", "*", list(1, 31), "L", "L-1", "LW", "15W", "1,L", "1W,15W"), pick("*", "*", list(1, 12)),
			pick("*", "*", list(0, 7), "5L", "1#2", "1,5#3", "0#1,0#3"),
		}, " ")
		s, err := cron.Parse(expr, "", "")
		if err != nil {
			continue // there is no such day
		}
		var all strings.Builder
		for at, n := instant(t, "2026-01-01T00:00:00Z"), 0; n < 400; n++ {
			// Now and then far ahead, or a run in each second would be all it sees.
			if at = s.Next(at); n%4 == 3 {
				at = at.Add(time.Duration(n) * 3 * time.Hour)
			}
			fmt.Fprintln(&all, at.Unix())
		}
		for _, lang := range []string{"en", "ja"} {
			text := s.Explain(lang)
			if was, ok := runs[text]; ok && was != all.String() {
				t.Errorf("seed %d: %s and %s are both: %s", seed, said[text], expr, text)
			}
			said[text], runs[text] = expr, all.String()
		}
	}
	if len(said) < 5000 {
		t.Errorf("only %d texts", len(said))
	}
}

// Of a month of many steps the list is short.
func TestExplainIsShort(t *testing.T) {
	t.Parallel()
	s := schedule(t, "1-59/2 3-40/3 0-22/2 1-31/2 */2 *", "")
	for _, lang := range []string{"en", "ja"} {
		if text := s.Explain(lang); len(text) > 250 {
			t.Errorf("%d bytes: %s", len(text), text)
		}
	}
}

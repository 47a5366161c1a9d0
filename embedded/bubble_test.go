package embedded_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
)

// In a bubble of testing/synctest the server runs on fake time. Nothing in it may block in a way that keeps the clock
// from moving on.

func TestTimeoutsInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := setup(t, "")
		w, deaf := connect(t, srv), connect3(t, srv)
		w.patience = 2 * time.Hour
		deaf.do("SUBSCRIBE", "c") // does not read its messages, and keeps nothing from moving on either
		start := time.Now()
		for range 3 {
			w.wantDo("(1)", "PUBLISH", "c", "m")
			w.wantDo("nil*", "BLMOVE", "q", "h", "LEFT", "RIGHT", "3600")
		}
		if took := time.Since(start); took != 3*time.Hour {
			t.Errorf("three timeouts of an hour took %v", took)
		}
		w.wantDo("nil*", "BLPOP", "q", "0.0101")
		if took := time.Since(start); took != 3*time.Hour+11*time.Millisecond { // whole milliseconds, as in Redis
			t.Errorf("a timeout of 10.1 ms took %v", took-3*time.Hour)
		}
	})
}

func TestClockInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := setup(t, "")
		w := connect(t, srv)
		now := func() string {
			return `["` + strconv.FormatInt(time.Now().Unix(), 10) + `" "` + strconv.Itoa(time.Now().Nanosecond()/1000) + `"]`
		}
		w.wantDo(now(), "TIME")
		w.do("SET", "s", "x", "EX", "100")
		w.wantDo("(100)", "TTL", "s")
		time.Sleep(40*time.Second + 1234*time.Microsecond)
		w.wantDo(now(), "TIME")
		w.wantDo(now(), "EVAL", "return redis.call('TIME')", "0")
		w.wantDo("(60)", "TTL", "s")
		time.Sleep(time.Minute)
		w.wantDo("nil$", "GET", "s")
		if !strings.Contains(w.do("INFO"), `uptime_in_seconds:100\r\n`) {
			t.Errorf("INFO: %s", w.do("INFO"))
		}
	})
}

func TestPushAndUnblockInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := setup(t, "")
		client := newRueidis(t, srv)
		waiter, release := client.Dedicate()
		defer release()
		id, err := waiter.Do(t.Context(), waiter.B().ClientId().Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, end := range []rueidis.Completed{
			client.B().Rpush().Key("q").Element("x").Build(),
			client.B().ClientUnblock().ClientId(id).Build(),
		} {
			go func() {
				time.Sleep(time.Hour)
				if n, err := client.Do(t.Context(), end).AsInt64(); n != 1 || err != nil {
					t.Errorf("after an hour: %d, %v", n, err)
				}
			}()
			err := waiter.Do(t.Context(), waiter.B().Blmove().Source("q").Destination("h").Left().Right().Timeout(0).Build()).Error()
			if err != nil && !rueidis.IsRedisNil(err) {
				t.Error(err)
			}
			synctest.Wait()
		}
		if took := time.Since(start); took != 2*time.Hour {
			t.Errorf("took %v", took)
		}
	})
}

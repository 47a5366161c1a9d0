package embedded_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"
)

// The client that tasuki uses, over each transport.
func TestRueidis(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		c := newRueidis(t, srv)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		exchange := rueidis.NewLuaScript(`
			redis.call('HDEL', KEYS[2], unpack(ARGV))
			local got = redis.call('LPOP', KEYS[1], 2)
			if not got then return {} end
			for i, element in ipairs(got) do redis.call('HSET', KEYS[2], i, element) end
			return got`)
		c.Do(ctx, c.B().Rpush().Key("q").Element("a", "b", "c").Build())
		for _, want := range [][]string{{"a", "b"}, {"c"}, {}} {
			got, err := exchange.Exec(ctx, c, []string{"q", "held"}, []string{"1", "2"}).AsStrSlice()
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("exchange: %v\n%s", err, diff)
			}
		}

		err := c.Do(ctx, c.B().Set().Key("s").Value("x").Build()).Error()
		if err == nil {
			err = rueidis.NewLuaScript("return redis.call('RPUSH', KEYS[1], 'x')").Exec(ctx, c, []string{"s"}, nil).Error()
		}
		if re, ok := rueidis.IsRedisErr(err); !ok || code(re.Error()) != "WRONGTYPE" {
			t.Errorf("an error of a command in a script: %v", err)
		}

		c.Do(ctx, c.B().Zadd().Key("z").ScoreMember().ScoreMember(1, "a").ScoreMember(2.5, "b").Build())
		scores, err := c.Do(ctx, c.B().Zrange().Key("z").Min("0").Max("-1").Withscores().Build()).AsZScores()
		if diff := cmp.Diff([]rueidis.ZScore{{Member: "a", Score: 1}, {Member: "b", Score: 2.5}}, scores); diff != "" || err != nil {
			t.Errorf("scores: %v\n%s", err, diff)
		}

		tx, err := dedicated(c, func(d rueidis.DedicatedClient) (string, error) {
			replies := d.DoMulti(ctx, d.B().Multi().Build(), d.B().Incr().Key("n").Build(), d.B().Publish().Channel("c").Message("m").Build(), d.B().Exec().Build())
			counts, err := replies[3].AsIntSlice()
			return fmt.Sprint(counts), err
		})
		if tx != "[1 0]" || err != nil {
			t.Errorf("transaction: %s, %v", tx, err)
		}
	})
}

func dedicated[T any](c rueidis.Client, f func(rueidis.DedicatedClient) (T, error)) (T, error) {
	d, release := c.Dedicate()
	defer release()
	return f(d)
}

// What liveness of a worker does: beats on the connection that holds the subscription.
func TestRueidisBeatsOnASubscribedConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		c := newRueidis(t, srv)
		d, release := c.Dedicate()
		got := make(chan string, 1)
		d.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) { got <- m.Message }})
		if err := d.Do(t.Context(), d.B().Subscribe().Channel("alive").Build()).Error(); err != nil {
			t.Fatal(err)
		}
		for beat := range int64(100) {
			if n, err := d.Do(t.Context(), d.B().Incr().Key("beats").Build()).AsInt64(); n != beat+1 || err != nil {
				t.Fatalf("beat %d: %d, %v", beat, n, err)
			}
		}
		if n, err := c.Do(t.Context(), c.B().Publish().Channel("alive").Message("m").Build()).AsInt64(); n != 1 || err != nil {
			t.Errorf("publish: %d, %v", n, err)
		}
		if m := <-got; m != "m" {
			t.Errorf("message %q", m)
		}
		d.Close()
		release()
		eventually(t, "the subscription ends with its connection", func() bool {
			counts, err := c.Do(t.Context(), c.B().PubsubNumsub().Channel("alive").Build()).AsIntMap()
			return err == nil && counts["alive"] == 0
		})
	})
}

func TestRueidisTwoWaitersTakeTurns(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		watcher := connect(t, srv)
		c := newRueidis(t, srv)
		const jobs = 20
		turns := make(chan int, jobs)
		var wg sync.WaitGroup
		for i := range 2 {
			d, release := c.Dedicate()
			wg.Go(func() {
				defer release()
				for {
					cmd := d.B().Blmove().Source("q").Destination("h").Left().Right().Timeout(0).Build()
					if element, err := d.Do(t.Context(), cmd).ToString(); err != nil || element == "end" {
						return
					}
					turns <- i
				}
			})
		}
		for range jobs {
			waitBlocked(t, watcher, "2")
			c.Do(t.Context(), c.B().Rpush().Key("q").Element("x").Build())
		}
		c.Do(t.Context(), c.B().Rpush().Key("q").Element("end", "end").Build())
		wg.Wait()
		for last, n := <-turns, 1; n < jobs; n++ {
			turn := <-turns
			if turn == last {
				t.Errorf("element %d went to %d again", n, turn)
			}
			last = turn
		}
	})
}

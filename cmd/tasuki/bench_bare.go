package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// bare does with Redis what tasuki's rows are set against: the same operations
// with the same client, and no features. Nothing is decoded, retried, counted or
// watched, and a crash loses what was claimed.
type bare struct {
	client rueidis.Client
	prefix string // of its keys
}

// must ends the benchmark: its caller recovers.
func must(err error) {
	if err != nil {
		panic(benchError{err})
	}
}

type benchError struct{ error }

func (b *bare) key(name string) string { return b.prefix + name }

// push puts n elements into a list, 500 in a command.
func (b *bare) push(ctx context.Context, element string, n int) time.Duration {
	elements := slices.Repeat([]string{element}, 500)
	start := time.Now()
	for left := n; left > 0; left -= 500 {
		must(b.client.Do(ctx, b.client.B().Rpush().Key(b.key("list")).Element(elements[:min(left, 500)]...).Build()).Error())
	}
	return time.Since(start)
}

// pushSingly puts n elements into a list, one in a command, from 64 goroutines.
func (b *bare) pushSingly(ctx context.Context, element string, n int) time.Duration {
	return spread(64, n, func() error {
		return b.client.Do(ctx, b.client.B().Rpush().Key(b.key("list")).Element(element).Build()).Error()
	})
}

// spread calls f n times from some goroutines.
func spread(goroutines, n int, f func() error) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		must(*err)
	}
	return time.Since(start)
}

var claimScript = rueidis.NewLuaScript(`
local claimed = redis.call('LPOP', KEYS[1], ARGV[2])
if not claimed then return {} end
local fields = {}
for i = 1, #claimed do
  fields[2 * i - 1] = ARGV[1] + i
  fields[2 * i] = claimed[i]
end
redis.call('HSET', KEYS[2], unpack(fields))
return claimed`)

// claim empties the list: a script pops 100 and puts them into a hash, then one
// HDEL removes them, from 10 goroutines.
func (b *bare) claim(ctx context.Context) time.Duration {
	var tags atomic.Int64
	tags.Store(1_000_000_000_000)
	keys := []string{b.key("list"), b.key("held")}
	start := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for {
				first := tags.Add(100) - 100
				claimed, err := claimScript.Exec(ctx, b.client, keys, []string{strconv.FormatInt(first, 10), "100"}).AsStrSlice()
				if err != nil || len(claimed) == 0 {
					return
				}
				done := make([]string, len(claimed))
				for i := range done {
					done[i] = strconv.FormatInt(first+int64(i)+1, 10)
				}
				b.client.Do(ctx, b.client.B().Hdel().Key(b.key("held")).Field(done...).Build())
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	left, err := b.client.Do(ctx, b.client.B().Exists().Key(keys...).Build()).AsInt64()
	must(err)
	if left != 0 {
		must(fmt.Errorf("the bare loop left %d keys behind", left))
	}
	return took
}

// waker waits in BLMOVE on a connection of its own, and tells when it was woken.
func (b *bare) waker(ctx context.Context, woken chan<- time.Time) (stop func()) {
	conn, release := b.client.Dedicate()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			err := conn.Do(context.Background(), conn.B().Blmove().Source(b.key("wake")).Destination(b.key("hand")).Left().Right().Timeout(1).Build()).Error()
			if err == nil {
				woken <- time.Now()
			}
		}
	})
	return func() { cancel(); wg.Wait(); release() }
}

// sleepers is how often per second goroutines get round a sleep of 1 ms.
func sleepers(goroutines int, d time.Duration) float64 {
	var n atomic.Int64
	end := time.Now().Add(d)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for time.Now().Before(end) {
				time.Sleep(time.Millisecond)
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / d.Seconds()
}

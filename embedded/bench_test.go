package embedded_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/rueidis"
)

func overNetworks(b *testing.B, bench func(b *testing.B, addr string)) {
	for name, addr := range map[string]string{"tcp": "127.0.0.1:0", "memory": ""} {
		b.Run(name, func(b *testing.B) { bench(b, addr) })
	}
}

func elements(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strings.Repeat("x", 150)
	}
	return all
}

func BenchmarkPush500(b *testing.B) {
	overNetworks(b, func(b *testing.B, addr string) {
		c := newRueidis(b, setup(b, addr))
		many := elements(500)
		for b.Loop() {
			c.Do(b.Context(), c.B().Rpush().Key("q").Element(many...).Build())
			c.Do(b.Context(), c.B().Del().Key("q").Build())
		}
		b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "elements/s")
	})
}

func BenchmarkPushFrom64Goroutines(b *testing.B) {
	overNetworks(b, func(b *testing.B, addr string) {
		c := newRueidis(b, setup(b, addr))
		one := elements(1)
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Do(b.Context(), c.B().Rpush().Key("q").Element(one...).Build())
			}
		})
	})
}

// There and back: a push wakes a blocked connection, and its push wakes the first one.
func BenchmarkHandOver(b *testing.B) {
	overNetworks(b, func(b *testing.B, addr string) {
		srv := setup(b, addr)
		c, waiter := connect(b, srv), connect(b, srv)
		var wg sync.WaitGroup
		wg.Go(func() {
			for waiter.do("BLMOVE", "q", "h", "LEFT", "RIGHT", "0") != `"end"` {
				waiter.do("LPUSH", "back", "x")
			}
		})
		for b.Loop() {
			c.send("RPUSH", "q", "x")
			c.do("BLPOP", "back", "0")
			c.reply()
		}
		c.do("RPUSH", "q", "end")
		wg.Wait()
	})
}

func BenchmarkExchangeOf100(b *testing.B) {
	overNetworks(b, func(b *testing.B, addr string) {
		c := newRueidis(b, setup(b, addr))
		exchange := rueidis.NewLuaScript(`
			redis.call('HDEL', KEYS[2], unpack(ARGV))
			local put = {}
			for i, element in ipairs(redis.call('LPOP', KEYS[1], 100)) do
				put[2*i-1] = i
				put[2*i] = element
			end
			redis.call('HSET', KEYS[2], unpack(put))
			return put`)
		many, tags := elements(100), make([]string, 100)
		for i := range tags {
			tags[i] = strconv.Itoa(i + 1)
		}
		for b.Loop() {
			c.Do(b.Context(), c.B().Rpush().Key("q").Element(many...).Build())
			if err := exchange.Exec(b.Context(), c, []string{"q", "h"}, tags).Error(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
}

package sourcetest

import (
	"context"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

func waitHandsOver(c *check) {
	c.Push(c, c.elements(0, 2)...)
	for n := range 2 {
		if d := c.waitForOne(); d.Element != c.Element(n) {
			c.Errorf("wait %d brought %q, want %q", n, d.Element, c.Element(n))
		} else {
			c.settle(source.Request{Done: []source.Tag{d.Tag}})
		}
	}
	c.empty()
}

func waitWakesForAPush(c *check) {
	var pushed sync.WaitGroup
	pushed.Go(func() { c.Push(c, c.Element(0)) })
	d := c.waitForOne()
	pushed.Wait()
	if d.Element != c.Element(0) {
		c.Errorf("%q was claimed", d.Element)
	}
	c.settle(source.Request{Done: []source.Tag{d.Tag}})
}

func waitEndsWithItsContext(c *check) {
	for _, after := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 0} {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		start := time.Now()
		d, err := c.Source.Wait(ctx)
		cancel()
		if d != nil {
			c.Errorf("a wait in an empty queue brought %q", d.Element)
		}
		if err != nil && ctx.Err() == nil {
			c.Errorf("Wait: %v", err)
		}
		if took := time.Since(start); took > patience {
			c.Errorf("a wait took %v after its context had %v", took, after)
		}
	}
	// Nothing of it is left that takes a job away.
	c.Push(c, c.Element(0))
	d := c.claimOne()
	c.settle(source.Request{Done: []source.Tag{d.Tag}})
	c.empty()
}

// waitLosesNothing ends waits at the moment of a push. Each job has to come out of
// the wait, or to be there afterwards.
func waitLosesNothing(c *check) {
	const rounds = 100
	seen := map[string]int{}
	for n := range rounds {
		ctx, cancel := context.WithCancel(context.Background())
		var pushed sync.WaitGroup
		pushed.Go(func() {
			c.Push(c, c.Element(n))
			cancel()
		})
		if n%2 == 0 {
			cancel() // before the push, more or less
		}
		d, err := c.Source.Wait(ctx)
		pushed.Wait()
		cancel()
		if err != nil && d != nil {
			c.Errorf("a wait brought %q together with %v", d.Element, err)
		}
		reply := c.exchange(source.Request{Want: 10, Strays: true, Handed: d})
		got := reply.Claimed
		if d != nil {
			if !reply.Accepted {
				c.Errorf("what Wait has handed over is not accepted: %+v", reply)
			}
			got = append(got, *d)
		}
		for _, claimed := range got {
			seen[claimed.Element]++
		}
		if reply.Held != len(got) {
			c.Fatalf("round %d: %d are held, %d were given out", n, reply.Held, len(got))
		}
		c.settle(source.Request{Done: tags(got)})
	}
	for n := range rounds {
		if seen[c.Element(n)] != 1 {
			c.Errorf("job %d came %d times", n, seen[c.Element(n)])
		}
	}
	c.empty()
}

package sourcetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

func claimInOrder(c *check) {
	c.Push(c, c.elements(0, 10)...)
	if got := c.claim(0); len(got) > 0 {
		c.Errorf("%d were claimed, none was wanted", len(got))
	}
	var all []source.Delivery
	for _, want := range []int{1, 4, 20} {
		all = append(all, c.claim(want)...)
	}
	c.same("claimed", texts(all), c.elements(0, 10))
	c.grow(all)
	if reply := c.settle(source.Request{Done: tags(all)}); reply.Held != 0 {
		c.Errorf("%d are held when all are done", reply.Held)
	}
	if d := c.exchange(source.Request{}).NextDue; d >= 0 {
		c.Errorf("the next job is due in %v; there is none", d)
	}
	c.empty()
}

// claimAtOnceByMany has exchanges under way at the same time, as a worker does.
func claimAtOnceByMany(c *check) {
	const n = 200
	c.Push(c, c.elements(0, n)...)
	var (
		mu  sync.Mutex
		all []source.Delivery
		wg  sync.WaitGroup
	)
	for range 4 {
		wg.Go(func() {
			var done []source.Tag
			for {
				reply := c.exchange(source.Request{Want: 7, Done: done, Strays: true})
				if reply.Settled != len(done) {
					c.Errorf("%d of %d were settled", reply.Settled, len(done))
				}
				if len(reply.Claimed) == 0 {
					return
				}
				done = tags(reply.Claimed)
				mu.Lock()
				all = append(all, reply.Claimed...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(all) != n {
		c.Fatalf("%d jobs were claimed, want %d", len(all), n)
	}
	byTag := map[source.Tag]bool{}
	byElement := map[string]bool{}
	for _, d := range all {
		if byTag[d.Tag] || byElement[d.Element] {
			c.Errorf("%q under the tag %d: it is there twice", d.Element, d.Tag)
		}
		byTag[d.Tag], byElement[d.Element] = true, true
	}
	c.empty()
}

func elementsAreBytes(c *check) {
	odd := []string{"", "\x00\xff\r\n", "{", "  "}
	c.Push(c, odd...)
	got := c.claim(len(odd))
	c.same("claimed", texts(got), odd)
	c.settle(source.Request{Done: tags(got)})
}

func settleEnds(c *check) {
	c.Push(c, c.elements(0, 4)...)
	got := c.claim(4)
	if len(got) != 4 {
		c.Fatalf("%d were claimed", len(got))
	}
	reply := c.settle(source.Request{
		Done: []source.Tag{got[0].Tag},
		Outcomes: []source.Outcome{
			c.outcome(got[1], source.Dead, 0, 101), c.outcome(got[2], source.Cancelled, 0, 102), c.outcome(got[3], source.Expired, 0, 103),
		},
	})
	if reply.Held != 0 {
		c.Errorf("%d are held", reply.Held)
	}
	c.empty()
}

func settleDelays(c *check) {
	c.Push(c, c.elements(0, 3)...)
	got := c.claim(3)
	if len(got) != 3 {
		c.Fatalf("%d were claimed", len(got))
	}
	// Later than this test lasts: it must not come.
	c.settle(source.Request{Outcomes: []source.Outcome{c.outcome(got[0], source.Retry, time.Hour, 100)}})
	reply := c.exchange(source.Request{})
	if reply.NextDue < 50*time.Minute || reply.NextDue > time.Hour {
		c.Errorf("the next job is due in %v, want an hour", reply.NextDue)
	}
	const delay = 100 * time.Millisecond
	reply = c.settle(source.Request{Outcomes: []source.Outcome{
		c.outcome(got[1], source.Snooze, delay, 101), c.outcome(got[2], source.Unknown, delay, 102),
	}})
	from, kept := reply.Now, []string{}
	for range 2 {
		d := c.claimOne()
		if reply = c.settle(source.Request{Done: []source.Tag{d.Tag}}); reply.Now.Sub(from) < delay {
			c.Errorf("%q came after %v, and was to rest for %v", d.Element, reply.Now.Sub(from), delay)
		}
		kept = append(kept, d.Element)
	}
	slices.Sort(kept)
	want := c.elements(101, 103)
	slices.Sort(want)
	c.same("claimed again", kept, want)
	c.empty()
}

// settleReleases: what is put back is served first, in the order in which it was.
func settleReleases(c *check) {
	c.Push(c, c.elements(0, 4)...)
	got := c.claim(3)
	c.same("claimed", texts(got), c.elements(0, 3))
	var back []source.Outcome
	for i, d := range slices.Backward(got) {
		back = append(back, source.Outcome{Tag: d.Tag, State: source.Release, Element: d.Element, Found: i != 1})
	}
	c.settle(source.Request{Outcomes: back})
	again := c.claim(4)
	have := texts(again)
	if len(have) != 4 || have[3] != c.Element(3) {
		c.Errorf("%q were claimed: want what was put back before the rest", have)
	}
	slices.Sort(have)
	c.same("claimed again", have, c.elements(0, 4))
	if len(again) > 0 && len(got) > 0 && again[0].Fence <= got[2].Fence {
		c.Errorf("%s in the second run, %s in the first: want it to grow", number(again[0]), number(got[2]))
	}
	c.settle(source.Request{Done: tags(again)})
	c.empty()
}

// settleTwice is what a worker does whose reply was lost.
func settleTwice(c *check) {
	c.Push(c, c.elements(0, 3)...)
	got := c.claim(3)
	if len(got) != 3 {
		c.Fatalf("%d were claimed", len(got))
	}
	r := source.Request{
		Done:     []source.Tag{got[0].Tag},
		Outcomes: []source.Outcome{c.outcome(got[1], source.Retry, time.Hour, 101), c.outcome(got[2], source.Dead, 0, 102)},
	}
	c.settle(r)
	reply := c.exchange(r)
	if reply.Settled != 0 {
		c.Errorf("%d were settled a second time", reply.Settled)
	}
	for _, d := range got[1:] {
		if !slices.Contains(reply.Refused, d.Tag) {
			c.Errorf("refused were %v, and not %d", reply.Refused, d.Tag)
		}
	}
	if reply = c.exchange(source.Request{Done: []source.Tag{got[2].Tag + 1000}}); reply.Settled != 0 || reply.Held != 0 {
		c.Errorf("a tag that was never given out: %+v", reply)
	}
	c.empty()
}

func acceptIsRepeatable(c *check) {
	c.Push(c, c.Element(0))
	d := c.handedOver()
	if d == nil {
		return
	}
	var fence int64
	for n := range 3 { // two more, as after lost replies
		reply := c.exchange(source.Request{Handed: d})
		if !reply.Accepted || reply.Held != 1 || reply.Fence < max(fence, 1) {
			c.Errorf("exchange %d: %+v: want it accepted, one held, and a fence that is not lower than %d", n, reply, fence)
		}
		fence = reply.Fence
	}
	// Its outcome may come along with its acceptance, and both again.
	c.Push(c, c.Element(1))
	second := c.waitForOne()
	if second.Tag <= d.Tag {
		c.Errorf("the second has the tag %d, the first %d", second.Tag, d.Tag)
	}
	c.settle(source.Request{Done: []source.Tag{d.Tag, second.Tag}})
	if reply := c.exchange(source.Request{Handed: d}); reply.Accepted || reply.Held != 0 {
		c.Errorf("what was settled is accepted again: %+v", reply)
	}
	c.empty()
}

// handedOver is what a wait brings along; nil in a format whose waits bring
// nothing.
func (c *check) handedOver() *source.Delivery {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.wait(ctx)
}

func straysOnlyWhenAsked(c *check) {
	c.Push(c, c.Element(0))
	d := c.handedOver()
	if d == nil {
		return
	}
	// A wait might be under way: what it hands over is its own.
	if reply := c.exchange(source.Request{Want: 10}); len(reply.Claimed) > 0 || reply.Held != 0 {
		c.Errorf("without Strays: %+v", reply)
	}
	// Handed goes before, so that it is not taken for a stray.
	reply := c.exchange(source.Request{Want: 10, Strays: true, Handed: d})
	if !reply.Accepted || len(reply.Claimed) > 0 || reply.Held != 1 {
		c.Errorf("with Handed: %+v", reply)
	}
	c.settle(source.Request{Done: []source.Tag{d.Tag}})

	c.Push(c, c.Element(1))
	if c.handedOver() == nil { // and forgotten
		c.Fatal("a wait brought nothing along")
	}
	got := c.claim(10)
	c.same("strays", texts(got), c.elements(1, 2))
	c.settle(source.Request{Done: tags(got)})

	// When no slot is free, a stray goes back.
	c.Push(c, c.elements(2, 4)...)
	if c.handedOver() == nil {
		c.Fatal("a wait brought nothing along")
	}
	if reply := c.exchange(source.Request{Strays: true}); reply.Held != 0 || len(reply.Claimed) > 0 {
		c.Errorf("with no slot free: %+v", reply)
	}
	got = c.claim(10)
	c.same("after that", texts(got), c.elements(2, 4))
	c.settle(source.Request{Done: tags(got)})
	c.empty()
}

func exchangeWithEndedContext(c *check) {
	c.Push(c, c.Element(0))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if reply, err := c.Source.Exchange(ctx, &source.Request{Want: 1}); err == nil {
		c.Errorf("%+v: want an error", reply)
	}
	// Whatever it did: the job is held, or can be claimed.
	held, err := c.Source.Held(context.Background())
	if err != nil {
		c.Fatal(err)
	}
	all := append(held, c.claim(1)...)
	c.same("held or claimed", texts(all), c.elements(0, 1))
	c.settle(source.Request{Done: tags(all)})
}

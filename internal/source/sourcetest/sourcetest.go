// Package sourcetest checks that a source keeps the contract of package source. A
// new format begins with it:
//
//	func TestSource(t *testing.T) {
//		sourcetest.Test(t, func(t *testing.T) *sourcetest.Queue { … })
//	}
package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// Queue is what the suite needs of a format: an empty queue and its source.
type Queue struct {
	Source source.Source
	// Element returns the element of a job. Each number has one of its own.
	Element func(n int) string
	// Push puts elements into the queue as a producer does, in this order.
	Push func(t testing.TB, elements ...string)
	// Bell receives when something other than the end of a wait says that a job may
	// be ready. It is nil in a format whose waits notice everything.
	Bell <-chan struct{}
	// EndLease has the source taken for dead, and what it holds put back, as
	// another worker would do it. It is nil in a format without leases.
	EndLease func(t testing.TB)
}

// patience is how long anything may take that should be done at once. It is less
// than a wait lasts.
const patience = 10 * time.Second

// Test runs the suite. open is called once for each part of it, with a t of its
// own; the parts run in parallel.
func Test(t *testing.T, open func(t *testing.T) *Queue) {
	for _, part := range []struct {
		name string
		test func(c *check)
	}{
		{"WaitHandsOver", waitHandsOver},
		{"WaitWakesForAPush", waitWakesForAPush},
		{"WaitEndsWithItsContext", waitEndsWithItsContext},
		{"WaitLosesNothing", waitLosesNothing},
		{"ClaimInOrder", claimInOrder},
		{"ClaimAtOnceByMany", claimAtOnceByMany},
		{"ElementsAreBytes", elementsAreBytes},
		{"SettleEnds", settleEnds},
		{"SettleDelays", settleDelays},
		{"SettleReleases", settleReleases},
		{"SettleTwice", settleTwice},
		{"AcceptIsRepeatable", acceptIsRepeatable},
		{"StraysOnlyWhenAsked", straysOnlyWhenAsked},
		{"HeldIsWhatIsHeld", heldIsWhatIsHeld},
		{"ExchangeWithEndedContext", exchangeWithEndedContext},
		{"RunMakesDueJobsReady", runMakesDueJobsReady},
		{"LeaveGivesUpTheRight", leaveGivesUpTheRight},
		{"LostLease", lostLease},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			c := &check{T: t, Queue: open(t)}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { defer close(ended); c.Source.Run(ctx) }()
			c.stop = sync.OnceFunc(func() {
				cancel()
				select {
				case <-ended:
				case <-time.After(patience):
					t.Error("Run does not end with its context")
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				for range 2 { // it may be called again
					if err := c.Source.Leave(ctx); err != nil {
						t.Errorf("Leave: %v", err)
					}
				}
			})
			t.Cleanup(c.stop)
			part.test(c)
		})
	}
}

// check is one part of the suite under way. Run runs until stop is called,
// which leaves.
type check struct {
	*testing.T
	*Queue
	stop func()
}

// elements are those with the numbers from a up to b, without b.
func (c *check) elements(a, b int) []string {
	var all []string
	for n := a; n < b; n++ {
		all = append(all, c.Element(n))
	}
	return all
}

// exchange is Exchange, which has to work.
func (c *check) exchange(r source.Request) *source.Reply {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := c.Source.Exchange(ctx, &r)
	if err != nil {
		c.Fatalf("Exchange(%+v): %v", r, err)
	}
	if reply.Trouble != nil {
		c.Errorf("Exchange(%+v): trouble: %v", r, reply.Trouble)
	}
	if len(reply.Claimed) > r.Want {
		c.Errorf("Exchange claimed %d jobs, wanted %d", len(reply.Claimed), r.Want)
	}
	return reply
}

// claim claims at most n jobs while no wait is under way.
func (c *check) claim(n int) []source.Delivery {
	c.Helper()
	return c.exchange(source.Request{Want: n, Strays: true}).Claimed
}

// claimOne claims a job as soon as there is one.
func (c *check) claimOne() source.Delivery {
	c.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got := c.claim(1); len(got) == 1 {
			return got[0]
		}
	}
	c.Fatal("there is no job")
	return source.Delivery{}
}

// wait is Wait, which has to end well.
func (c *check) wait(ctx context.Context) *source.Delivery {
	c.Helper()
	d, err := c.Source.Wait(ctx)
	if err != nil {
		c.Errorf("Wait: %v", err)
	}
	return d
}

// waitForOne waits until a job may be ready, and claims it if the wait has not
// brought it along.
func (c *check) waitForOne() source.Delivery {
	c.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		select {
		case <-c.Bell: // never, if it is nil
			cancel()
		case <-ctx.Done():
		}
	}()
	d := c.wait(ctx)
	if time.Since(start) >= patience {
		c.Fatal("Wait was not woken by a job")
	}
	if d == nil {
		return c.claimOne()
	}
	if reply := c.exchange(source.Request{Handed: d}); !reply.Accepted {
		c.Fatalf("what Wait has handed over is not accepted: %+v", reply)
	}
	return *d
}

// settle has all outcomes of a request accepted.
func (c *check) settle(r source.Request) *source.Reply {
	c.Helper()
	reply := c.exchange(r)
	if reply.Settled != len(r.Done) || len(reply.Refused) > 0 {
		c.Errorf("of %d done jobs %d were settled, and of %d others refused %v", len(r.Done), reply.Settled, len(r.Outcomes), reply.Refused)
	}
	return reply
}

// empty demands that nothing is held and nothing can be claimed.
func (c *check) empty() {
	c.Helper()
	if reply := c.exchange(source.Request{Want: 10, Strays: true}); len(reply.Claimed) > 0 || reply.Held != 0 {
		c.Errorf("%d are held, and claimed were %v: want nothing", reply.Held, reply.Claimed)
	}
}

// same demands that two lists of elements are equal.
func (c *check) same(what string, got, want []string) {
	c.Helper()
	if !slices.Equal(got, want) {
		c.Errorf("%s: %q, want %q", what, got, want)
	}
}

func texts(all []source.Delivery) []string {
	var list []string
	for _, d := range all {
		list = append(list, d.Element)
	}
	return list
}

func tags(all []source.Delivery) []source.Tag {
	var list []source.Tag
	for _, d := range all {
		list = append(list, d.Tag)
	}
	return list
}

// outcome is what a worker says of d; n is the number of the element to be kept.
func (c *check) outcome(d source.Delivery, state source.State, delay time.Duration, n int) source.Outcome {
	return source.Outcome{Tag: d.Tag, State: state, Delay: delay, Element: c.Element(n)}
}

// grow demands that tags and fences grow from delivery to delivery.
func (c *check) grow(all []source.Delivery) {
	c.Helper()
	for i, d := range all {
		if d.Tag == 0 || d.Fence == 0 {
			c.Errorf("delivery %d has the tag %d and the fence %d: want both", i, d.Tag, d.Fence)
		}
		if i > 0 && (d.Tag <= all[i-1].Tag || d.Fence <= all[i-1].Fence) {
			c.Errorf("delivery %d: %s after %s: want both to grow", i, number(d), number(all[i-1]))
		}
	}
}

func number(d source.Delivery) string { return fmt.Sprintf("tag %d, fence %d", d.Tag, d.Fence) }

package sourcetest

import (
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// runMakesDueJobsReady: a job that becomes due wakes a wait, without an exchange.
func runMakesDueJobsReady(c *check) {
	c.Push(c, c.Element(0))
	d := c.claimOne()
	c.settle(source.Request{Outcomes: []source.Outcome{c.outcome(d, source.Retry, 50*time.Millisecond, 1)}})
	d = c.waitForOne()
	if d.Element != c.Element(1) {
		c.Errorf("%q became due, want %q", d.Element, c.Element(1))
	}
	c.settle(source.Request{Done: []source.Tag{d.Tag}})
	c.empty()
}

// leaveGivesUpTheRight: after Leave nothing is claimed any more, and what is held can
// still be settled.
func leaveGivesUpTheRight(c *check) {
	c.Push(c, c.elements(0, 3)...)
	got := c.claim(2)
	if len(got) != 2 {
		c.Fatalf("%d were claimed", len(got))
	}
	c.stop()
	if reply := c.exchange(source.Request{Want: 10, Strays: true}); len(reply.Claimed) > 0 || reply.Lost > got[0].Tag {
		c.Errorf("after Leave: %+v: want nothing claimed and nothing lost", reply)
	}
	c.settle(source.Request{
		Done:     tags(got[:1]),
		Outcomes: []source.Outcome{{Tag: got[1].Tag, State: source.Release, Element: got[1].Element, Found: true}},
	})
	if all := c.held(); len(all) > 0 {
		c.Errorf("%v are held", all)
	}
}

// lostLease: who was taken for dead is told, gets nothing under its old lease, and
// goes on under a new one.
func lostLease(c *check) {
	if c.EndLease == nil {
		return
	}
	c.Push(c, c.elements(0, 3)...)
	got := c.claim(2)
	if len(got) != 2 {
		c.Fatalf("%d were claimed", len(got))
	}
	c.EndLease(c)
	reply := c.exchange(source.Request{
		Want: 10, Done: tags(got[:1]), Strays: true,
		Outcomes: []source.Outcome{c.outcome(got[1], source.Retry, 0, 100)},
	})
	if len(reply.Claimed) > 0 || reply.Settled != 0 || len(reply.Refused) == 0 {
		c.Errorf("under the old lease: %+v: want nothing claimed and nothing settled", reply)
	}
	if reply.Lost <= got[1].Tag {
		c.Errorf("lost is what is below %d; the last tag was %d", reply.Lost, got[1].Tag)
	}
	again := c.claim(10)
	if len(again) != 3 {
		c.Errorf("%q were claimed under the new lease, want all three jobs", texts(again))
	}
	for _, d := range again {
		if d.Tag < reply.Lost || d.Fence <= got[1].Fence {
			c.Errorf("%s under the new lease: want the tag not below %d, the fence above %d", number(d), reply.Lost, got[1].Fence)
		}
	}
	c.settle(source.Request{Done: tags(again)})
	c.empty()
}

package sourcetest

import (
	"context"
	"time"

	"github.com/tasuki-dev/tasuki/internal/source"
)

func (c *check) held() []source.Delivery {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := c.Source.Held(ctx)
	if err != nil {
		c.Fatalf("Held: %v", err)
	}
	return all
}

func heldIsWhatIsHeld(c *check) {
	if all := c.held(); len(all) > 0 {
		c.Errorf("%v are held at the start", all)
	}
	c.Push(c, c.elements(0, 5)...)
	first := c.waitForOne()
	got := append([]source.Delivery{first}, c.claim(4)...)
	last := got[len(got)-1].Fence
	for range 2 { // looking changes nothing
		all := c.held()
		c.same("held", texts(all), texts(got))
		for i, d := range all {
			if i < len(got) && (d.Tag != got[i].Tag || d.Fence < got[i].Fence || d.Fence > last) {
				c.Errorf("held is %s, given out was %s", number(d), number(got[i]))
			}
		}
	}
	c.settle(source.Request{
		Done:     tags(got[:2]),
		Outcomes: []source.Outcome{c.outcome(got[2], source.Retry, time.Hour, 100)},
	})
	c.same("held after settling", texts(c.held()), c.elements(3, 5))
	c.settle(source.Request{Done: tags(got[3:])})
	c.empty()
}

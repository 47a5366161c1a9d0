package top

import (
	"strings"
	"testing"
	"time"
)

func (f *fake) times(what string) (n int) {
	for _, asked := range f.asked {
		if strings.HasPrefix(asked, what) {
			n++
		}
	}
	f.asked = nil
	return n
}

// Statistics are read no more often than workers write them down; when somebody asks, at once.
func TestKinds(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("8")
		b.shows("Kinds by failed, over 1h", "email.newsle", "KIND")
		if n := b.times("kinds"); n != 1 {
			t.Errorf("it has asked %d times", n)
		}
		b.wait(9 * time.Second)
		if n := b.times("kinds"); n != 0 {
			t.Errorf("it has asked %d times in 9 s", n)
		}
		b.wait(2 * time.Second)
		if n := b.times("kinds"); n != 1 {
			t.Errorf("it has asked %d times in 11 s", n)
		}
		b.press("r")
		if n := b.times("kinds"); n != 1 {
			t.Errorf("it has asked %d times when told to", n)
		}
		first := func(want string) {
			t.Helper()
			if got := b.m.top().(*kinds).all[0].Kind; got != want {
				t.Errorf("%s is the first, want %s", got, want)
			}
		}
		first("email.newsletter")
		b.press("s")
		b.shows("Kinds by done")
		first("image.resize")
		b.press("s")
		b.shows("Kinds by run p99")
		first("email.newsletter")
		b.press("s")
		b.shows("Kinds by wait p99")
		first("email.newsletter")
		b.press("s")
		for _, over := range []string{"3h", "7d", "90d", "1h"} {
			b.press("t")
			b.shows("Kinds by failed, over "+over, "email.newsle")
		}
		b.press("enter")
		if b.asked = b.asked[len(b.asked)-1:]; b.asked[0] != "history mail email.newsletter 1m0s" {
			t.Errorf("it has asked %q", b.asked)
		}
		b.press("t", "t")
		b.shows("email.newsletter in mail, over 7d", "deploy of billing")
		b.press("enter")
		b.shows("Jobs: queue:mail kind:email.newsletter")
	})
}

// Pages of acts, with the marks of their time.
func TestAudit(t *testing.T) {
	onBench(t, false, func(b *bench) {
		b.press("9")
		b.shows("ann@web-1", "retry", "queue:mail state:dead", "4,000", "mark", "deploy of billing", "bob@web-1", "page 1, n: older")
		b.shuns("before all", "no record")
		b.press("p")
		b.shows("page 1")
		b.press("n")
		b.shows("move", "the job has no record", "before all", "page 2")
		b.shuns("ann@web-1", "deploy of billing", "n: older")
		b.press("n", "enter")
		b.shows("Audit › move mail/x�[2J", "why not    the job has no record")
		b.press("esc", "p")
		b.shows("ann@web-1", "page 1, n: older")
	})
}

package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestTwoSweepers: two workers have read what a third has left behind, and one of its
// jobs is settled late. What was read is put back once, with one crash, and what is
// settled not at all.
//
//fault:process two sweepers have read the same jobs, and one of these is settled meanwhile | each of the others is put back once, with one crash
func TestTwoSweepers(t *testing.T) {
	t.Parallel()
	b := newBox(t, redistest.Shared(t).URL(), "mail")
	left, err := b.s.Orphans(t.Context(), b.q, dead, 10)
	if err != nil || len(left) != 3 {
		t.Fatalf("left are %v, %v", left, err)
	}
	b.do("HDEL", b.q.Held(dead), formatTag(FirstTag)) // settled
	before := b.dump()
	for i, want := range []int{2, 0} {
		var back []PutBack
		for _, l := range left {
			back = append(back, PutBack{Left: l, To: "ready", As: "crashed", Element: l.Element + string(rune('a'+i))})
		}
		n, ended, err := b.s.Sweep(t.Context(), b.q, dead, back)
		if err != nil || n != want || !ended {
			t.Errorf("sweeper %d has put back %d, %v, %v; want %d", i, n, ended, err, want)
		}
	}
	got := changes(before, b.dump())
	want := []string{
		"-count claimed 10", "-hand:dead [dead hand]", "-held:dead 1000000000001 d1", "-ready [r1, r2]",
		"+count claimed 11", "+count crashed 2", "+ready [d1a, dead handa, r1, r2]",
	}
	for _, line := range changes(want, got) {
		t.Errorf("%s; (+ is too much, - is missing)", line)
	}
}

// TestOneObserver: of the workers that miss the same observer at once, one takes its
// place. The others are told so, and watch nobody.
//
//fault:process several workers miss the observer at the same moment | one of them takes its place, and is not displaced by the others
func TestOneObserver(t *testing.T) {
	t.Parallel()
	b := newBox(t, redistest.Shared(t).URL(), "mail")
	elected := make(chan string, 10)
	var wg sync.WaitGroup
	for i := range cap(elected) {
		wg.Go(func() {
			who := fmt.Sprint("w", i)
			ok, err := b.s.Elect(t.Context(), dead, who)
			if err != nil {
				t.Error(err)
			}
			if ok {
				elected <- who
			}
		})
	}
	wg.Wait()
	if len(elected) != 1 {
		t.Fatalf("%d were told that they observe, want one", len(elected))
	}
	if is, err := b.do("HGET", b.s.workersKey(), "@observer").ToString(); err != nil || is != <-elected {
		t.Errorf("%s observes, %v: want who was told so", is, err)
	}
}

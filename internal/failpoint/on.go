//go:build failpoint && unix

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var points = []Point{
	BetweenPortions, BetweenDue, AfterHandOver, AfterClaim, BeforeHandler, AfterHandler, BeforeSettle, AfterSettle,
	AfterTombstone, BetweenSwept, BeforeFlush, BeforeLeave, BeforeRetire,
}

// rule is what happens at the nth time.
type rule struct {
	action string
	sleep  time.Duration
	nth    int64
	times  atomic.Int64
}

var rules = sync.OnceValue(func() map[Point]*rule {
	all, err := parse(os.Getenv(Env))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", Env, err))
	}
	return all
})

func parse(text string) (map[Point]*rule, error) {
	all := map[Point]*rule{}
	if text == "" {
		return all, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, what, found := strings.Cut(part, "=")
		if !found || !slices.Contains(points, Point(name)) {
			return nil, fmt.Errorf("%q: allowed are POINT=ACTION of the points %v", part, points)
		}
		r := &rule{nth: 1}
		what, nth, found := strings.Cut(what, "@")
		if found {
			n, err := strconv.ParseInt(nth, 10, 64)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%q: allowed behind @ are 1 and more", part)
			}
			r.nth = n
		}
		r.action, what, _ = strings.Cut(what, ":")
		switch r.action {
		case "kill", "panic", "error":
		case "stop", "sleep":
			if r.action == "stop" && what == "" {
				break
			}
			d, err := time.ParseDuration(what)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", part, err)
			}
			r.sleep = d
		default:
			return nil, fmt.Errorf("%q: allowed are kill, stop, stop:DURATION, sleep:DURATION, panic and error", part)
		}
		all[Point(name)] = r
	}
	return all, nil
}

// Hit is called where the process is at a point.
func Hit(p Point) {
	if err := Err(p); err != nil {
		panic(fmt.Sprintf("failpoint %s can return no error", p))
	}
}

// Err is Hit for a place that can fail.
func Err(p Point) error { return rules()[p].hit(p) }

func (r *rule) hit(p Point) error {
	if r == nil || r.times.Add(1) != r.nth {
		return nil
	}
	// One write, so that it is out before the process is.
	fmt.Fprintf(os.Stderr, "failpoint %s: %s in process %d\n", p, r.action, os.Getpid())
	switch r.action {
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // it cannot fail for itself
		select {}
	case "stop":
		syscall.Kill(os.Getpid(), syscall.SIGSTOP) //nolint:errcheck // it cannot fail for itself
		// The signal may reach another thread first: this one goes no further
		// before it is stopped too.
		time.Sleep(20 * time.Millisecond)
		time.Sleep(r.sleep)
	case "sleep":
		time.Sleep(r.sleep)
	case "panic":
		panic("failpoint " + string(p))
	case "error":
		return fmt.Errorf("failpoint %s", p)
	}
	return nil
}

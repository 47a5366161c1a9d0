//go:build failpoint && unix

package failpoint

import (
	"testing"
	"time"
)

// TestFailpointRules: each happens at its time, and only then.
func TestFailpointRules(t *testing.T) {
	t.Parallel()
	all, err := parse("after-claim=error@2,before-settle=sleep:30ms,before-handler=panic")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false} {
		if err := all[AfterClaim].hit(AfterClaim); (err != nil) != want {
			t.Errorf("hit %d: %v", i+1, err)
		}
	}
	start := time.Now()
	if err := all[BeforeSettle].hit(BeforeSettle); err != nil || time.Since(start) < 30*time.Millisecond {
		t.Errorf("sleep: %v after %v", err, time.Since(start))
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		all[BeforeHandler].hit(BeforeHandler) //nolint:errcheck // it panics
	}()
	if err := all[AfterHandler].hit(AfterHandler); err != nil {
		t.Errorf("a point without a rule: %v", err)
	}
	for _, bad := range []string{"nowhere=kill", "after-claim", "after-claim=jump", "after-claim=kill@0", "after-claim=sleep:long", "after-claim=sleep", "after-claim=stop:long"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

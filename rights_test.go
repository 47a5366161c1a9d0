package tasuki_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestFewRights runs workers whose user may not do what makes them quick. They
// say so once, and work.
//
//fault:server the user may not CLIENT, SUBSCRIBE, PUBSUB, BLMOVE, PUBLISH or MULTI | a worker says so once and works, later by seconds
func TestFewRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for name, tt := range map[string]struct {
		rule []string
		says string
	}{
		"unblock":   {[]string{"-client|unblock"}, "cannot be woken"},
		"id":        {[]string{"-client|id"}, "cannot be woken"},
		"multi":     {[]string{"-multi"}, "cannot be woken"},
		"subscribe": {[]string{"-subscribe"}, "SUBSCRIBE is refused"},
		"numsub":    {[]string{"-pubsub"}, ""},
		"channels":  {[]string{"resetchannels"}, "SUBSCRIBE is refused"},
		"blmove":    {[]string{"-blmove"}, "blmove"},
		"all":       {[]string{"-client", "-subscribe", "-pubsub", "-blmove", "-publish", "resetchannels"}, "cannot be woken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.URL())
			user := "u" + name[len(name)-2:] + fmt.Sprint(len(name))
			if got := s.Do(t, append([]string{"ACL", "SETUSER", user, "on", ">pw", "~*", "&*", "+@all"}, tt.rule...)...); got != "+OK" {
				t.Fatal(got)
			}
			e.url = fmt.Sprintf("unix://%s:pw@%s", user, s.Socket())
			limited := e.open(nil)
			w, err := tasuki.NewWorker(limited, &tasuki.WorkerConfig{Concurrency: 3})
			if err != nil {
				t.Fatal(err)
			}
			got := collect(w, number)
			stop := e.run(w)
			e.enqueue(number, 5)
			got.wait(t, 5)
			e.enqueue(number.With(tasuki.Opts{In: 50 * time.Millisecond}), 2)
			got.wait(t, 7)
			e.settled("default", 7)
			start := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if tt.says != "" {
				lines := strings.Split(e.log.String(), "\n")
				n := len(slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, tt.says) }))
				if n != 1 {
					t.Errorf("%q was said %d times, want once", tt.says, n)
				}
			}
		})
	}
}

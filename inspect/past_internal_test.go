package inspect

import (
	"fmt"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/tally"
)

// TestPastGoesOn: a minute that was the last is read again until it is over, and then not any more;
// what is kept does not grow.
func TestPastGoesOn(t *testing.T) {
	t.Parallel()
	server, namespace := redistest.Shared(t), redistest.Namespace(t)
	client, err := tasuki.Open(server.As(t, "operator", namespace), &tasuki.ClientConfig{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p := &past{store: bridge.Store(client)}
	write := func(minute int64, n int) {
		var c tally.Counts
		c.Done = int64(n)
		server.Do(t, "HSET", fmt.Sprintf("%s:stats:{stats}:minute:%d", namespace, minute), store.CountField("q", "k"), string(c.Append(nil)))
	}
	read := func(from, now int64) (n int64) {
		t.Helper()
		all := map[string]*tally.Sums{}
		at := time.Unix(now*60+7, 0)
		if err := p.add(t.Context(), all, store.Minutes, time.Unix(from*60, 0), at, at); err != nil {
			t.Fatal(err)
		}
		for _, sum := range all {
			n += sum.Done()
		}
		return n
	}
	for _, step := range []struct {
		minute     int64
		write, now int64 // what is written in the minute, and which one it is then
		want       int64
	}{{100, 1, 101, 1}, {101, 10, 101, 11}, {101, 20, 101, 21}, {101, 30, 102, 31}, {102, 100, 102, 131}, {101, 7, 102, 131}, {103, 1000, 103, 1131}} {
		write(step.minute, int(step.write))
		if got := read(100, step.now); got != step.want {
			t.Errorf("%+v: %d", step, got)
		}
	}
	was := p.young.bytes
	for range 10 {
		read(100, 103)
	}
	if p.young.bytes != was || was == 0 {
		t.Errorf("%d bytes, and then %d", was, p.young.bytes)
	}
	p.young.bytes = pastMost + 1
	write(104, 0)
	read(100, 105)
	if p.young.bytes > pastMost || len(p.old.spans) == 0 {
		t.Errorf("%d bytes, and %d spans before", p.young.bytes, len(p.old.spans))
	}
	p.turned = time.Now().Add(-2 * pastFor)
	read(100, 106)
	p.turned = time.Now().Add(-2 * pastFor)
	write(101, 40)
	read(100, 107)
	p.turned = time.Now().Add(-2 * pastFor)
	if got := read(100, 108); got != 1141 {
		t.Errorf("after two hours it still knows %d", got)
	}
}

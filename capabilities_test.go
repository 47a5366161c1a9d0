package tasuki_test

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// optional are the commands that a worker can do without, as a proxy in between, a
// managed server or an ACL may refuse them.
var optional = []string{"CLIENT ID", "CLIENT UNBLOCK", "SUBSCRIBE", "PUBSUB NUMSUB", "BLMOVE", "BLPOP", "PUBLISH"}

// refusals are the words with which they do.
var refusals = []string{
	"-ERR unknown command '%s', with args beginning with: \r\n",
	"-NOPERM this user has no permissions to run the '%s' command\r\n",
	"-ERR unknown subcommand or wrong number of arguments for '%s'. Try CLIENT HELP.\r\n",
	"-ERR unsupported command '%s'\r\n",
}

// TestEverySubsetOfCommands refuses subsets of the commands that a worker can do
// without: all of them with TASUKI_TEST_SUBSETS=all. With each it runs what is there, what is scheduled and what is pushed
// while it is idle, and stops.
//
//fault:network a proxy in between refuses blocking commands, PUBSUB, or any other set of commands that are not needed | workers do without them, later by seconds
func TestEverySubsetOfCommands(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var wg sync.WaitGroup
	few := make(chan struct{}, 32)
	all := os.Getenv("TASUKI_TEST_SUBSETS") == "all"
	for subset := range 1 << len(optional) {
		// Those of one, of two and of all but one, and some of the others.
		if n := bits.OnesCount(uint(subset)); n > 2 && n < len(optional)-1 && !all && rand.IntN(8) > 0 {
			continue
		}
		var refused []string
		for i, command := range optional {
			if subset>>i&1 == 1 {
				refused = append(refused, command)
			}
		}
		proxy := redistest.StartProxy(t, s)
		proxy.Answer(func(c []string) string {
			for _, command := range refused {
				name, sub, _ := strings.Cut(command, " ")
				if c[0] == name && (sub == "" || c[1] == sub) {
					return fmt.Sprintf(refusals[subset%len(refusals)], command)
				}
			}
			return ""
		})
		e := newEnv(t, s.URL())
		w, err := tasuki.NewWorker(e.openAt(proxy.URL()), &tasuki.WorkerConfig{Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		got := collect(w, number)
		wg.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			if err := withCommands(e, w, got); err != nil {
				t.Errorf("without %q: %v\n%s", refused, err, e.log)
			}
		})
	}
	wg.Wait()
}

// withCommands runs a worker of an env, which may not do everything, from its start to
// its stop.
func withCommands(e *env, w *tasuki.Worker, got *recorder[int]) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	await := func(n int) error {
		deadline := time.Now().Add(30 * time.Second)
		for len(got.get()) < n {
			select {
			case err := <-ended:
				return fmt.Errorf("Run has ended: %w", err)
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%d of %d jobs were run", len(got.get()), n)
			}
		}
		return nil
	}
	put := func(k tasuki.Kind[int], n int) error {
		for range n {
			if _, err := k.Enqueue(ctx, e.client, n); err != nil {
				return err
			}
		}
		return nil
	}
	for _, step := range []func() error{
		func() error { return put(number, 3) }, func() error { return await(3) },
		func() error { return put(number.With(tasuki.Opts{In: 50 * time.Millisecond}), 2) }, func() error { return await(5) },
		func() error { return put(number, 1) }, func() error { return await(6) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	start := time.Now()
	cancel()
	if err := <-ended; err != nil {
		return fmt.Errorf("the stop: %w", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		return fmt.Errorf("the stop took %v", took)
	}
	if q := e.queue("default"); q.Counts["done"] != 6 || q.Counts["crashed"] != 0 || q.Workers != 0 {
		return fmt.Errorf("%+v", q)
	}
	return nil
}

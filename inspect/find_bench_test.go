package inspect_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// BenchmarkFind turns pages of a namespace with many jobs: TASUKI_BENCH_JOBS of them ready in one
// queue (a few without it; docs/benchmarks.md has 10,000,000), and 99 other queues.
func BenchmarkFind(b *testing.B) {
	n := benchJobs(b)
	server := redistest.Start(b)
	const namespace = "bench"
	client, err := tasuki.Open(server.URL(), &tasuki.ClientConfig{Namespace: namespace})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	for i := range 100 {
		queue := fmt.Sprintf("q%02d", i)
		server.Do(b, "SADD", namespace+":queues", queue)
		few := min(n/100, 1000)
		if i == 50 {
			few = n
		}
		key := namespace + ":{" + queue + "}"
		fillQueue(b, server, key, "list", few)
		fillQueue(b, server, key+":scheduled", "zset", min(n/1000, 10_000))
		fillQueue(b, server, key+":dead", "zset", min(n/10_000, 1000))
	}
	i := inspect.New(client)
	measure := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			before := commands(b, server)
			for range b.N {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(commands(b, server)-before)/float64(b.N), "calls/op")
		})
	}
	for _, text := range []string{"", "queue:q50", "queue:q50 state:ready kind:k3", "queue:q50 args.user.id:17", "error:none", "state:dead"} {
		q := parse(b, text)
		measure("first page of "+text, func() error {
			_, err := i.Find(b.Context(), q, "")
			return err
		})
	}
	// A page in the middle of the list, which is what Redis takes the longest to reach.
	q := parse(b, "queue:q50 state:ready")
	q.Limit = inspect.MaxPage
	cursor := ""
	for range min(n/2/inspect.MaxPage, 5000) {
		page, err := i.Find(b.Context(), q, cursor)
		if err != nil {
			b.Fatal(err)
		}
		if page.Cursor == "" {
			break
		}
		cursor = page.Cursor
	}
	q.Limit = inspect.UsualPage
	measure("page in the middle", func() error {
		_, err := i.Find(b.Context(), q, cursor)
		return err
	})
	measure("a job that is not there", func() error {
		_, _ = i.Job(b.Context(), "q50/nobody") // it says that it has not looked at all
		return nil
	})
	measure("all queues", func() error {
		_, err := i.Queues(b.Context())
		return err
	})
	measure("stats", func() error {
		_, err := i.Stats(b.Context())
		return err
	})
}

func benchJobs(b *testing.B) int {
	b.Helper()
	n := 10_000
	if text := os.Getenv("TASUKI_BENCH_JOBS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// commands is how many commands a server has had, with those that scripts send.
func commands(t testing.TB, server *redistest.Server) int {
	t.Helper()
	n, err := strconv.Atoi(server.Info(t, "stats", "total_commands_processed"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package inspect

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// idAt is an id that was made at a time, in ms.
func idAt(ms int64, n int) string {
	id := []byte(wire.NewID(time.UnixMilli(ms)))
	for k := len(id) - 1; k >= 10; k-- {
		id[k] = wire.Alphabet[n%32]
		n /= 32
	}
	return string(id)
}

// TestSeek: a job in the middle of a long list is found in a few looks, however unevenly the others
// came in, and also if some among them are older or do not say when.
func TestSeek(t *testing.T) {
	t.Parallel()
	server, namespace := redistest.Start(t), redistest.Namespace(t)
	client, err := tasuki.Open(server.URL(), &tasuki.ClientConfig{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	i := New(client)
	const jobs, began = 150_000, 1_700_000_000_000
	looks := func() int {
		calls, _, _ := strings.Cut(strings.TrimPrefix(server.Info(t, "commandstats", "cmdstat_lrange"), "calls="), ",")
		n, _ := strconv.Atoi(calls)
		return n
	}
	for _, test := range []struct {
		name string
		at   func(n int) float64 // ms after the first
		most int                 // looks
	}{
		{"evenly", func(n int) float64 { return float64(n) }, 6},
		{"in two bursts three days apart", func(n int) float64 { return float64(n/75_000)*259_200_000 + float64(n%75_000)/100 }, 20},
		{"faster and faster", func(n int) float64 { return 1e9 * math.Sqrt(float64(n)/jobs) }, 20},
		{"slower and slower", func(n int) float64 { return 1e9 * math.Pow(float64(n)/jobs, 4) }, 20},
		{"five thousand at a time", func(n int) float64 { return float64(n / 5000 * 40) }, 24},
	} {
		key := i.keyOf(t, strings.ReplaceAll(test.name, " ", "-"))
		words := []string{"RPUSH", key}
		ids := make([]string, jobs)
		for n := range ids {
			ms := began + int64(test.at(n))
			ids[n] = idAt(ms, n)
			element := `{"id":"` + ids[n] + `","kind":"k","args":{}}`
			switch {
			case n%50 == 7:
				element = `{"id":"` + idAt(ms-86_400_000, n) + `","kind":"k","attempt":2,"token":"t","args":{}}`
			case n%50 == 8:
				element = "no job"
			}
			if words = append(words, element); len(words) == 2002 {
				server.Do(t, words...)
				words = words[:2]
			}
		}
		worst := 0
		for range 40 {
			n := rand.IntN(jobs/50)*50 + 9
			before := looks()
			index, element, err := i.seek(t.Context(), key, jobs, time.UnixMilli(began+int64(test.at(n))), func(e string) bool { return strings.Contains(e, ids[n]) })
			if err != nil || index != int64(n) || !strings.Contains(element, ids[n]) {
				t.Errorf("%s: job %d is found at %d: %v", test.name, n, index, err)
			}
			worst = max(worst, looks()-before)
		}
		if worst > test.most {
			t.Errorf("%s: %d looks, want %d at most", test.name, worst, test.most)
		}
		t.Logf("%s: %d looks", test.name, worst)
		index, _, err := i.seek(t.Context(), key, jobs, time.UnixMilli(began+int64(test.at(jobs/2))), func(string) bool { return false })
		if err != nil || index != -1 {
			t.Errorf("%s: one that is not there is at %d: %v", test.name, index, err)
		}
		server.Do(t, "DEL", key)
	}
}

func (i *Inspector) keyOf(t *testing.T, queue string) string {
	t.Helper()
	q, err := i.store.Queue(queue)
	if err != nil {
		t.Fatal(err)
	}
	return q.Ready
}

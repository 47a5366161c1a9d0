package proof

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/tasuki-dev/tasuki"
)

// plan is what a producer enqueues.
type plan struct {
	Jobs  int     // how many; 0 is without end
	Rate  float64 // jobs a second; 0 is as fast as it goes
	Batch int     // jobs in one call: 1 unless told
	Mix   mix

	// Producers that work at the same time share the numbers: this one is Index
	// of Of.
	Index, Of int
}

// block is how many numbers in a row belong to one producer.
const block = 1000

// number is the job that comes after k others.
func (p *plan) number(k int) int {
	return (k/block*max(p.Of, 1)+p.Index)*block + k%block
}

// producer enqueues by a plan and keeps the ledger of it.
type producer struct {
	plan
	client *tasuki.Client
	ledger *ledger
}

// run enqueues from the job after k others until all are in or ctx ends. What was
// refused is tried again, what is uncertain only if it has an id.
func (p *producer) run(ctx context.Context, k int) {
	start, first := time.Now(), k
	for p.Jobs == 0 || k < p.Jobs {
		if p.Rate > 0 {
			due := start.Add(time.Duration(float64(k-first) / p.Rate * float64(time.Second)))
			// After an outage it goes on at its pace, and does not make up for it.
			if late := time.Since(due); late > time.Second {
				start = start.Add(late)
			}
			sleep(ctx, time.Until(due))
		}
		if ctx.Err() != nil {
			return
		}
		var numbers []int
		for range max(p.Batch, 1) {
			if p.Jobs == 0 || k < p.Jobs {
				numbers = append(numbers, p.number(k))
				k++
			}
		}
		p.put(ctx, numbers)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// put enqueues jobs, and those again that can be.
func (p *producer) put(ctx context.Context, left []int) {
	for len(left) > 0 {
		specs := make([]tasuki.Spec, len(left))
		for i, n := range left {
			specs[i] = p.Mix.spec(n)
		}
		p.note("try", left)
		// Not with ctx: what is under way is answered before a producer stops.
		_, err := p.client.EnqueueMany(context.Background(), specs)
		left = p.answered(left, err)
		if len(left) > 0 {
			sleep(ctx, 50*time.Millisecond)
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// answered notes what was said of each, and returns what is to be tried again.
func (p *producer) answered(tried []int, err error) (again []int) {
	var many *tasuki.ManyError
	said := map[string][]int{}
	for i, n := range tried {
		each := err
		if errors.As(err, &many) {
			each = many.Errs[i]
		}
		switch {
		case each == nil:
			said["accepted"] = append(said["accepted"], n)
		case errors.Is(each, tasuki.ErrUncertain):
			said["uncertain"] = append(said["uncertain"], n)
			if p.Mix.hasID(n) {
				again = append(again, n)
			}
		case errors.Is(each, tasuki.ErrFull):
			said["full"] = append(said["full"], n)
			again = append(again, n)
		default:
			said["refused"] = append(said["refused"], n)
			again = append(again, n)
		}
	}
	for _, word := range []string{"accepted", "uncertain", "full", "refused"} {
		p.note(word, said[word])
	}
	return again
}

// note writes a line for each range of numbers.
func (p *producer) note(word string, numbers []int) {
	for i := 0; i < len(numbers); {
		j := i + 1
		for j < len(numbers) && numbers[j] == numbers[j-1]+1 {
			j++
		}
		p.ledger.note("%s %d %d", word, numbers[i], j-i)
		i = j
	}
}

// producerConfig is what a producer process does.
type producerConfig struct {
	URL       string
	Namespace string
	Ledger    string // its own alone: one that was started again reads it
	Plan      plan
}

func (c *producerConfig) main() int {
	ledger, err := openLedger(c.Ledger)
	if err != nil {
		panic(err)
	}
	client, err := tasuki.Open(c.URL, &tasuki.ClientConfig{Namespace: c.Namespace, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	p := &producer{plan: c.Plan, client: client, ledger: ledger}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	k, err := p.resume(ctx, c.Ledger)
	if err != nil {
		panic(err)
	}
	p.run(ctx, k)
	return 0
}

// resume returns how many jobs the ledger has already. What its last process never
// got an answer for it enqueues again if that is safe.
func (p *producer) resume(ctx context.Context, name string) (k int, err error) {
	h := newHistory()
	if err := h.read(name); err != nil {
		return 0, err
	}
	for ; ; k++ {
		n := p.number(k)
		if n >= len(h.jobs) || !h.jobs[n].tried() {
			return k, nil
		}
		if j := &h.jobs[n]; j.accepted == 0 && (p.Mix.hasID(n) || !j.isDoubtful()) {
			p.put(ctx, []int{n})
		}
	}
}

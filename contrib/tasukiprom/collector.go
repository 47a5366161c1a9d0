package tasukiprom

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// CollectorConfig says how a Collector looks. The zero value of a field is its default.
type CollectorConfig struct {
	// Every is how old a look may be before a scrape looks anew: 5 s unless told, and at
	// least 1 s. So many scrapes cost Redis no more than one.
	Every time.Duration
	// Timeout is how long a look may take, and a scrape wait for it: 2 s unless told.
	Timeout time.Duration
	// MaxQueues is how many queues have metrics of their own, the first by name: 200
	// unless told. Each has 29 series.
	MaxQueues int
}

// Collector is a prometheus.Collector of a namespace and its server. What it tells is the
// same in every process: one of them should be scraped, or the rest dropped.
//
// A scrape never fails for Redis: while that is away, tasuki_up is 0, the metrics of
// queues and servers are missing, and it takes no longer than the timeout.
type Collector struct {
	cfg       CollectorConfig
	inspector *inspect.Inspector

	mu     sync.Mutex // held during a look: who scrapes meanwhile waits for it
	looked time.Time
	took   time.Duration
	stats  *inspect.Stats // nil after a look that has failed
	errors float64        // of looks, ever
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a Collector of what an inspector reaches; cfg may be nil. The error
// names the field of the config and what is allowed. It does not look.
func NewCollector(i *inspect.Inspector, cfg *CollectorConfig) (*Collector, error) {
	c := &Collector{inspector: i}
	if cfg != nil {
		c.cfg = *cfg
	}
	if c.cfg.Every == 0 {
		c.cfg.Every = 5 * time.Second
	}
	if c.cfg.Timeout == 0 {
		c.cfg.Timeout = 2 * time.Second
	}
	if c.cfg.MaxQueues == 0 {
		c.cfg.MaxQueues = 200
	}
	switch {
	case c.cfg.Every < time.Second:
		return nil, fmt.Errorf("tasukiprom: CollectorConfig.Every: %v: allowed are 1 s and more, and 0 for 5 s", c.cfg.Every)
	case c.cfg.Timeout < time.Millisecond:
		return nil, fmt.Errorf("tasukiprom: CollectorConfig.Timeout: %v: allowed are 1 ms and more, and 0 for 2 s", c.cfg.Timeout)
	case c.cfg.MaxQueues < 1:
		return nil, fmt.Errorf("tasukiprom: CollectorConfig.MaxQueues: %d: allowed are 1 and more, and 0 for 200", c.cfg.MaxQueues)
	}
	return c, nil
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What a Collector tells. docs/telemetry.md has the same as a table.
var (
	upDesc        = desc("tasuki_up", "Whether the last look at Redis has worked.")
	lookDesc      = desc("tasuki_look_duration_seconds", "How long the last look at Redis took.")
	errorsDesc    = desc("tasuki_look_errors_total", "Looks at Redis that have failed, or have not seen all.")
	queuesDesc    = desc("tasuki_queues", "Queues that were ever used.")
	leftOutDesc   = desc("tasuki_queues_left_out", "Queues that have no metrics of their own here, as there are too many.")
	workersDesc   = desc("tasuki_workers", "Workers in the list of workers.")
	slotsDesc     = desc("tasuki_slots", "Slots of all workers.")
	slotsBusyDesc = desc("tasuki_slots_busy", "Jobs that workers hold, in all queues.")

	jobsDesc         = desc("tasuki_queue_jobs", "Jobs of a queue by state.", "queue", "state")
	latencyDesc      = desc("tasuki_queue_latency_seconds", "Age of the oldest ready job, since its enqueue; 0 if there is none.", "queue")
	queueWorkersDesc = desc("tasuki_queue_workers", "Workers that may claim from a queue.", "queue")
	pausedDesc       = desc("tasuki_queue_paused", "Whether a queue is paused.", "queue")
	outcomesDesc     = desc("tasuki_queue_outcomes_total", "How claims of jobs have ended.", "queue", "outcome")
	eventsDesc       = desc("tasuki_queue_events_total", "What else was counted in a queue.", "queue", "event")

	redisInfoDesc    = desc("tasuki_redis_info", "What a server is: always 1.", "server", "product", "version", "policy")
	redisToldDesc    = desc("tasuki_redis_info_available", "Whether a server has said what the other metrics of it need.", "server")
	redisUsedDesc    = desc("tasuki_redis_memory_used_bytes", "Memory that a server uses.", "server")
	redisMaxDesc     = desc("tasuki_redis_memory_max_bytes", "The limit maxmemory; 0 is none.", "server")
	redisAOFDesc     = desc("tasuki_redis_aof_enabled", "Whether a server writes an append-only file.", "server")
	redisFailingDesc = desc("tasuki_redis_persistence_failing", "Whether the last write to the append-only file, or the last snapshot, has failed.", "server")
	redisUnsavedDesc = desc("tasuki_redis_unsaved_changes", "Changes since the last snapshot.", "server")
	redisSavedDesc   = desc("tasuki_redis_last_save_timestamp_seconds", "When the last snapshot was made since the start of the server.", "server")
)

var descs = []*prometheus.Desc{
	upDesc, lookDesc, errorsDesc, queuesDesc, leftOutDesc, workersDesc, slotsDesc, slotsBusyDesc,
	jobsDesc, latencyDesc, queueWorkersDesc, pausedDesc, outcomesDesc, eventsDesc,
	redisInfoDesc, redisToldDesc, redisUsedDesc, redisMaxDesc, redisAOFDesc, redisFailingDesc, redisUnsavedDesc, redisSavedDesc,
}

// The counters of a queue, as docs/redis-keys.md has them. Each claim has one outcome, but
// for a job that is dead by its crashes: that is counted as crashed and as dead, and as the
// event poison.
var (
	outcomes = []string{"done", "retry", "snooze", "release", "dead", "cancelled", "expired", "unknown", "parked", "stale", "crashed", "stopped"}
	events   = []string{"claimed", "poison", "refused", "revived", "withdrawn", "trimmed", "moved", "existed"}
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	s, took, failed := c.look()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(upDesc, number(s != nil))
	gauge(lookDesc, took.Seconds())
	counter(errorsDesc, failed)
	if s == nil {
		return
	}
	queues := s.Queues
	if len(queues) > c.cfg.MaxQueues {
		queues = queues[:c.cfg.MaxQueues]
	}
	gauge(queuesDesc, float64(len(s.Queues)))
	gauge(leftOutDesc, float64(len(s.Queues)-len(queues)))
	gauge(workersDesc, float64(s.Workers))
	gauge(slotsDesc, float64(s.Slots))
	gauge(slotsBusyDesc, float64(s.Busy))
	for i := range queues {
		q := &queues[i]
		name := label(q.Name)
		for state, n := range map[tasuki.State]int64{
			tasuki.StateReady: q.Ready, tasuki.StateSuspect: q.Suspect, tasuki.StateScheduled: q.Scheduled,
			tasuki.StateRetry: q.Retry, tasuki.StateRunning: q.Running, tasuki.StateDead: q.Dead,
		} {
			gauge(jobsDesc, float64(n), name, string(state))
		}
		gauge(latencyDesc, q.Latency.Seconds(), name)
		gauge(queueWorkersDesc, float64(q.Workers), name)
		gauge(pausedDesc, number(q.Paused), name)
		for _, outcome := range outcomes {
			counter(outcomesDesc, float64(q.Counts[outcome]), name, outcome)
		}
		for _, event := range events {
			counter(eventsDesc, float64(q.Counts[event]), name, event)
		}
	}
	for i := range s.Servers {
		v := &s.Servers[i]
		at := label(v.Address)
		gauge(redisToldDesc, number(v.Error == ""), at)
		if v.Error != "" {
			continue
		}
		gauge(redisInfoDesc, 1, at, label(v.Product), label(v.Version), label(v.Policy))
		gauge(redisUsedDesc, float64(v.Used), at)
		gauge(redisMaxDesc, float64(v.Max), at)
		gauge(redisAOFDesc, number(v.AOF), at)
		gauge(redisFailingDesc, number(v.Failing), at)
		gauge(redisUnsavedDesc, float64(v.Unsaved), at)
		if !v.SavedAt.IsZero() {
			gauge(redisSavedDesc, float64(v.SavedAt.UnixMilli())/1000, at)
		}
	}
}

// look returns what the last look has seen, nil if it has failed; how long it took; and how
// many have failed so far. It looks if the last is too old, whatever came of that.
func (c *Collector) look() (*inspect.Stats, time.Duration, float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looked.IsZero() || time.Since(c.looked) >= c.cfg.Every {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout)
		defer cancel()
		s, err := c.inspector.Stats(ctx)
		if err != nil {
			c.errors++
		}
		if ctx.Err() != nil {
			s = nil // what is there may be a part
		}
		c.stats, c.looked, c.took = s, time.Now(), time.Since(began)
	}
	return c.stats, c.took, c.errors
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// label is a name as a label may have it: a key of another program may be of any bytes.
func label(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	quoted := strconv.QuoteToASCII(name)
	return quoted[1 : len(quoted)-1]
}

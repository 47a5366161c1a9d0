package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/redis/rueidis"
)

// About is what a worker says of itself in tasuki:workers:info, as JSON, and when it is asked.
type About struct {
	Host        string   `json:"host"`
	PID         int      `json:"pid"`
	Started     int64    `json:"started"` // ms since 1970
	Queues      []string `json:"queues"`
	Concurrency int      `json:"concurrency"`
	// Kinds are those that it has handlers for. Others says that it takes all others too.
	Kinds  []string `json:"kinds,omitempty"`
	Others bool     `json:"others,omitempty"`
	// Subscribed says that its death shows at once. Without it only a counter
	// that stands still for long does.
	Subscribed bool `json:"subscribed"`
	// Stopping says that it was told to stop: what it leaves behind was
	// interrupted, it did not crash.
	Stopping bool `json:"stopping"`
	// Quiet says that it claims nothing more.
	Quiet   bool   `json:"quiet,omitempty"`
	Version string `json:"version,omitempty"` // of this module

	// Known says that it was there and could be read as a whole.
	Known bool `json:"-"`
}

// Place is how the worker's process is called where its jobs crashed. No name of a host
// is longer.
func (a *About) Place() string { return fmt.Sprintf("%.253s:%d", a.Host, a.PID) }

// Announce writes what a worker is and does.
func (s *Store) Announce(ctx context.Context, worker string, about *About) error {
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	_, err = s.evalInt(ctx, scriptAnnounce, []string{s.infoKey()}, []string{worker, string(text)})
	return err
}

// About returns what workers are and do, by worker; one that has not said so is
// missing. Without names it returns that of all.
func (s *Store) About(ctx context.Context, workers ...string) (map[string]About, error) {
	reply, err := s.do(ctx, "about", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		if len(workers) == 0 {
			return c.Do(ctx, c.B().Hgetall().Key(s.infoKey()).Build())
		}
		return c.Do(ctx, c.B().Hmget().Key(s.infoKey()).Field(workers...).Build())
	})
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	if len(workers) == 0 {
		if texts, err = reply.AsStrMap(); err != nil {
			return nil, explain("about", err)
		}
	} else {
		values, err := exactly(len(workers), reply.ToArray)
		if err != nil {
			return nil, explain("about", err)
		}
		for i, v := range values {
			if text, err := v.ToString(); err == nil {
				texts[workers[i]] = text
			}
		}
	}
	all := make(map[string]About, len(texts))
	for worker, text := range texts {
		var about About
		about.Known = json.Unmarshal([]byte(text), &about) == nil
		all[worker] = about
	}
	return all, nil
}

package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/fingerprint"
)

// Failure is what attempts have failed with: all that have the same Fingerprint.
type Failure struct {
	Fingerprint string    `json:"fingerprint"`
	Kind        string    `json:"kind"` // or RawKind
	Count       int64     `json:"count"`
	First       time.Time `json:"first"` // by Redis' clock, to within the ten seconds after which a worker tells
	Last        time.Time `json:"last"`
	// Hourly is how often it was in each of the last 24 hours, the present one last.
	Hourly []int64 `json:"hourly"`
	Sample Sample  `json:"sample"`
}

// Sample is the last attempt with a failure that a worker has told of.
type Sample struct {
	Queue string `json:"queue"`
	ID    string `json:"id,omitempty"`
	Error string `json:"error"`           // its first 512 bytes
	Stack string `json:"stack,omitempty"` // of a panic, the first 1,024 bytes
}

// Address is QUEUE/ID of the job.
func (s *Sample) Address() string { return s.Queue + "/" + s.ID }

// FailureQuery says which failures are meant.
type FailureQuery struct {
	Kind  string    // all if it is empty
	Queue string    // of the sample; all if it is empty
	Since time.Time // seen since then; all if it is zero
	Limit int       // not more than these; 0: 100
}

const defaultFailures = 100

// Fingerprint is what failures of a kind have in common that are the same but for numbers,
// ids and names in their text: 16 digits and small letters. text is that of the error, as
// Info.Error of a job has it, with the stack behind it if it is a panic. It asks nobody; what
// it takes out is told in docs/statistics.md.
func Fingerprint(kind, text string) string { return fingerprint.Of(kind, text) }

// FingerprintOf is the one of a job's last failure: a crash if it is dead by that, else its
// error. It is "" if there was none.
func FingerprintOf(job *tasuki.Info) string {
	kind := job.Kind
	if kind == "" {
		kind = RawKind
	}
	crashed := job.Reason == "its worker died" || strings.HasPrefix(job.Reason, "poison:") // as the sweep says it
	switch {
	case job.Error != "" && !crashed:
		return fingerprint.Of(kind, job.Error)
	case job.Crashes > 0:
		return fingerprint.Of(kind, fingerprint.Crash)
	}
	return ""
}

// Failures returns what attempts have failed with, the last first. It looks at all that are
// kept: the 1,000 that were seen last.
func (i *Inspector) Failures(ctx context.Context, q FailureQuery) ([]Failure, error) {
	if q.Limit < 0 {
		return nil, fmt.Errorf("failures: Limit: %d: allowed are 1 and more, and 0 for %d", q.Limit, defaultFailures)
	}
	const hours = 24
	seen, err := i.store.Failures(ctx, hours)
	if err != nil {
		return nil, fmt.Errorf("failures: %w", err)
	}
	failures := []Failure{}
	for n := range seen {
		s := &seen[n]
		var sample struct {
			Kind string `json:"kind"`
			Sample
		}
		_ = json.Unmarshal([]byte(s.Sample), &sample) // of whatever it says, that it was seen counts
		if q.Kind != "" && sample.Kind != q.Kind || q.Queue != "" && sample.Queue != q.Queue || s.Last.Before(q.Since) {
			continue
		}
		if len(failures) == cmp.Or(q.Limit, defaultFailures) {
			break
		}
		failures = append(failures, Failure{
			Fingerprint: s.Fingerprint, Kind: sample.Kind, Count: s.Times, First: s.First, Last: s.Last, Hourly: s.Hourly, Sample: sample.Sample,
		})
	}
	return failures, nil
}

// Forget removes what is known of a failure, until it is seen again. It returns an error that
// wraps ErrNotFound if nothing is.
func (i *Inspector) Forget(ctx context.Context, fingerprint string) error {
	there, err := i.store.ForgetFailure(ctx, fingerprint)
	if err == nil && !there {
		err = ErrNotFound
	}
	i.notedAll(ctx, "forget failure", []string{fingerprint}, "", []error{err})
	if err != nil {
		return fmt.Errorf("forget %.40q: %w", fingerprint, err)
	}
	return nil
}

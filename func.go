package tasuki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Func is a Kind whose jobs return a value of type R. Its jobs are recorded, for the value
// lies in the record: Opts.Keep says for how long.
//
//	var Resize = tasuki.DefineFunc[Image, Thumbnail]("image.resize")
//
// Its zero value is not usable; DefineFunc makes one.
type Func[A, R any] struct{ Kind[A] }

// DefineFunc names a kind of job that returns a value: see Define. The value is encoded as
// encoding/json does it, and has at most 1 MiB then.
func DefineFunc[A, R any](name string) Func[A, R] {
	return Func[A, R]{Define[A](name).With(Opts{Record: true})}
}

// With returns a copy of f whose options are laid over with o, as Kind.With does.
func (f Func[A, R]) With(o Opts) Func[A, R] { return Func[A, R]{f.Kind.With(o)} }

// WithFuncs returns a copy of f whose functions are laid over, as Kind.WithFuncs does.
func (f Func[A, R]) WithFuncs(funcs Funcs[A]) Func[A, R] { return Func[A, R]{f.Kind.WithFuncs(funcs)} }

// HandleFunc sets the handler of a Func. The value counts if the error is nil. It panics as
// Handle does.
func HandleFunc[A, R any](w *Worker, f Func[A, R], h func(ctx context.Context, job *Job[A]) (R, error)) {
	Handle(w, f.Kind, func(ctx context.Context, job *Job[A]) error {
		value, err := h(ctx, job)
		if err != nil {
			return err
		}
		return job.setResult(value)
	})
}

// setResult keeps the value of a Func until the job is settled.
func (j *Job[A]) setResult(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return Kill(fmt.Errorf("the result cannot be encoded: %w", err))
	}
	if len(text) > maxResult {
		return Kill(fmt.Errorf("a result of %d bytes: allowed are %d", len(text), maxResult))
	}
	if j.run != nil && j.run.rec != nil {
		j.run.rec.result = text
	}
	return nil
}

// NotDoneError is what Await returns for a job that has ended and is not done.
type NotDoneError struct{ Record *Record }

func (e *NotDoneError) Error() string {
	text := fmt.Sprintf("%s is %s", e.Record.Address(), e.Record.State)
	if e.Record.Reason != "" {
		text += ": " + e.Record.Reason
	}
	if e.Record.Error != "" {
		text += ": " + e.Record.Error
	}
	return text
}

// ErrNoResult: the job is done, and there is no result: its record was not kept, or
// another program has run it.
var ErrNoResult = errors.New("the job is done, and its record has no result")

// Await waits until a job of f has ended, and returns its value. A *NotDoneError says that
// it is dead, cancelled or expired; the others are those of Client.Wait, ErrNoResult, and
// those of the decoding.
func (f Func[A, R]) Await(ctx context.Context, c *Client, address string) (R, error) {
	var value R
	r, err := c.Wait(ctx, address)
	switch {
	case err != nil:
		return value, err
	case r.State != StateDone:
		return value, &NotDoneError{r}
	case len(r.Result) == 0:
		return value, fmt.Errorf("await %s: %w", inError(address), ErrNoResult)
	}
	if err := json.Unmarshal(r.Result, &value); err != nil {
		return value, fmt.Errorf("await %s: the result is no %T: %w", address, value, err)
	}
	return value, nil
}

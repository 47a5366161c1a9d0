package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/legible"
)

// What can go wrong, as far as a caller has to tell it apart. Every error of a
// Store wraps at most one of them.
var (
	// ErrFull: the server has no memory left for a write, and did not do it.
	ErrFull = errors.New("redis is full: raise maxmemory or let the workers catch up, and set maxmemory-policy to noeviction")
	// ErrUncertain: the command was sent, and no reply came: it was done, or not, or will be.
	ErrUncertain = errors.New("the reply of redis was lost: it is not known whether it was done")
	// ErrNotReplicated: it was done, and replicas have not confirmed in time that
	// they have it. It is an ErrUncertain too: a failover can undo it.
	ErrNotReplicated error = notReplicated{}
	// ErrRefused: the server will not do this command for this user.
	ErrRefused = errors.New("redis refuses the command")
	// ErrWrongType: a key has a type that tasuki did not give it.
	ErrWrongType = errors.New("a key has the wrong type")
	// errBusy: the server did not do it now, and may in a moment.
	errBusy = errors.New("redis cannot do it now")
)

type notReplicated struct{}

func (notReplicated) Error() string {
	return "it is in redis, but too few replicas have confirmed that they have it: a failover may lose it"
}

// Is makes it one of the errors after which it is not known what becomes of a write.
func (notReplicated) Is(target error) bool { return target == ErrUncertain }

// explain says what an error of rueidis means. Redis prefixes its errors with a
// code, of which rueidis cuts off ERR; inside a script, older servers put words before
// it.
func explain(op string, err error) error {
	if err == nil {
		return nil
	}
	var reply *rueidis.RedisError
	if !errors.As(err, &reply) {
		if IsUnsent(err) {
			return fmt.Errorf("%s: %w", op, err)
		}
		return fmt.Errorf("%s: %w (%w)", op, ErrUncertain, brief(err))
	}
	return explainText(op, reply.Error(), err)
}

// explainText is explain for the text of an error, which err has brought.
func explainText(op, text string, err error) error {
	text = cut(withoutWords(text))
	kind := errorKind(text)
	if kind == nil {
		return &replyError{op + ": " + text, err}
	}
	return fmt.Errorf("%s: %w (%s)", op, kind, text)
}

// odd is the error for an answer that the command does not give: whose it is, and so
// what was done, is not known.
func odd(op string, err error) error {
	return fmt.Errorf("%s: %w (an answer that makes no sense: %w)", op, ErrUncertain, brief(err))
}

// brief is err in fewer words if it quotes much of what a server has sent.
func brief(err error) error {
	if text := err.Error(); cut(text) != text {
		return &replyError{cut(text), err}
	}
	return err
}

// cut leaves 500 bytes of a text: no error of Redis itself has more.
func cut(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return legible.Cut(text, most) + "..."
}

// replyError is an error of the server that means nothing special here, or a long one.
type replyError struct {
	text string
	err  error
}

func (e *replyError) Error() string { return e.text }
func (e *replyError) Unwrap() error { return e.err }

// withoutWords takes away what a server repeats of a command that it does not know:
// of HELLO and AUTH that is the password, of others it can be a payload.
func withoutWords(text string) string {
	if before, _, repeated := strings.Cut(text, ", with args beginning with"); repeated {
		return before
	}
	return text
}

func errorKind(text string) error {
	for _, c := range []struct {
		kind  error
		codes []string
	}{
		{ErrFull, []string{"OOM "}},
		{ErrWrongType, []string{"WRONGTYPE "}},
		{ErrRefused, []string{"NOPERM", "NOAUTH", "WRONGPASS", "unknown command", "unknown subcommand", "Unknown subcommand", "Unknown Redis command", "unsupported command",
			"The user executing the script", "ACL failure in script", "not supported by tasuki"}},
		// None of these was executed, so all of them can be sent again.
		{errBusy, []string{"LOADING", "BUSY ", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "UNBLOCKED", "max number of clients"}},
	} {
		for _, code := range c.codes {
			if hasCode(text, code) {
				return c.kind
			}
		}
	}
	// In Cluster the slot is elsewhere; these are followed for pipelined
	// commands, and told to one that has a connection of its own.
	if strings.HasPrefix(text, "MOVED ") || strings.HasPrefix(text, "ASK ") {
		return errBusy
	}
	return nil
}

// connectError says why there is no connection. Nothing was sent over it.
func connectError(address string, err error) error {
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		return explain("connect to "+address, err)
	}
	return fmt.Errorf("connect to %s: %w: %w", address, errNotSent, err)
}

// hasCode tells whether code stands in text as a word: key names stand there too.
func hasCode(text, code string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], code)
		if i < 0 {
			return false
		}
		if i += from; i == 0 || text[i-1] == ' ' || text[i-1] == '-' {
			return true
		}
		from = i + 1
	}
}

// exactly returns what read finds in an answer, which fits what was asked only if that
// is n values.
func exactly[T any](n int, read func() ([]T, error)) ([]T, error) {
	values, err := read()
	if err == nil && len(values) != n {
		err = fmt.Errorf("an answer of %d values, not of %d", len(values), n)
	}
	if err != nil {
		return nil, err
	}
	return values, nil
}

// IsUnsent tells whether an error shows that the command never left.
func IsUnsent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return errors.Is(err, rueidis.ErrNoAddr) || errors.Is(err, errNotSent)
}

// errNotSent marks a call whose ctx had ended before anything was sent.
var errNotSent = errors.New("not sent")

// IsRedis tells whether the server itself answered with an error, so that
// sending the same again will not help: not for a lost reply, not for a server
// that is busy.
func IsRedis(err error) bool {
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		return !errors.Is(err, errBusy)
	}
	return errors.Is(err, ErrFull) || errors.Is(err, ErrRefused) || errors.Is(err, ErrWrongType)
}

// notSent wraps the error of a ctx that ended before the command was sent.
func notSent(op string, ctx context.Context) error {
	return fmt.Errorf("%s: %w: %w", op, errNotSent, context.Cause(ctx))
}

// IsKeyRefused tells whether the server refuses a command for the keys that it names.
func IsKeyRefused(err error) bool {
	return errors.Is(err, ErrRefused) && strings.Contains(err.Error(), "one of the keys") // "at least", in a script
}

// IsPassing tells whether an error is one of an outage, so that what only reads may be
// tried again.
func IsPassing(err error) bool {
	return !errors.Is(err, ErrClosed) && (errors.Is(err, ErrUncertain) || errors.Is(err, errBusy) || IsUnsent(err))
}

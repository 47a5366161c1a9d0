package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Options say how a Store reaches its server.
type Options struct {
	URL         string
	Namespace   string
	TLS         *tls.Config
	Credentials func(ctx context.Context) (user, password string, err error)
	Dial        func(ctx context.Context, network, addr string) (net.Conn, error)

	Replicas        int           // how many have to confirm what is put in
	ReplicasTimeout time.Duration // how long that may take
}

// The words that may stand behind the question mark of a URL.
var urlWords = []string{"addr", "db", "master_set", "skip_verify"}

// clientOption reads the URL. Its errors never show a password.
func clientOption(o *Options) (rueidis.ClientOption, error) {
	u, err := checkURL(o.URL)
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	if u.Scheme != "unix" {
		u.Path = strings.TrimSuffix(u.Path, "/") // else it would be a database without a number
	}
	opt, err := rueidis.ParseURL(u.String())
	if err != nil {
		return opt, fmt.Errorf("url: %s: %s", redacted(u), strings.ReplaceAll(err.Error(), u.String(), "…"))
	}
	if o.TLS != nil {
		opt.TLSConfig = o.TLS.Clone()
		if opt.TLSConfig.ServerName == "" && u.Hostname() != "" {
			opt.TLSConfig.ServerName = u.Hostname()
		}
	}
	if opt.TLSConfig != nil && opt.Sentinel.MasterSet != "" {
		opt.Sentinel.TLSConfig = opt.TLSConfig
	}
	if o.Credentials != nil {
		opt.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
			defer cancel()
			user, password, err := o.Credentials(ctx)
			if err != nil {
				return rueidis.AuthCredentials{}, fmt.Errorf("credentials: %w", err)
			}
			return rueidis.AuthCredentials{Username: user, Password: password}, nil
		}
	}
	if o.Dial != nil || opt.TLSConfig != nil && u.Scheme != "unix" {
		network := "tcp"
		if u.Scheme == "unix" {
			network = "unix"
		}
		opt.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			// rueidis gives no limit, and others wait for the same connection.
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			dial := o.Dial
			if dial == nil {
				dial = dialer.DialContext
			}
			conn, err := dial(ctx, network, addr)
			if err != nil || config == nil {
				return conn, err
			}
			return secured(ctx, conn, addr, config)
		}
	}
	opt.DisableCache = true // tracking is refused by servers without it, and nothing here is cached
	opt.ClientSetInfo = []string{"tasuki", "go"}
	opt.Dialer.Timeout = dialTimeout
	// An idle connection is asked for a sign of life this often: rueidis' own
	// second would be most of what an idle worker sends. One that is cut off
	// silently is found after this and replyTimeout.
	opt.Dialer.KeepAlive = 5 * time.Second
	opt.ConnWriteTimeout = replyTimeout
	opt.RetryDelay = readAgain
	return opt, nil
}

const (
	dialTimeout = 5 * time.Second
	// replyTimeout is how long any command that does not block may take; on a
	// shared connection that has gone silent it can be twice that, until a sign
	// of life is missed. A server that is stalled for longer has its connections
	// closed; what was on its way is then uncertain.
	replyTimeout = 10 * time.Second
)

// secured begins TLS on a connection. A server without TLS waits for more, answers in
// plain text, or hangs up.
func secured(ctx context.Context, conn net.Conn, addr string, config *tls.Config) (net.Conn, error) {
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	conn.Close()
	var header tls.RecordHeaderError
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.As(err, &header) {
		err = fmt.Errorf("TLS handshake: %w; does this port speak TLS? rediss:// is for one that does, redis:// for one that does not", err)
	}
	return nil, err
}

// checkURL reads a URL and refuses one with anything in it that is not known.
func checkURL(raw string) (*url.URL, error) {
	u, err := parseURL(raw)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "redis", "rediss", "valkey", "valkeys":
	case "unix":
		if u.Path == "" || u.Host != "" {
			return nil, errors.New("url: a unix URL has three slashes and a path: unix:///path/to.sock")
		}
	default:
		return nil, fmt.Errorf("url: the scheme %q: allowed are redis, rediss and unix", u.Scheme)
	}
	for word := range u.Query() {
		if !slices.Contains(urlWords, word) {
			return nil, fmt.Errorf("url: %q behind the question mark: allowed are %s", word, strings.Join(urlWords, ", "))
		}
	}
	for _, host := range append(u.Query()["addr"], u.Host) {
		if err := checkPort(host); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// checkPort does not quote a port that is none: it may be a piece of a password.
func checkPort(host string) error {
	_, port, err := net.SplitHostPort(host)
	if err != nil || port == "" {
		return nil // the default
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return errors.New("url: the port: allowed are 1 to 65535")
	}
	return nil
}

// parseURL reads a URL, and refuses one in which a password may stand where none
// is looked for: a character that has to be escaped cuts it in two, and its end
// would be shown as a path or a port.
func parseURL(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		return nil, errors.New("url: the scheme is missing: allowed are redis://host:port, rediss://… and unix:///path/to.sock")
	}
	u, err := url.Parse(raw)
	words := ""
	if err == nil {
		words, err = url.QueryUnescape(u.RawQuery)
	}
	if err != nil || u.Opaque != "" || u.Fragment != "" || strings.Contains(words, "@") ||
		u.Scheme != "unix" && strings.Contains(u.Path, "@") ||
		strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "[") {
		return nil, errors.New("url: it cannot be read: allowed are redis://user:password@host:port/db, rediss://… and unix:///path/to.sock; " +
			"in a password, # is written %23, / %2F, : %3A, ? %3F and @ %40")
	}
	return u, nil
}

// Redact returns a URL without its password, for people to read.
func Redact(raw string) string {
	u, err := checkURL(raw)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	return redacted(u)
}

// redacted hides the password, and a name that stands there without one: most
// likely it is the password, in the wrong place.
func redacted(u *url.URL) string {
	if password, _ := u.User.Password(); u.User != nil && password == "" {
		hidden := *u
		hidden.User = url.User("xxxxx")
		return hidden.String()
	}
	return u.Redacted()
}

// readAgain is when rueidis sends once more what only reads and has failed. It would do so until the
// context ends, which may be never: here for about as long as patience, and once if nobody answers, as
// that takes long each time.
func readAgain(attempt int, _ rueidis.Completed, err error) time.Duration {
	var silent net.Error
	if attempt > 25 || attempt > 1 && errors.As(err, &silent) && silent.Timeout() {
		return -1
	}
	pause := min(time.Millisecond<<min(attempt, 10), time.Second)
	return pause/2 + rand.N(pause/2)
}

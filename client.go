package tasuki

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// ClientConfig is how a Client reaches Redis and enqueues. The zero value of a
// field is its default.
type ClientConfig struct {
	// Namespace begins the name of every key: "tasuki" unless told. Its
	// alphabet is that of a queue's name.
	Namespace string

	// TLS is for rediss URLs; what it leaves open is taken from the URL.
	TLS *tls.Config
	// Credentials is asked for user and password at every new connection, in
	// place of those in the URL.
	Credentials func(ctx context.Context) (user, password string, err error)
	// Dial replaces the way to a connection. network is "tcp" or "unix"; ctx ends
	// after 5 s.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Logger is slog.Default() unless told.
	Logger *slog.Logger

	// Use are the middlewares of enqueueing, the outermost first.
	Use []EnqueueMiddleware

	// MaxPayload is how many bytes of arguments a job may have: 1 MiB unless
	// told, at most 256 MiB.
	MaxPayload int

	// SeenFor is how long an id of the caller's own (Opts.ID) is remembered: 24
	// hours unless told. SeenMax is how many at most, for each queue: a million
	// unless told, which is about 120 MB of Redis; the oldest are forgotten.
	SeenFor time.Duration
	SeenMax int

	// Replicas is how many replicas have to confirm that they have a job before it
	// is accepted; 0 does not ask them. An enqueue that fewer confirm in
	// ReplicasTimeout, 1 s unless told, returns ErrNotReplicated. A confirmed job
	// survives a failover to one of the replicas that confirmed: with as many as
	// there are, to any. In Cluster they are those of the job's own node.
	//
	// It costs each call the way from the server to the replicas and back, and for
	// that long one of 64 connections.
	Replicas        int
	ReplicasTimeout time.Duration
}

func (c ClientConfig) withDefaults() ClientConfig {
	if c.Namespace == "" {
		c.Namespace = "tasuki"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxPayload == 0 {
		c.MaxPayload = 1 << 20
	}
	if c.SeenFor == 0 {
		c.SeenFor = 24 * time.Hour
	}
	if c.SeenMax == 0 {
		c.SeenMax = 1_000_000
	}
	if c.ReplicasTimeout == 0 {
		c.ReplicasTimeout = time.Second
	}
	return c
}

const (
	maxReplicas        = 100
	maxReplicasTimeout = time.Minute
)

func (c *ClientConfig) validate() error {
	if err := wire.CheckQueue("Namespace", c.Namespace); err != nil {
		return err
	}
	if c.MaxPayload < 1 || c.MaxPayload > 256<<20 {
		return fmt.Errorf("MaxPayload: %d: allowed are 1 to %d bytes", c.MaxPayload, 256<<20)
	}
	if c.SeenFor < time.Millisecond || c.SeenFor > maxDelay {
		return fmt.Errorf("SeenFor: %v: allowed are 1 ms to 100 years", c.SeenFor)
	}
	if c.SeenMax < 1 {
		return fmt.Errorf("SeenMax: %d: allowed are 1 and more", c.SeenMax)
	}
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		return fmt.Errorf("Replicas: %d: allowed are 0 to %d", c.Replicas, maxReplicas)
	}
	if c.ReplicasTimeout < time.Millisecond || c.ReplicasTimeout > maxReplicasTimeout {
		return fmt.Errorf("ReplicasTimeout: %v: allowed are 1 ms to %v", c.ReplicasTimeout, maxReplicasTimeout)
	}
	for i, use := range c.Use {
		if use == nil {
			return fmt.Errorf("Use[%d]: nil: allowed are functions", i)
		}
	}
	return nil
}

// Client enqueues jobs, and is what workers and the other packages reach Redis
// through. It is safe for concurrent use; a program usually has one.
type Client struct {
	cfg   ClientConfig
	url   string // without its password
	store *store.Store
	outer Enqueuer // the middlewares around put

	queues sync.Map // name → *knownQueue
}

// Open reads the URL and the config (nil is the defaults) and returns an error
// that names what is wrong with them. It does not dial: the first call does, and
// Ping on purpose. A call that needs a connection waits until it is made, for 5 s
// at most, also if its ctx ends before.
//
// URLs: redis://user:password@host:6379/0, rediss://… for TLS,
// unix:///path/to.sock?db=0, several hosts of a Cluster as
// redis://a:6379?addr=b:6379&addr=c:6379, and Sentinels as
// redis://a:26379?addr=b:26379&master_set=mymaster. Whether a single host is
// part of a Cluster is found out.
func Open(url string, cfg *ClientConfig) (*Client, error) {
	var c ClientConfig
	if cfg != nil {
		c = *cfg
	}
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("tasuki: ClientConfig: %w", err)
	}
	s, err := store.New(store.Options{
		URL: url, Namespace: c.Namespace, TLS: c.TLS, Credentials: c.Credentials, Dial: c.Dial,
		Replicas: c.Replicas, ReplicasTimeout: c.ReplicasTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("tasuki: %w", err)
	}
	client := &Client{cfg: c, url: store.Redact(url), store: s}
	client.outer = EnqueueFunc(client.put)
	for i := len(c.Use) - 1; i >= 0; i-- {
		client.outer = c.Use[i](client.outer)
	}
	return client, nil
}

// Ping asks Redis for a sign of life, and dials if that was not done.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.store.Ping(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.url, err)
	}
	return nil
}

// Close ends the client's connections. Workers of the client must have stopped.
func (c *Client) Close() { c.store.Close() }

// What is told on the channel of a queue. Anything else means that there may be
// something to claim again.
const tellCancel = "cancel "

var _ = func() bool {
	bridge.Store = func(client any) *store.Store { return client.(*Client).store }
	bridge.Seen = func(client any) (time.Duration, int) {
		cfg := &client.(*Client).cfg
		return cfg.SeenFor, cfg.SeenMax
	}
	bridge.Logger = func(client any) *slog.Logger { return client.(*Client).cfg.Logger }
	bridge.ActOn = func(ctx context.Context, client any, what string, record any, to time.Time) error {
		return client.(*Client).actOn(ctx, what, record.(*Record), to)
	}
	bridge.Record = func(queue, id string, fields map[string]string) any { return newRecord(queue, id, fields) }
	return true
}()

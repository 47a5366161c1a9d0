package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Server is what one server says of itself. Either part may be refused.
type Server struct {
	Address   string
	Err       error             // it did not answer, and nothing else is known of it
	Info      map[string]string // INFO; nil with InfoErr
	InfoErr   error
	Config    map[string]string // some parameters of CONFIG GET; nil with ConfigErr, or when it was not asked
	ConfigErr error
}

// settings are the parameters that Servers asks for. One pattern for all would
// also bring passwords.
var settings = []string{"maxmemory", "maxmemory-policy", "save", "appendonly", "appendfsync", "min-replicas-to-write", "min-replicas-max-lag"}

// Servers asks each server that holds keys: one, or the masters of a Cluster, by
// address. config asks for its settings as well. What a server refuses, and that one
// did not answer, is in what is returned of it; the error is for when none answers.
func (s *Store) Servers(ctx context.Context, config bool) ([]Server, error) {
	c, err := s.client(ctx, false)
	if err != nil {
		return nil, err
	}
	nodes := map[string]rueidis.Client{s.opt.InitAddress[0]: c}
	switch c.Mode() {
	case rueidis.ClientModeCluster:
		nodes = c.Nodes()
	case rueidis.ClientModeSentinel:
		nodes = map[string]rueidis.Client{master(c): c} // the URL has the address of a Sentinel
	}
	// All at once: one that is frozen takes all the time there is.
	servers := make([]Server, len(nodes))
	var asked sync.WaitGroup
	for i, address := range slices.Sorted(maps.Keys(nodes)) {
		asked.Go(func() {
			server, err := ask(ctx, nodes[address], config)
			if err != nil {
				server = &Server{Err: err}
			}
			server.Address = address
			servers[i] = *server
		})
	}
	asked.Wait()
	if !slices.ContainsFunc(servers, func(v Server) bool { return v.Err == nil }) {
		return nil, servers[0].Err
	}
	if c.Mode() == rueidis.ClientModeCluster {
		servers = slices.DeleteFunc(servers, func(v Server) bool { return v.Info["role"] == "slave" })
	}
	return servers, nil
}

func ask(ctx context.Context, node rueidis.Client, config bool) (*Server, error) {
	if ctx.Err() != nil {
		return nil, notSent("info", ctx)
	}
	server := &Server{}
	text, err := node.Do(undated{ctx}, node.B().Info().Build()).ToString()
	switch err = explain("INFO", err); {
	case err == nil:
		server.Info = parseInfo(text)
	case errors.Is(err, errBusy) || !IsRedis(err):
		return nil, err
	default:
		server.InfoErr = err
	}
	if !config {
		return server, nil
	}
	// One after the other: a server that refuses one refuses all, and notes each.
	values := map[string]string{}
	for _, name := range settings {
		value, err := node.Do(undated{ctx}, node.B().ConfigGet().Parameter(name).Build()).AsStrMap()
		if err = explain("CONFIG GET", err); err != nil && !IsRedis(err) {
			return nil, err
		}
		if err != nil {
			server.ConfigErr = err
			return server, nil
		}
		maps.Copy(values, value)
	}
	server.Config = values
	return server, nil
}

func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && !strings.HasPrefix(line, "#") {
			info[name] = value
		}
	}
	return info
}

// Int is a number of INFO.
func (v *Server) Int(name string) (int64, bool) {
	n, err := strconv.ParseInt(v.Info[name], 10, 64)
	return n, err == nil
}

// Policy is what the server does when it is full; "" if it does not tell.
func (v *Server) Policy() string {
	if policy := v.Info["maxmemory_policy"]; policy != "" {
		return policy
	}
	return v.Config["maxmemory-policy"]
}

// Evicts tells whether the server removes keys that have no expiry when it is full:
// tasuki's have none.
func (v *Server) Evicts() bool { return strings.HasPrefix(v.Policy(), "allkeys-") }

// Evicted is how many keys were removed since the server started that may have been
// tasuki's.
func (v *Server) Evicted() int64 {
	if strings.HasPrefix(v.Policy(), "volatile-") {
		return 0 // those had an expiry
	}
	n, _ := v.Int("evicted_keys")
	return n
}

// Unsaved tells whether the server is known to write nothing to a disk.
func (v *Server) Unsaved() bool {
	save, told := v.Config["save"]
	return v.Info["aof_enabled"] == "0" && told && save == ""
}

// Product is what the server calls itself.
func (v *Server) Product() (name, version string) {
	switch {
	case v.Info["tasuki_embedded"] != "":
		return "tasuki's embedded server", v.Info["redis_version"]
	case v.Info["valkey_version"] != "":
		return "Valkey", v.Info["valkey_version"]
	case v.Info["dragonfly_version"] != "":
		return "Dragonfly", v.Info["dragonfly_version"]
	}
	return "Redis", v.Info["redis_version"]
}

// IsEmbedded tells whether it is the server of package embedded.
func (v *Server) IsEmbedded() bool { return v.Info["tasuki_embedded"] != "" }

// Mode is how the servers are reached: "single", "Sentinel" or "Cluster".
func (s *Store) Mode(ctx context.Context) (string, error) {
	c, err := s.client(ctx, false)
	switch {
	case err != nil:
		return "", err
	case c.Mode() == rueidis.ClientModeCluster:
		return "Cluster", nil
	case s.opt.Sentinel.MasterSet != "":
		return "Sentinel", nil
	}
	return "single", nil
}

// IsDefaultUser tells whether the store's user is the one that Redis has if nobody
// has made others.
func (s *Store) IsDefaultUser() bool {
	return s.opt.AuthCredentialsFn == nil && (s.opt.Username == "" || s.opt.Username == "default")
}

// NamedUser is the user of the URL; "" if ClientConfig.Credentials names it.
func (s *Store) NamedUser() string {
	switch {
	case s.opt.AuthCredentialsFn != nil:
		return ""
	case s.opt.Username == "":
		return "default"
	}
	return s.opt.Username
}

// User is the server's name of the user whose rights the store has.
func (s *Store) User(ctx context.Context) (string, error) {
	reply, err := s.do(ctx, "ACL WHOAMI", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().AclWhoami().Build())
	})
	if err != nil {
		return "", err
	}
	name, err := reply.ToString()
	return name, explain("ACL WHOAMI", err)
}

// RoundTrips measures how long the server takes to answer, n times one after the
// other. It asks for the time, as a server whose disk is full refuses PING.
func (s *Store) RoundTrips(ctx context.Context, n int) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if _, err := s.Now(ctx); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	return took, nil
}

// Ahead is how far the server's clock is ahead of this machine's, to within half a
// round trip.
func (s *Store) Ahead(ctx context.Context) (ahead, within time.Duration, err error) {
	start := time.Now()
	there, err := s.Now(ctx)
	within = time.Since(start) / 2
	// Without the monotonic clock, as it is compared with another machine's.
	return there.Sub(start.Round(0).Add(within)), within, err
}

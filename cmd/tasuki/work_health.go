package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/health"
)

// probeServer serves the probes of package health.
type probeServer struct {
	listener net.Listener
	server   *http.Server
}

// newProbeServer listens for probes of a worker; an address without a host is of the
// loopback. The error names the flag.
func newProbeServer(address string, client *tasuki.Client, worker *tasuki.Worker) (*probeServer, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--health: %.40q: allowed are HOST:PORT, and :PORT for the loopback alone", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	probes, err := health.New(client, &health.Config{Workers: []*tasuki.Worker{worker}})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--health: %w", err)
	}
	return &probeServer{listener, &http.Server{
		Handler:           probes,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}, nil
}

// start answers probes until stop is called.
func (s *probeServer) start() (stop func()) {
	slog.Info("tasuki: probes are answered", "at", "http://"+s.listener.Addr().String(), "paths", "/livez /readyz /startupz")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("tasuki: probes are not answered any more", "err", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.server.Shutdown(ctx) != nil {
			s.server.Close()
		}
		<-done
	}
}

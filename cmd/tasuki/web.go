package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/web"
)

// webServer is what tasuki web was told.
type webServer struct {
	*app
	listen, prefix, authFile string
	write, insecure, hide    bool
	hosts                    []string
	cfg                      web.Config
}

// authEnv has the lines of --auth-file in itself.
const authEnv = "TASUKI_WEB_ACCOUNTS"

func newWeb(a *app) *cobra.Command {
	s := &webServer{app: a}
	cmd := &cobra.Command{
		Use:   "web",
		Short: "Serve the dashboard",
		Long: `web serves the dashboard until it is interrupted: queues, jobs, schedules, workers and
Redis, live. It begins also while Redis is away, says so, and heals by itself.

Nobody may do more than look unless told: --write lets everybody who reaches it do
everything; with accounts each has its rights. They are lines of NAME RIGHTS SECRET, in the
file of --auth-file or in the variable ` + authEnv + `:

    ada      all                        correct-horse-battery
    oncall   view,pause,retry           sha256:9f86d081…
    grafana  view                       a-token-for-programs

A browser asks for name and secret; a program sends it as "Authorization: Bearer SECRET".
RIGHTS are all, or some of view, pause, retry, cancel, remove, move, edit, enqueue, undo,
unlock, worker, cron. A secret has 12 to 1024 bytes. Behind sha256: is the sum of a long
random one: printf %s SECRET | sha256sum.

Without accounts it listens on loopback addresses only, and answers only to the names of
this host; --insecure-listen lets it listen elsewhere all the same. It speaks HTTP: put a
proxy with TLS before it. Behind one that keeps the path, --prefix says where it is.`,
		Example: `  tasuki web
  tasuki web --name production --color red --auth-file /etc/tasuki/accounts --listen :8080`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8270", "`ADDRESS` to listen on, host:port")
	flags.StringVar(&s.prefix, "prefix", "/", "`PATH` under which it is reached")
	flags.StringVar(&s.authFile, "auth-file", "", "`FILE` of accounts")
	flags.BoolVar(&s.write, "write", false, "without accounts: everybody who reaches it may do everything")
	flags.BoolVar(&s.insecure, "insecure-listen", false, "without accounts: listen where others can reach it")
	flags.BoolVar(&s.hide, "hide-payloads", false, "show no arguments, results, errors, logs and meta of jobs")
	flags.StringVar(&s.cfg.Name, "name", "", "`TEXT` that is shown on every page, such as production")
	flags.StringVar(&s.cfg.Color, "color", "", "`COLOR` of the name: red, orange, green, blue, purple, gray")
	flags.StringVar(&s.cfg.TraceURL, "trace-url", "", "`URL` of a job's trace, with {trace} for its id")
	flags.StringSliceVar(&s.cfg.TrustedOrigins, "trusted-origin", nil, "`ORIGIN` whose pages may send forms, behind a proxy that changes the Host; repeatable")
	flags.StringSliceVar(&s.hosts, "host", nil, "`NAME` under which it is reached, all others are refused; repeatable")
	return cmd
}

func (s *webServer) run(cmd *cobra.Command) error {
	prefix := "/" + strings.Trim(s.prefix, "/")
	if !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	if strings.ContainsAny(prefix, "{}?#% ") || strings.Contains(prefix, "//") || strings.Contains(prefix, "/.") {
		return usageError(fmt.Errorf("--prefix: %.80q: allowed is a path such as /tasuki", s.prefix))
	}
	if err := s.authorize(); err != nil {
		return err
	}
	if s.hide {
		s.cfg.Redact = func(string, web.Part, []byte) []byte { return nil }
	}
	client, err := s.open()
	if err != nil {
		return err
	}
	defer client.Close()
	dashboard, err := web.Handler(client, &s.cfg)
	if err != nil {
		return usageError(flagNamed(err))
	}
	defer dashboard.Close()
	var config net.ListenConfig
	listener, err := config.Listen(cmd.Context(), "tcp", s.listen)
	if err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("--listen: %w", err)}
	}
	mux := http.NewServeMux()
	mux.Handle(prefix, http.StripPrefix(strings.TrimSuffix(prefix, "/"), dashboard))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second, // live pages move it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // it tells of every client that goes away
	}
	server.RegisterOnShutdown(dashboard.Close)
	fmt.Fprintf(cmd.OutOrStdout(), "the dashboard is at http://%s%s\n", listener.Addr(), prefix)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return &exitError{code: exitFailed, err: err}
	case <-cmd.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		server.Close()
	}
	return nil
}

// authorize says who may come in, and refuses to let in everybody from everywhere.
func (s *webServer) authorize() error {
	lines := os.Getenv(authEnv)
	if s.authFile != "" {
		if lines != "" {
			return usageError(fmt.Errorf("--auth-file and %s: allowed is one of them", authEnv))
		}
		text, err := os.ReadFile(s.authFile)
		if err != nil {
			return usageError(fmt.Errorf("--auth-file: %w", err))
		}
		if lines = string(text); lines == "" {
			lines = "\n" // an empty file is no wish to do without
		}
	}
	s.cfg.Hosts = s.hosts
	if lines != "" {
		if s.write {
			return usageError(errors.New("--write: allowed without accounts: with them each has its rights"))
		}
		accounts, err := web.ReadAccounts(strings.NewReader(lines))
		if err != nil {
			return usageError(err)
		}
		s.cfg.Authorize, s.cfg.Challenge = accounts.Authorize, true
		return nil
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return usageError(fmt.Errorf("--listen: %.80q: allowed is host:port, such as 127.0.0.1:8270", s.listen))
	}
	local := host == "localhost"
	if ip := net.ParseIP(host); ip != nil {
		local = ip.IsLoopback()
	}
	switch {
	case !local && !s.insecure:
		return usageError(fmt.Errorf("--listen: %s: without accounts everybody who reaches it would come in: allowed are --auth-file, an address such as 127.0.0.1:8270, or --insecure-listen", s.listen))
	case local && len(s.hosts) == 0:
		// A page of somebody else's, whose name leads here, must not read what is here.
		s.cfg.Hosts = slices.Compact([]string{"localhost", "127.0.0.1", "::1", host})
	}
	if s.write {
		s.cfg.Authorize = func(*http.Request) (web.Actor, error) { return web.Actor{Rights: web.Rights}, nil }
	}
	return nil
}

// flagNamed is an error of web.Handler with the flag in place of the field.
func flagNamed(err error) error {
	for field, flag := range map[string]string{"Name": "--name", "Color": "--color", "TraceURL": "--trace-url", "TrustedOrigins": "--trusted-origin"} {
		if text, ok := strings.CutPrefix(err.Error(), "web: Config."+field+": "); ok {
			return fmt.Errorf("%s: %s", flag, text)
		}
	}
	return err
}

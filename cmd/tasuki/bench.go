package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/rueidis"
	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
)

func newBench(a *app) *cobra.Command {
	var output, only string
	var runs int
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure tasuki against the bare operations of Redis",
		Long: `bench measures the library as it is shipped against the same operations without
it, in one run on one machine: samples of the two sides alternate, and what is
shown is the median of the ratios. Absolute figures tell more of the machine.

Without --redis it starts a redis-server of its own on a loopback port, or, if
there is none in PATH, the embedded server, which is slower. On a server that is
given it uses keys that begin with "tasuki-bench", and removes them.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runs < 1 || runs > 100 {
				return usageError(fmt.Errorf("--runs: %d: %s", runs, allowedNumbers["runs"]))
			}
			if err := a.readRedisFile(); err != nil {
				return err
			}
			report, err := runBench(cmd.Context(), a.redis, runs, only, cmd.ErrOrStderr())
			if err != nil {
				return failure(err)
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), report)
			}
			return report.print(cmd.OutOrStdout())
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&only, "only", "", "measure only what has this `WORD` in its key")
	cmd.Flags().IntVar(&runs, "runs", 5, "`NUMBER` of samples of each figure")
	return cmd
}

// benchReport is what bench -o json prints.
type benchReport struct {
	Machine string             `json:"machine"`
	Server  string             `json:"server"`
	Figures map[string]float64 `json:"figures"` // medians
	Rows    []benchRow         `json:"rows"`
	Bare    []benchRow         `json:"bare"` // absolute figures of the other side
	Seconds float64            `json:"seconds"`
}

// benchRow is one figure with its spread.
type benchRow struct {
	Key   string  `json:"key"`
	What  string  `json:"what"`
	Unit  string  `json:"unit,omitempty"`
	Aim   string  `json:"aim,omitempty"`
	Value float64 `json:"median"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

func (r *benchReport) add(to *[]benchRow, key, what, unit, aim string, samples []float64) {
	if len(samples) == 0 {
		return
	}
	samples = slices.Clone(samples)
	slices.Sort(samples)
	row := benchRow{Key: key, What: what, Unit: unit, Aim: aim, Value: median(samples), Min: samples[0], Max: samples[len(samples)-1]}
	*to = append(*to, row)
	if to == &r.Rows {
		r.Figures[key] = row.Value
	}
}

func median(sorted []float64) float64 { return quantile(sorted, 0.5) }

// quantile of sorted samples, the nearest of them.
func quantile[T cmp.Ordered](sorted []T, q float64) T {
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func (r *benchReport) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n%s\n%.0f s in all; median (lowest to highest)\n\n", r.Machine, r.Server, r.Seconds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range slices.Concat(r.Rows, []benchRow{{}}, r.Bare) {
		if row.Key == "" {
			fmt.Fprintln(w, "\nthe other side, and what it was done on\t\t")
			continue
		}
		fmt.Fprintf(w, "%s\t%s%s (%s to %s)\t%s\n", row.What, number(row.Value), row.Unit, number(row.Min), number(row.Max), row.Aim)
	}
	return w.Flush()
}

func number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// bench is one run of the benchmark.
type bench struct {
	ctx    context.Context
	runs   int
	only   string
	url    string
	client *tasuki.Client
	bare   *bare
	report *benchReport
	say    func(format string, args ...any)
	sample map[string][]float64
	own    bool // the server is the benchmark's, and nothing else uses it
}

func runBench(ctx context.Context, url string, runs int, only string, progress io.Writer) (report *benchReport, err error) {
	defer func() {
		if v := recover(); v != nil {
			failed, ok := v.(benchError)
			if !ok {
				panic(v)
			}
			err = failed.error
		}
	}()
	server, own, stop, err := benchServer(url)
	if err != nil {
		return nil, err
	}
	defer stop()
	b := &bench{ctx: ctx, runs: runs, only: only, url: server, own: own, sample: map[string][]float64{},
		say: func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }}
	if b.client, err = b.open(); err != nil {
		return nil, err
	}
	defer b.client.Close()
	if err := b.client.Ping(ctx); err != nil { // in words that show no password
		return nil, lookFailure(refusedAt(url, err))
	}
	option, err := rueidis.ParseURL(server)
	if err != nil {
		return nil, err
	}
	option.DisableCache = true
	redis, err := rueidis.NewClient(option)
	if err != nil {
		return nil, err
	}
	defer redis.Close()
	b.bare = &bare{client: redis, prefix: "{tasuki-bench-bare}"}
	b.clean()
	defer b.clean()

	b.report = &benchReport{
		Machine: fmt.Sprintf("%s %s/%s, %d processors", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Server:  b.describe(), Figures: map[string]float64{},
	}
	start := time.Now()
	b.measure()
	b.report.Seconds = time.Since(start).Seconds()
	return b.report, nil
}

// open makes a client. It logs nothing: what a job costs is not what a terminal
// costs.
func (b *bench) open() (*tasuki.Client, error) {
	client, err := tasuki.Open(b.url, &tasuki.ClientConfig{Namespace: "tasuki-bench", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, usageError(err)
	}
	return client, nil
}

// benchServer returns where the benchmark is done: the given server, a
// redis-server of its own, or the embedded one.
func benchServer(url string) (at string, own bool, stop func(), err error) {
	if url != "" {
		return url, false, func() {}, nil
	}
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		s, err := embedded.Start("127.0.0.1:0")
		if err != nil {
			return "", false, nil, err
		}
		return s.URL(), true, func() { s.Close() }, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, at least just now
	if err != nil {
		return "", false, nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "tasuki-bench")
	if err != nil {
		return "", false, nil, err
	}
	cmd := exec.Command(binary, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		return "", false, nil, err
	}
	stop = func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
		os.RemoveAll(dir)
	}
	at = fmt.Sprintf("redis://127.0.0.1:%d", port)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return at, true, stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			return "", false, nil, fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

// describe says what the server is, as far as it tells.
func (b *bench) describe() string {
	info, err := b.info("server")
	if err != nil {
		return "a server that does not tell what it is"
	}
	if info["tasuki_embedded"] != "" {
		return "the embedded server of tasuki, in the same process"
	}
	where := "the server that was given"
	if b.own {
		where = "started for this, without persistence, on the same machine"
	}
	return fmt.Sprintf("redis %s, %s", info["redis_version"], where)
}

// info returns a section of INFO.
func (b *bench) info(section string) (map[string]string, error) {
	text, err := b.bare.client.Do(b.ctx, b.bare.client.B().Info().Section(section).Build()).ToString()
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info, nil
}

// redisBenchmark sets redis-benchmark's own figures beside the bare loops', if it
// is there and reaches the server.
func (b *bench) redisBenchmark() {
	binary, err := exec.LookPath("redis-benchmark")
	if err != nil || !b.own {
		return
	}
	_, port, ok := strings.Cut(strings.TrimPrefix(b.url, "redis://"), ":")
	if !ok {
		return
	}
	out, err := exec.CommandContext(b.ctx, binary, "-h", "127.0.0.1", "-p", port, "-P", "16", "-n", "200000",
		"-d", strconv.Itoa(len(benchElement)), "-t", "rpush,lpop", "--csv").Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < 2 {
			continue
		}
		v, err := strconv.ParseFloat(strings.Trim(fields[1], `"`), 64)
		if err == nil {
			b.note("redis_benchmark_"+strings.ToLower(strings.Trim(fields[0], `"`)), v)
		}
	}
	b.bare.client.Do(b.ctx, b.bare.client.B().Unlink().Key("mylist").Build())
}

// clean removes all keys of the benchmark.
func (b *bench) clean() {
	ctx := context.WithoutCancel(b.ctx)
	for _, pattern := range []string{"tasuki-bench:*", b.bare.prefix + "*"} {
		for cursor := uint64(0); ; {
			entry, err := b.bare.client.Do(ctx, b.bare.client.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
			if err != nil {
				return
			}
			for _, key := range entry.Elements {
				b.bare.client.Do(ctx, b.bare.client.B().Unlink().Key(key).Build())
			}
			if cursor = entry.Cursor; cursor == 0 {
				break
			}
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
)

func newWork(a *app) *cobra.Command {
	var cfg workConfig
	cmd := &cobra.Command{
		Use:   "work [flags] -- COMMAND ARG...",
		Short: "Run a command for every job",
		Long: `work takes jobs and runs the command for each of them, so that any program is a
worker. Jobs of every kind are its own, and so are plain strings in a list.

The payload comes on the command's standard input: the arguments of a job as
JSON, or a plain string as it is. The rest is in its environment:

    TASUKI_ADDRESS       QUEUE/ID
    TASUKI_QUEUE         "list:KEY" for a list of another program
    TASUKI_ID
    TASUKI_KIND          empty for a plain string
    TASUKI_ATTEMPT       1 for the first
    TASUKI_MAX_ATTEMPTS  -1 for no limit
    TASUKI_FENCE         a number that grows from run to run

How it ends decides what becomes of the job:

    0                    it is done
    75 (EX_TEMPFAIL)     it runs again after 30 s, and no attempt is counted
    any other, a signal  the attempt has failed; the error keeps the end of what
                         the command wrote to its standard error, up to 4 KiB

What it prints goes to the output of this process. When a job is over, what its
command has left behind in its process group has another second, then it is
killed.

When a job takes longer than its timeout, its deadline passes, it is cancelled, or
this process is told to stop, the process group gets SIGTERM, and after the grace
SIGKILL. A job that a stop has interrupted goes back to its queue, and no attempt
is counted. A
second SIGINT or SIGTERM ends the grace. If this process is killed, Linux kills
the commands with it (but not what they have started), and their jobs run again.
On Windows there is no SIGTERM: a command is killed at once, and only itself.

systemd (Type=notify) is told when the worker is ready, when it stops and how long
that may take, and with WatchdogSec= that it lives: deploy/systemd has a unit.

Queues and lists are asked in the order in which they are given, or by weight if
all have one. A list of another program is named by its key; jobs are taken at
its left end, with :tail at its right end, for programs that LPUSH. An end can
always be named: a key that itself ends in ":tail" is given as KEY:tail:head or
KEY:tail:tail.

With --health a supervisor can ask over HTTP how it is: /livez answers 503 when
this process should be started anew, /readyz while it takes no jobs, as when Redis
is away, and /startupz until it has begun. A kubelet needs --health 0.0.0.0:PORT,
for :PORT is that of the loopback alone.`,
		Example: `  tasuki work --queue mail=3 --queue default=1 -- ./send-mail
  tasuki work --list jobs:tail --concurrency 4 -- php artisan job:run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 0 || len(args) == 0 {
				return errors.New("the command is missing, or does not follow \"--\": tasuki work [flags] -- COMMAND ARG...")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := newWorkRun(a, cfg, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return usageError(err)
			}
			defer w.client.Close()
			return failure(w.run(cmd.Context()))
		},
	}
	flags := cmd.Flags()
	flags.Var(&queueFlag{"queue", parseQueue, &cfg.queues}, "queue", "`NAME[=WEIGHT]` of a queue; can be repeated (default \"default\")")
	flags.Var(&queueFlag{"list", parseList, &cfg.queues}, "list", "`KEY[:tail]` of a list that another program fills; can be repeated")
	flags.IntVar(&cfg.concurrency, "concurrency", 10, "`NUMBER` of commands that run at a time")
	flags.DurationVar(&cfg.grace, "grace", 25*time.Second, "`DURATION` between SIGTERM and SIGKILL")
	flags.DurationVar(&cfg.timeout, "timeout", 0, "`DURATION` of an attempt of a job that does not say one; 0 is no limit")
	flags.IntVar(&cfg.maxAttempts, "max-attempts", 20, "`NUMBER` for a job that does not say one; -1 is no limit")
	flags.StringVar(&cfg.health, "health", "", "`HOST:PORT` where probes are answered; :PORT is that of the loopback")
	return cmd
}

// workConfig is what the flags say.
type workConfig struct {
	queues      []givenQueue
	concurrency int
	grace       time.Duration
	timeout     time.Duration
	maxAttempts int
	health      string
}

// validate says what is not allowed, and names the flag.
func (c *workConfig) validate(client *tasuki.Client) error {
	switch {
	case c.concurrency < 1 || c.concurrency > 10_000:
		return fmt.Errorf("--concurrency: %d: %s", c.concurrency, allowedNumbers["concurrency"])
	case c.grace < 0 || c.grace > 24*time.Hour:
		return fmt.Errorf("--grace: %v: allowed are 0 to 24h", c.grace)
	case c.timeout != 0 && c.timeout < time.Millisecond:
		return fmt.Errorf("--timeout: %v: allowed are 1ms and more, and 0 for no limit", c.timeout)
	case c.maxAttempts != -1 && (c.maxAttempts < 1 || c.maxAttempts > 1_000_000):
		return fmt.Errorf("--max-attempts: %d: %s", c.maxAttempts, allowedNumbers["max-attempts"])
	case len(c.queues) > 64:
		return fmt.Errorf("--queue and --list: %d of them: allowed are 64, as each has a connection of its own", len(c.queues))
	}
	var names []string
	for _, q := range c.queues {
		if (q.Weight > 0) != (c.queues[0].Weight > 0) {
			return fmt.Errorf("%s beside %s: allowed is a weight for all or for none; a list has none", q, c.queues[0])
		}
		if slices.Contains(names, q.name()) {
			return fmt.Errorf("%s: it is there twice", q)
		}
		names = append(names, q.name())
		// What is left the library knows: whether it is a name, or a key that
		// can be served.
		if _, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{Queues: []tasuki.Queue{q.Queue}}); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// work is a worker whose handler runs a command.
type work struct {
	client  *tasuki.Client
	worker  *tasuki.Worker
	queues  []givenQueue
	grace   time.Duration
	path    string   // of the program
	command []string // its name and arguments
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	starter *starter
	probes  *probeServer // nil without --health
	systemd *notifier    // set by run
	stop    func()       // as SIGTERM does; set by run

	stopping chan struct{} // closed when the stop begins: the commands are ended
	hurry    chan struct{} // closed when there is no grace any more

	mu       sync.Mutex
	stopped  bool // nothing is added to children any more
	running  int
	children sync.WaitGroup
}

// newWorkRun checks all that can be wrong with the call.
func newWorkRun(a *app, cfg workConfig, command []string, stdout, stderr io.Writer) (*work, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("the command cannot be run: %w", err)
	}
	client, err := a.open()
	if err != nil {
		return nil, err
	}
	if len(cfg.queues) == 0 {
		cfg.queues = []givenQueue{{Queue: tasuki.Queue{Name: tasuki.DefaultQueue}}}
	}
	if err := cfg.validate(client); err != nil {
		client.Close()
		return nil, err
	}
	w := &work{
		client: client, queues: cfg.queues, grace: cfg.grace,
		path: path, command: command, environ: commandEnviron(os.Environ()),
		stdout: stdout, stderr: stderr,
		stopping: make(chan struct{}), hurry: make(chan struct{}),
	}
	queues := make([]tasuki.Queue, len(cfg.queues))
	for i, q := range cfg.queues {
		queues[i] = q.Queue
	}
	w.worker, err = tasuki.NewWorker(client, &tasuki.WorkerConfig{
		Queues: queues, Concurrency: cfg.concurrency, Timeout: cfg.timeout, MaxAttempts: cfg.maxAttempts,
		Grace:  -1, // when it stops all commands have ended: see run
		OnStop: func() { w.stop() },
		OnBeat: func(err error) { w.systemd.beat(err, w.busy(), cfg.concurrency) },
	})
	if err != nil {
		client.Close()
		return nil, err
	}
	tasuki.HandleOther(w.worker, w.handle)
	for _, q := range cfg.queues {
		tasuki.HandleRaw(w.worker, q.name(), w.handle)
	}
	if cfg.health != "" {
		if w.probes, err = newProbeServer(cfg.health, client, w.worker); err != nil {
			client.Close()
			return nil, err
		}
	}
	return w, nil
}

// run works until ctx ends and everything has come to an end.
//
// A command gets SIGTERM when the stop begins, and not after a grace as the
// context of a handler does. Only while the worker stops does it put jobs back for
// which no attempt is counted. So it takes no more jobs, the commands are ended,
// those that have succeeded are settled as always, and the handlers of the others
// hold on to their jobs; then the worker stops, and puts them back.
func (w *work) run(ctx context.Context) error {
	w.starter = newStarter()
	defer w.starter.close()
	w.systemd = newNotifier()
	defer w.systemd.close()
	if w.probes != nil {
		defer w.probes.start()()
	}
	ctx, w.stop = context.WithCancel(ctx)
	defer w.stop()
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	released := w.listen()
	defer released()
	ended := make(chan struct{})
	unused := context.AfterFunc(ctx, func() {
		defer close(ended)
		w.endCommands()
		end()
	})
	err := w.worker.Run(running)
	if !unused() {
		<-ended
	}
	return err
}

// endCommands returns when no command runs and none will.
func (w *work) endCommands() {
	w.mu.Lock()
	w.stopped = true
	n := w.running
	w.mu.Unlock()
	w.systemd.stopping(w.grace)
	for _, q := range w.queues {
		w.worker.RemoveQueue(q.name()) //nolint:errcheck // it has not begun: then nothing has
	}
	if n > 0 {
		slog.Info("tasuki: stopping; the commands get SIGTERM, and SIGKILL after the grace or at a second signal", "commands", n, "grace", w.grace)
	}
	close(w.stopping)
	w.children.Wait()
}

// listen ends the grace at the second signal; the third ends this process as
// always. The first is that of the main function.
func (w *work) listen() (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		slog.Warn("tasuki: a second signal: the commands are killed, and their jobs run again")
		close(w.hurry)
	}()
	return func() { close(done) }
}

// begin counts a command that runs; false if the worker stops.
func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	w.running++
	w.children.Add(1)
	return true
}

// busy is how many commands run.
func (w *work) busy() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// end is for what begin has counted.
func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	w.children.Done()
}

// errInterrupted is that of a job that a stop has interrupted.
var errInterrupted = errors.New("tasuki work was stopped")

// handle is the handler of all jobs.
func (w *work) handle(ctx context.Context, job *tasuki.RawJob) error {
	err := w.perform(ctx, job)
	if err != errInterrupted {
		return err
	}
	// The worker puts the job back when it stops, which it does when all
	// commands have ended.
	<-ctx.Done()
	if context.Cause(ctx) == tasuki.ErrTimeout {
		return tasuki.Snooze(0, err.Error()) // it was not this job that took so long
	}
	return err
}

// perform runs the command for a job.
func (w *work) perform(ctx context.Context, job *tasuki.RawJob) error {
	// With the fence it is also known that the job is this worker's: what a
	// command has done cannot be undone.
	fence := job.Fence()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !w.begin() {
		return errInterrupted
	}
	defer w.end()
	c, err := w.starter.child(&exec.Cmd{Path: w.path, Args: w.command, Env: w.environOf(job, fence), Stdin: bytes.NewReader(job.Args), Stdout: w.stdout, Stderr: w.stderr})
	if err != nil {
		// That says nothing of the job. The slot waits, for else this worker
		// would put off everything that is in the queue.
		slog.Error("tasuki: the command could not be started; the job is put off", "address", job.Address(), "for", later, "err", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		case <-w.stopping:
		}
		return tasuki.Snooze(later, "the command could not be started")
	}
	select {
	case err := <-c.ended:
		return c.finish(err).err(nil)
	case <-ctx.Done():
		return c.end(w.grace, w.hurry).err(context.Cause(ctx))
	case <-w.stopping:
		if c.end(w.grace, w.hurry).err(nil) != nil {
			return errInterrupted
		}
		return nil
	}
}

// jobVariables are the variables by which the command learns of its job.
var jobVariables = []string{
	"TASUKI_ADDRESS", "TASUKI_QUEUE", "TASUKI_ID", "TASUKI_KIND", "TASUKI_ATTEMPT", "TASUKI_MAX_ATTEMPTS", "TASUKI_FENCE",
}

// environOf is the environment of the command for a job.
func (w *work) environOf(job *tasuki.RawJob, fence int64) []string {
	values := []string{
		job.Address(), job.Queue, job.ID, job.Kind, strconv.Itoa(job.Attempt), strconv.Itoa(job.MaxAttempts), strconv.FormatInt(fence, 10),
	}
	environ := slices.Clip(w.environ)
	for i, name := range jobVariables {
		environ = append(environ, name+"="+values[i])
	}
	return environ
}

// commandEnviron is this process's environment without the flags of work: they are
// not for a tasuki that the command calls. What systemd has said is for this process
// alone.
func commandEnviron(environ []string) []string {
	own := append([]string{"TASUKI_LIST", "TASUKI_CONCURRENCY", "TASUKI_GRACE", "TASUKI_TIMEOUT", "TASUKI_HEALTH",
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}, jobVariables...)
	return slices.DeleteFunc(environ, func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(own, name)
	})
}

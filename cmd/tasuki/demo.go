package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/inspect"
)

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Two workers on the list \"queue\", fed by what you type",
		Long: `demo starts two workers on the Redis list "queue" and pushes every line of its
standard input as a job. Each worker prints what it takes, with the id of its
own connection. An empty line, the end of the input or Ctrl-C ends it.

Without --redis it starts a server inside the process and says where; any other
program can push to the list as well:

    redis-cli -u redis://127.0.0.1:PORT RPUSH queue hello`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.readRedisFile(); err != nil {
				return err
			}
			d := demo{url: a.redis, namespace: a.namespace, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
			return d.run(cmd.Context())
		},
	}
}

// demoList is the list that the demo's workers take from.
const demoList = "queue"

type demo struct {
	url       string
	namespace string
	in        io.Reader
	err       io.Writer

	mu  sync.Mutex
	out io.Writer
}

func (d *demo) run(ctx context.Context) error {
	ownServer := d.url == ""
	if ownServer {
		server, err := embedded.Start("127.0.0.1:0")
		if err != nil {
			return failure(err)
		}
		defer server.Close()
		d.url = server.URL()
		fmt.Fprintf(d.err, "no --redis given: using a server inside this process, %s\n", d.url)
	}
	logger := slog.New(slog.NewTextHandler(d.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	client, err := tasuki.Open(d.url, &tasuki.ClientConfig{Namespace: d.namespace, Logger: logger})
	if err != nil {
		return openError(err)
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return failure(refusedAt(d.url, err))
	}
	workers := tasukiWorkers{}
	for range 2 {
		if err := workers.start(client, d.take); err != nil {
			return failure(err)
		}
	}
	if err := workers.wait(ctx); err != nil {
		return failure(err)
	}
	fmt.Fprintf(d.err, "two workers wait on the list %q: type lines, an empty one ends\n", demoList)

	fed := d.feed(ctx, client)
	d.print("waiting for workers to stop")
	start := time.Now()
	err = workers.stop()
	d.print("stopped in %d ms", (time.Since(start)+time.Millisecond/2)/time.Millisecond)

	// Ctrl-C has ended ctx, but what is left is worth a look.
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if queue, e := inspect.New(client).Queue(look, "list:"+demoList); e == nil && queue.Ready > 0 {
		where := "where any worker can take them"
		if ownServer {
			where = "which ends with this process"
		}
		d.print("%d left in the list %q, %s", queue.Ready, demoList, where)
	}
	return failure(errors.Join(fed, err))
}

// take is the handler: it prints the job.
func (d *demo) take(id int64, job *tasuki.RawJob) {
	d.print("%d: (%s, %s)", id, demoList, job.Args)
}

func (d *demo) print(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, format+"\n", args...)
}

// feed pushes the lines of the input until an empty one, the end, or the end of
// ctx.
func (d *demo) feed(ctx context.Context, client *tasuki.Client) error {
	lines := make(chan []byte)
	ended := make(chan error, 1)
	go func() { // it may wait for the input until the process ends
		scanner := bufio.NewScanner(d.in)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() && len(scanner.Bytes()) > 0 {
			select {
			case lines <- append([]byte(nil), scanner.Bytes()...):
			case <-ctx.Done():
				return
			}
		}
		ended <- scanner.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case line := <-lines:
			if err := client.Push(ctx, tasuki.Queue{List: demoList}, line); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
	}
}

// tasukiWorkers are the demo's workers, each with one slot and a connection that
// waits.
type tasukiWorkers struct {
	workers []*tasuki.Worker
	end     []context.CancelFunc
	ended   []chan error
}

func (w *tasukiWorkers) start(client *tasuki.Client, take func(id int64, job *tasuki.RawJob)) error {
	worker, err := tasuki.NewWorker(client, &tasuki.WorkerConfig{
		Queues:      []tasuki.Queue{{List: demoList}},
		Concurrency: 1,
	})
	if err != nil {
		return err
	}
	tasuki.HandleRaw(worker, "list:"+demoList, func(_ context.Context, job *tasuki.RawJob) error {
		take(worker.ClientID("list:"+demoList), job)
		return nil
	})
	// Its own end, not that of ctx: the demo says first that it waits for it.
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	w.workers, w.end, w.ended = append(w.workers, worker), append(w.end, end), append(w.ended, ended)
	return nil
}

// wait returns when all are connected.
func (w *tasukiWorkers) wait(ctx context.Context) error {
	for i, worker := range w.workers {
		// A server that does not tell ids is waited for in vain, and shortly.
		for deadline := time.Now().Add(2 * time.Second); worker.ClientID("list:"+demoList) == 0 && time.Now().Before(deadline); {
			select {
			case <-ctx.Done():
				return nil
			case err := <-w.ended[i]:
				w.ended[i] <- err
				return err
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

func (w *tasukiWorkers) stop() error {
	for _, end := range w.end {
		end()
	}
	var errs []error
	for _, ended := range w.ended {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

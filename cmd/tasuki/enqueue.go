package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
)

func newEnqueue(a *app) *cobra.Command {
	e := &enqueue{app: a}
	cmd := &cobra.Command{
		Use:   "enqueue KIND [JSON|-]",
		Short: "Enqueue a job, or one for every line of the input",
		Long: `enqueue puts in one job of a kind, with arguments in JSON or null, and prints its
address QUEUE/ID.

With - it reads one JSON value from each line of its standard input and puts in
a job for each; blank lines are skipped. A line that cannot be a job is named and
left out, the others go in, and the exit code is 1. When Redis fails it stops and
says which line is the next; so it does after Ctrl-C.

    tasuki enqueue email.welcome '{"user_id": 42}' --queue mail --in 1h
    tasuki enqueue email.welcome - --queue mail < users.jsonl
    tasuki enqueue price.alert '{"symbol": "X"}' --expire-in 5m --timeout 30s
    tasuki enqueue search.index '{"doc": 7}' --unique queued --unique-field doc
    tasuki enqueue --raw --list jobs - < payloads

What begins with a dash and is no flag stands behind two: -- -5.

A reply of Redis can be lost (exit code 5). With --id the call can be repeated
safely: what is there already is not doubled. The exit code is also 5 when with
--replicas a job was not confirmed: it is in and runs, and its address is printed.`,
		// How many it takes depends on --raw, which may come from the environment.
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, args) },
	}
	outputFlag(cmd, &e.output)
	flags := cmd.Flags()
	flags.StringVar(&e.opts.Queue, "queue", tasuki.DefaultQueue, "`NAME` of the queue")
	flags.StringVar(&e.opts.ID, "id", "", "`ID` of your own: a second job with it changes nothing")
	flags.DurationVar(&e.opts.In, "in", 0, "`DURATION` until the job is due, such as 90s or 1h30m")
	flags.TimeVar(&e.opts.At, "at", time.Time{}, []string{time.RFC3339}, "`TIME` when it is due, such as 2030-01-02T15:04:05Z")
	flags.IntVar(&e.opts.MaxAttempts, "max-attempts", 0, "`NUMBER` of times that it may be run, -1 for no limit (default 20)")
	flags.Var(durationOrNone{&e.opts.Timeout}, "timeout", "`DURATION` of an attempt at most, -1 for none (default that of the worker)")
	flags.TimeVar(&e.opts.Deadline, "deadline", time.Time{}, []string{time.RFC3339}, "`TIME` from which on it is not run, and dead if it is not done")
	flags.DurationVar(&e.opts.ExpireIn, "expire-in", 0, "`DURATION` after which it is dropped if it was not started")
	flags.TimeVar(&e.opts.ExpireAt, "expire-at", time.Time{}, []string{time.RFC3339}, "`TIME` from which on it is dropped if it was not started")
	flags.StringArrayVar(&e.meta, "meta", nil, "`NAME=VALUE` that travels with the job; repeatable")
	u := &e.opts.Unique
	flags.StringVar((*string)(&u.Mode), "unique", "", "`MODE` in which two jobs that mean the same are one: queued, until_done, running, queued_and_running, window, throttle, debounce, keep_last")
	flags.StringVar(&u.Key, "unique-key", "", "`KEY` of the jobs that mean the same")
	flags.StringArrayVar(&u.Fields, "unique-field", nil, "`FIELD` of the arguments by which they mean the same, * for all; repeatable")
	flags.DurationVar(&u.For, "unique-for", 0, "`DURATION` of window, throttle and debounce")
	flags.DurationVar(&u.Most, "unique-most", 0, "`DURATION` for which debounce puts a job off at most (default ten times --unique-for)")
	flags.StringVar((*string)(&u.OnConflict), "on-conflict", "", "`WHAT` becomes of a second one: existing, error, replace (default that of the mode)")
	flags.BoolVar(&e.opts.Record, "record", false, "keep a record of it, by which tasuki job can wait for it, edit it and tell its end")
	flags.Var(durationOrNone{&e.opts.Keep}, "keep", "`DURATION` for which its record stays after its end, -1 for not at all; implies --record (default 24h)")
	flags.IntVar(&a.replicas, "replicas", 0, "`NUMBER` of replicas that have to confirm a job within a second")
	flags.BoolVar(&e.raw, "raw", false, "push the argument, or each line, as it is: there is no KIND")
	flags.StringVar(&e.list, "list", "", "`KEY[:tail]` of a list of another program, with --raw; jobs are taken at its head, or its tail")
	return cmd
}

type enqueue struct {
	app    *app
	output string
	opts   tasuki.Opts
	meta   []string
	raw    bool
	list   string
	target tasuki.Queue // of raw jobs
}

// maxPayload is how many bytes the arguments of a job, or a raw job, may have.
const maxPayload = 1 << 20

func (e *enqueue) run(cmd *cobra.Command, args []string) error {
	spec, bulky, err := e.read(cmd, args)
	if err != nil {
		return usageError(err)
	}
	// What is on its way is waited for, also after Ctrl-C: so it is known what was
	// accepted.
	ctx := context.WithoutCancel(cmd.Context())
	if err := e.app.rehearse(func(c *tasuki.Client) error { return e.put(ctx, c, spec)([][]byte{spec.Args})[0] }); err != nil {
		return err
	}
	client, err := e.app.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer client.Close()
	if bulky {
		b := newBulk(cmd, e.put(ctx, client, spec))
		b.isJSON = !e.raw
		b.report.Queue = spec.Opts.Queue
		err := b.read(cmd.InOrStdin())
		return errors.Join(b.print(e.output), err)
	}
	if e.raw {
		if err := e.put(ctx, client, spec)([][]byte{spec.Args})[0]; err != nil {
			return failure(e.advise(err))
		}
		r := bulkReport{Queue: spec.Opts.Queue, Accepted: 1}
		return r.print(cmd.OutOrStdout(), e.output)
	}
	infos, err := client.EnqueueMany(ctx, []tasuki.Spec{spec})
	if err != nil && !errors.Is(err, tasuki.ErrNotReplicated) { // else it is in
		return failure(e.advise(err))
	}
	info := infos[0]
	switch {
	case info.Existed && info.ID != spec.Opts.ID: // with some modes it has the new arguments now
		fmt.Fprintf(cmd.ErrOrStderr(), "%s means the same: no other was put in\n", info.Address())
	case info.Existed:
		fmt.Fprintf(cmd.ErrOrStderr(), "%s existed: nothing was changed\n", info.Address())
	}
	shown := show(cmd.OutOrStdout(), e.output, struct {
		Address string `json:"address"`
		tasuki.Info
	}{info.Address(), info}, "%s", info.Address())
	return errors.Join(failure(e.advise(err)), shown)
}

// read returns what is to be enqueued, and whether its arguments are in the input.
func (e *enqueue) read(cmd *cobra.Command, args []string) (spec tasuki.Spec, bulky bool, err error) {
	given := cmd.Flags().Changed
	switch {
	case e.raw && e.list != "" && given("queue"):
		return spec, false, errors.New("--queue and --list: allowed is one of them")
	case e.raw && len(args) != 1:
		return spec, false, errors.New("--raw takes one argument: the PAYLOAD, or - for the lines of the standard input")
	case !e.raw && e.list != "":
		return spec, false, errors.New("--list: what is put into a list of another program is plain: add --raw, and leave out the KIND")
	case !e.raw && len(args) == 0:
		return spec, false, errors.New("the KIND is missing: tasuki enqueue KIND [JSON|-]")
	case !e.raw && len(args) > 2:
		return spec, false, fmt.Errorf("%.80q is too much: allowed is one JSON behind the KIND; quote it: '{\"user_id\": 42}'", args[2])
	case given("max-attempts") && e.opts.MaxAttempts == 0:
		return spec, false, fmt.Errorf("--max-attempts: 0: %s", allowedNumbers["max-attempts"])
	}
	for name, value := range map[string]string{"queue": e.opts.Queue, "id": e.opts.ID, "list": e.list} {
		if given(name) && value == "" { // a variable of a script that is not set
			return spec, false, fmt.Errorf("--%s: it is empty: leave it out, or give it a value", name)
		}
	}
	if e.raw {
		for _, name := range []string{"id", "in", "at", "max-attempts", "timeout", "deadline", "expire-in", "expire-at", "meta", "record", "keep", "unique", "unique-key", "unique-field", "unique-for", "unique-most", "on-conflict"} {
			if given(name) {
				return spec, false, fmt.Errorf("--%s: a plain element carries no options: leave it or --raw out", name)
			}
		}
	}
	e.target.Name = e.opts.Queue
	if e.list != "" {
		if e.target, err = parseList(e.list); err != nil {
			return spec, false, fmt.Errorf("--list: %w", err)
		}
	}
	spec.Opts = e.opts
	for _, pair := range e.meta {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return spec, false, fmt.Errorf("--meta: %.80q: allowed is NAME=VALUE", pair)
		}
		if spec.Opts.Meta == nil {
			spec.Opts.Meta = map[string]string{}
		}
		spec.Opts.Meta[name] = value
	}
	if e.list != "" {
		spec.Opts.Queue = "list:" + e.target.List
	}
	payload := "null"
	if e.raw || len(args) == 2 {
		payload = args[len(args)-1]
	}
	if !e.raw {
		spec.Kind = args[0]
	}
	if bulky = payload == "-"; bulky {
		payload = "null" // for the rehearsal
	}
	if bulky && e.opts.ID != "" {
		return spec, false, errors.New("--id: the lines of the input would all have the same: leave it out")
	}
	if payload == "" && !e.raw {
		return spec, false, errors.New("the arguments are empty: leave them out, or write null")
	}
	if !e.raw && !json.Valid([]byte(payload)) {
		return spec, false, noJSON(payload)
	}
	spec.Args = []byte(payload)
	return spec, bulky, nil
}

// noJSON says how the arguments that were meant may be written.
func noJSON(payload string) error {
	if strings.ContainsAny(payload, `{}[]"`) {
		return fmt.Errorf("%.40q is no JSON: %w; single quotes keep the shell from changing it: '{\"user_id\": 42}'",
			payload, json.Unmarshal([]byte(payload), new(json.RawMessage)))
	}
	return fmt.Errorf("%.40q is no JSON: a string is written '\"hello\"'", payload)
}

// put returns a function that puts in payloads in the way of spec, and returns an
// error for each, nil for one that was accepted.
func (e *enqueue) put(ctx context.Context, client *tasuki.Client, spec tasuki.Spec) func(payloads [][]byte) []error {
	return func(payloads [][]byte) []error {
		var err error
		if e.raw {
			err = client.Push(ctx, e.target, payloads...)
		} else {
			specs := make([]tasuki.Spec, len(payloads))
			for i, payload := range payloads {
				specs[i] = spec
				specs[i].Args = payload
			}
			_, err = client.EnqueueMany(ctx, specs)
		}
		var many *tasuki.ManyError
		if errors.As(err, &many) {
			return many.Errs
		}
		return slices.Repeat([]error{err}, len(payloads))
	}
}

// advise adds what to do about an error.
func (e *enqueue) advise(err error) error {
	if errors.Is(err, tasuki.ErrNotReplicated) {
		if strings.Contains(err.Error(), "WAIT: NOPERM") {
			err = fmt.Errorf("%w; the user may not WAIT: give it +wait, or leave --replicas out", err)
		}
		if e.opts.ID != "" {
			return fmt.Errorf("%w; the job runs all the same: enqueued again with the same --id, it waits for them again and is not doubled", err)
		}
		return fmt.Errorf("%w; the job runs all the same: do not enqueue it again: without an --id that doubles it", err)
	}
	switch {
	case errors.Is(err, tasuki.ErrUncertain) && e.opts.ID != "":
		return fmt.Errorf("%w; enqueue it again with the same --id, which does not double it", err)
	case errors.Is(err, tasuki.ErrUncertain):
		return fmt.Errorf("%w; it may be in the queue: enqueue it again if it may run twice", err)
	case errors.Is(err, tasuki.ErrFull):
		return fmt.Errorf("%w; nothing was enqueued", err)
	}
	return err
}

// errNowhere is what a rehearsal gets for a connection. As an error of a dial it
// says that nothing was sent.
var errNowhere error = &net.OpError{Op: "dial", Err: errors.New("a rehearsal has no server")}

// rehearse lets the library say what is wrong with a call before it would dial:
// that is the caller's fault and not that of Redis.
func (a *app) rehearse(call func(*tasuki.Client) error) error {
	client, err := tasuki.Open("redis://rehearsal", &tasuki.ClientConfig{
		Namespace: a.namespace,
		Dial:      func(context.Context, string, string) (net.Conn, error) { return nil, errNowhere },
	})
	if err != nil {
		return openError(err)
	}
	defer client.Close()
	if err := call(client); !errors.Is(err, errNowhere) {
		return usageError(err)
	}
	return nil
}

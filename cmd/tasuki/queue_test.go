package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func TestQueueLsAndGet(t *testing.T) {
	t.Parallel()
	e := setup(t)
	if r := e.tasuki("queue", "ls", "-o", "json").want(t, exitOK); r.stdout != "[]\n" {
		t.Errorf("without queues it prints %q", r.stdout)
	}
	e.tasuki("enqueue", "k", "--queue", "mail").want(t, exitOK)
	e.tasuki("enqueue", "k", "--queue", "mail", "--in", "1h").want(t, exitOK)
	e.tasuki("enqueue", "k").want(t, exitOK)
	r := e.tasuki("queue", "ls").want(t, exitOK)
	lines := strings.Split(r.stdout, "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "NAME ") ||
		!strings.HasPrefix(strings.Join(strings.Fields(lines[1]), " "), "default 1 0 0 0 0 0 0 ") ||
		!strings.HasPrefix(strings.Join(strings.Fields(lines[2]), " "), "mail 1 0 1 0 0 0 0 ") {
		t.Errorf("it prints\n%s", r.stdout)
	}
	queues := decode[[]inspect.Queue](t, e.tasuki("queue", "ls", "-o", "json").stdout)
	if len(queues) != 2 || queues[1].Name != "mail" || queues[1].Scheduled != 1 {
		t.Errorf("they are %+v", queues)
	}
	if q := decode[inspect.Queue](t, e.tasuki("queue", "get", "mail", "-o", "json").stdout); q.Ready != 1 || q.Scheduled != 1 {
		t.Errorf("it is %+v", q)
	}
	if text := e.tasuki("queue", "get", "mail").want(t, exitOK).stdout; !strings.Contains(strings.Join(strings.Fields(text), " "), "name mail ready 1 suspect 0 scheduled 1") {
		t.Errorf("it prints\n%s", text)
	}
}

// TestQueueLsBesideBroken: one queue that cannot be looked at does not hide the
// others.
func TestQueueLsBesideBroken(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("enqueue", "k", "--queue", "broken").want(t, exitOK)
	e.tasuki("enqueue", "k", "--queue", "whole").want(t, exitOK)
	dead := e.namespace + ":{broken}:dead"
	e.do("SET", dead, "x")
	if r := e.tasuki("queue", "ls").want(t, exitRedis, "broken", "WRONGTYPE"); !strings.Contains(r.stdout, "whole") {
		t.Errorf("it prints\n%s", r.stdout)
	}
	e.do("DEL", dead)
}

func TestQueueUnknown(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for _, args := range [][]string{{"get", "nope"}, {"pause", "nope"}, {"resume", "nope"}, {"revive", "nope", "--all"}, {"get", "a b"}} {
		if r := e.tasuki(append([]string{"queue"}, args...)...).want(t, exitNotFound, `"`+args[1]+`"`, "not found"); r.stdout != "" {
			t.Errorf("%q prints %q", args, r.stdout)
		}
	}
	list := "lk:" + e.namespace
	e.tasuki("enqueue", "--raw", "--list", list, "x").want(t, exitOK)
	e.tasuki("queue", "get", list).want(t, exitNotFound, "did you mean list:"+list)
	e.drain(tasuki.Queue{List: list}, 1)
	e.tasuki("queue", "lss").want(t, exitUsage, `"lss"`, "allowed are eta, get, locks, ls, pause, resume, revive, unlock")
	e.tasuki("queue", "get").want(t, exitUsage, "the NAME is missing: tasuki queue get NAME")
	e.tasuki("queue", "get", "a", "b").want(t, exitUsage, `queue get takes one NAME: leave out "b"`)
	e.tasuki("queue").want(t, exitOK, "pause")
}

func TestQueuePause(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.tasuki("enqueue", "k").want(t, exitOK)
	e.tasuki("queue", "pause", "default", "--by", "the night shift").want(t, exitOK, "by the night shift since 20")
	if q := e.queue("default"); !q.Paused || q.PausedBy != "the night shift" {
		t.Errorf("it is %+v", q)
	}
	e.tasuki("queue", "ls").want(t, exitOK, "by the night shift since 20")
	if q := decode[inspect.Queue](t, e.tasuki("queue", "resume", "default", "-o", "json").want(t, exitOK).stdout); q.Paused {
		t.Errorf("it prints %+v", q)
	}
	if q := e.queue("default"); q.Paused {
		t.Errorf("it is %+v", q)
	}
	e.tasuki("queue", "resume", "default").want(t, exitOK, "default: was not paused\n")
	e.tasuki("queue", "pause", "default").want(t, exitOK)
	if q := e.queue("default"); q.PausedBy == "" {
		t.Error("nobody has paused it")
	}
	e.tasuki("queue", "resume", "default").want(t, exitOK, "default: resumed\n")
}

func TestQueueRevive(t *testing.T) {
	t.Parallel()
	e := setup(t)
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tasuki.HandleOther(worker, func(context.Context, *tasuki.RawJob) error { return tasuki.Kill(errors.New("no")) })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	for _, id := range []string{"a", "b", "c", "d"} {
		e.tasuki("enqueue", "k", "--id", id).want(t, exitOK)
	}
	e.waitQueue("default", func(q inspect.Queue) bool { return q.Dead == 4 })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	e.tasuki("queue", "revive", "default").want(t, exitUsage, "--all")
	e.tasuki("queue", "revive", "default", "a", "--all").want(t, exitUsage, "--all")
	e.tasuki("queue", "revive").want(t, exitUsage, "NAME")
	if q := e.queue("default"); q.Dead != 4 {
		t.Fatalf("it is %+v", q)
	}
	e.tasuki("queue", "revive", "default", "b").want(t, exitOK, "default: 1 revived")
	e.tasuki("queue", "revive", "default", "c", "zzz", "-o", "json").want(t, exitNotFound, `"revived": 1`, `"zzz"`)
	e.tasuki("queue", "revive", "default", "--all").want(t, exitOK, "default: 2 revived")
	if q := e.queue("default"); q.Dead != 0 || q.Ready != 4 {
		t.Errorf("it is %+v", q)
	}
}

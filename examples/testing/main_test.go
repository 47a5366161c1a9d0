package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

var ada = Person{"Ada", "ada@example.com"}

// mails is a mail server that is away for some attempts.
type mails struct {
	mu   sync.Mutex
	away int
	sent []string
}

func (m *mails) send(_, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away > 0 {
		m.away--
		return errors.New("the mail server is away")
	}
	m.sent = append(m.sent, text)
	return nil
}

func (m *mails) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	var jobs tasukitest.Recorder
	a := &app{jobs: &jobs}
	if err := a.signUp(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	job := tasukitest.RequireEnqueued(t, &jobs, Welcome)
	if job.Args != ada || job.State != tasuki.StateReady {
		t.Errorf("%+v", job)
	}
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	var jobs tasukitest.Recorder
	a := &app{jobs: &jobs, send: (&mails{away: 1}).send}
	worker := tasukitest.NewWorker(nil)
	a.handle(worker)

	result, err := tasukitest.Run(t.Context(), worker, Welcome.Spec(ada))
	if err != nil || result.Outcome != tasukitest.Retry || result.Delay < time.Second {
		t.Fatalf("%+v, %v", result, err)
	}
	result, err = result.Next(t.Context()) // Delay is not waited for
	if err != nil || result.Outcome != tasukitest.Done {
		t.Errorf("%+v, %v", result, err)
	}
	tasukitest.RequireEnqueued(t, &jobs, Remind)

	result, err = tasukitest.Run(t.Context(), worker, Welcome.Spec(Person{Name: "nobody"}))
	if err != nil || result.Outcome != tasukitest.Dead {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	var jobs tasukitest.Recorder
	a := &app{jobs: &jobs}
	worker := tasukitest.NewWorker(nil)
	a.handle(worker)

	count, result, err := tasukitest.RunFunc(t.Context(), worker, Import, []Person{ada, ada})
	if err != nil || count != 2 || result.Progress.Done != 2 {
		t.Errorf("%d, %+v, %v", count, result, err)
	}
	tasukitest.RequireCount(t, &jobs, Welcome, 2)
}

func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	var jobs tasukitest.Recorder
	worker := tasukitest.NewWorker(nil)
	(&app{jobs: &jobs}).handle(worker)

	ctx, stop := context.WithCancel(t.Context())
	stop() // as a deploy does: the handler's context ends with tasuki.ErrStopping
	result, err := tasukitest.Run(ctx, worker, Import.Spec([]Person{ada}))
	if err != nil || result.Outcome != tasukitest.Release {
		t.Fatalf("%+v, %v", result, err)
	}
	result, err = result.Next(t.Context()) // with the checkpoint
	if err != nil || result.Outcome != tasukitest.Done || string(result.Value) != "1" {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	var mails mails
	worker := tasukitest.NewWorker(nil)
	a := &app{jobs: tasukitest.Inline{Worker: worker}, send: mails.send}
	a.handle(worker)
	if err := a.signUp(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if sent := mails.texts(); len(sent) != 2 { // the welcome, and the reminder of tomorrow
		t.Errorf("%q", sent)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	var mails mails
	var jobs tasukitest.Recorder
	worker := tasukitest.NewWorker(nil)
	a := &app{jobs: &jobs, send: mails.send}
	a.handle(worker)
	if err := a.signUp(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	results, err := jobs.Drain(t.Context(), worker)
	if err != nil || len(results) != 2 || len(mails.texts()) != 2 {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestReminder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := tasukitest.Embedded(t, nil)
		worker, err := tasuki.NewWorker(client, nil)
		if err != nil {
			t.Fatal(err)
		}
		mails := &mails{away: 12} // for about an hour
		a := &app{jobs: client, send: mails.send}
		a.handle(worker)
		tasukitest.Start(t, worker)

		if err := a.signUp(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if sent := mails.texts(); len(sent) != 1 {
			t.Errorf("after two hours: %q", sent)
		}
		time.Sleep(24 * time.Hour)
		if sent := mails.texts(); len(sent) != 2 {
			t.Errorf("after a day: %q", sent)
		}
	})
}

func TestWithRedis(t *testing.T) {
	t.Parallel()
	client, err := tasuki.Open(tasukitest.Redis(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	worker, err := tasuki.NewWorker(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	(&app{jobs: client, send: (&mails{}).send}).handle(worker)
	tasukitest.Start(t, worker)

	info, err := Import.Enqueue(t.Context(), client, []Person{ada, ada})
	if err != nil {
		t.Fatal(err)
	}
	if count, err := Import.Await(t.Context(), client, info.Address()); err != nil || count != 2 {
		t.Errorf("%d, %v", count, err)
	}
}

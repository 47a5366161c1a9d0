package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
	"github.com/tasuki-dev/tasuki/web"
)

var screenshots = flag.String("web.screenshots", "", "the folder that gets pictures of the dashboard: make screenshots")

// TestScreenshots takes pictures of the dashboard for the README, of jobs that really run.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("without -web.screenshots")
	}
	e := setupOn(t, redistest.Start(t, "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"), &web.Config{Authorize: all, Name: "staging", Color: "purple", TraceURL: "https://traces.example.com/{trace}"})
	e.work()
	redistest.WaitLong(t, time.Minute, "the statistics", func() error {
		failures, err := e.inspector.Failures(context.Background(), inspect.FailureQuery{})
		if err == nil && len(failures) < 3 {
			err = fmt.Errorf("%d failures", len(failures))
		}
		return err
	})
	browser := startChromium(t)
	for _, dark := range []bool{false, true} {
		p := browser.open(t, 1120, 760, dark, english)
		scheme := map[bool]string{false: "light", true: "dark"}[dark]
		for name, page := range map[string]string{"overview": "", "job": "job?id=mail%2Finvoice-4711"} {
			p.visit(e.url(page))
			if name == "overview" { // some looks make a line
				p.wait("a line", `document.querySelector('.spark polyline')?.getAttribute('points').split(' ').length > 5`)
			}
			file := filepath.Join(*screenshots, "dashboard-"+name+"-"+scheme+".png")
			if err := os.WriteFile(file, p.screenshot(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// work has workers that run jobs as an application has them.
func (e *env) work() {
	e.t.Helper()
	t := e.t
	queues := []string{"mail", "images", "reports", "webhooks"}
	var listed []tasuki.Queue
	for _, q := range queues {
		listed = append(listed, tasuki.Queue{Name: q})
	}
	worker, err := tasuki.NewWorker(e.client, &tasuki.WorkerConfig{Queues: listed, Concurrency: 8, Grace: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(tasuki.RecordLog(slog.DiscardHandler))
	tasuki.HandleOther(worker, func(ctx context.Context, job *tasuki.RawJob) error {
		switch job.Kind {
		case "invoice.send":
			logger.InfoContext(ctx, "rendered", "pages", 3)
			job.SetProgress(2, 3, "sending")
			return tasuki.RetryIn(time.Hour, errors.New("smtp: 421 mail.example.com: too many connections"))
		case "webhook.deliver":
			return tasuki.RetryIn(10*time.Minute, errors.New("POST https://hooks.example.com/orders: 503 Service Unavailable"))
		case "image.resize":
			return tasuki.Kill(errors.New("decode: invalid JPEG format: missing SOI marker"))
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := worker.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	producing := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended; <-producing })
	put := func(n int, kind string, opts tasuki.Opts) {
		var specs []tasuki.Spec
		for i := range n {
			specs = append(specs, tasuki.Spec{Kind: kind, Args: json.RawMessage(fmt.Sprintf(`{"order_id":%d,"customer":"c-%d","total":"129.90"}`, 90071992547409931+i, 100+i)), Opts: opts})
		}
		if _, err := e.client.EnqueueMany(ctx, specs); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	put(1, "invoice.send", tasuki.Opts{Queue: "mail", ID: "invoice-4711", Record: true, MaxAttempts: 5, Meta: map[string]string{"tenant": "acme", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	put(7, "webhook.deliver", tasuki.Opts{Queue: "webhooks"})
	put(3, "image.resize", tasuki.Opts{Queue: "images"})
	put(40, "report.build", tasuki.Opts{Queue: "reports", In: time.Hour})
	put(2000, "newsletter.send", tasuki.Opts{Queue: "bulk"})
	go func() {
		defer close(producing)
		for ctx.Err() == nil {
			put(25, "email.welcome", tasuki.Opts{Queue: "mail"})
			put(10, "thumbnail", tasuki.Opts{Queue: "images"})
			select {
			case <-time.After(150 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
}

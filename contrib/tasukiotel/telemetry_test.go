package tasukiotel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/contrib/tasukiotel"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// isLinked demands that a span has one link, to another.
func isLinked(t *testing.T, s, to tracetest.SpanStub) {
	t.Helper()
	if len(s.Links) != 1 || !s.Links[0].SpanContext.Equal(to.SpanContext.WithRemote(true)) {
		t.Errorf("%s: links are %v, want one to %v", s.Name, s.Links, to.SpanContext)
	}
}

// isChild demands that a span has another for its parent.
func isChild(t *testing.T, s, of tracetest.SpanStub) {
	t.Helper()
	if s.Parent.SpanID() != of.SpanContext.SpanID() || s.SpanContext.TraceID() != of.SpanContext.TraceID() {
		t.Errorf("%s: the parent is %v in %v, want %v", s.Name, s.Parent.SpanID(), s.SpanContext.TraceID(), of.SpanContext)
	}
}

func (e *env) enqueue(ctx context.Context, specs ...tasuki.Spec) []tasuki.Info {
	e.t.Helper()
	infos, err := e.client.EnqueueMany(ctx, specs)
	if err != nil {
		e.t.Fatal(err)
	}
	return infos
}

// TestRetry follows a job from a request over an attempt that fails to one that succeeds.
func TestRetry(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	e.run(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "money"}}, Backoff: func(tasuki.Info, error) time.Duration { return time.Millisecond }}, func(ctx context.Context, job *tasuki.RawJob) error {
		if job.Attempt == 1 {
			return fmt.Errorf("card 7: %w", context.DeadlineExceeded)
		}
		if sc := trace.SpanContextFromContext(ctx); !sc.IsValid() || sc.IsRemote() {
			t.Errorf("the handler's span is %v", sc)
		}
		return nil
	})
	ctx, request := e.tracer.Start(t.Context(), "request")
	id := e.enqueue(ctx, tasuki.Spec{Kind: "charge", Opts: tasuki.Opts{Queue: "money"}})[0].ID
	request.End()
	attempts := e.await("process money", 2)
	sent, root := e.await("send money", 1)[0], e.await("request", 1)[0]
	isChild(t, sent, root)
	if sent.SpanKind != trace.SpanKindProducer || sent.Status.Code != codes.Unset || len(sent.Links) != 0 {
		t.Errorf("it is %v, %v, %v", sent.SpanKind, sent.Status, sent.Links)
	}
	has(t, sent, map[string]string{
		"messaging.system": "tasuki", "messaging.operation.name": "send", "messaging.operation.type": "send",
		"messaging.destination.name": "money", "messaging.message.id": id, "messaging.batch.message_count": "-", "tasuki.job.kind": "charge",
	})
	for i, s := range attempts {
		isChild(t, s, sent)
		isLinked(t, s, sent)
		has(t, s, map[string]string{
			"messaging.system": "tasuki", "messaging.operation.name": "process", "messaging.operation.type": "process",
			"messaging.destination.name": "money", "messaging.message.id": id, "tasuki.job.kind": "charge", "tasuki.job.attempt": fmt.Sprint(i + 1),
		})
		if s.SpanKind != trace.SpanKindConsumer {
			t.Errorf("it is %v", s.SpanKind)
		}
	}
	has(t, attempts[0], map[string]string{"tasuki.job.outcome": "retry", "error.type": "timeout"})
	has(t, attempts[1], map[string]string{"tasuki.job.outcome": "done", "error.type": "-"})
	if s := attempts[0]; s.Status.Code != codes.Error || s.Status.Description != "card 7: context deadline exceeded" || len(s.Events) != 1 || s.Events[0].Name != "exception" {
		t.Errorf("the failed attempt: %v, %v", s.Status, s.Events)
	}
	if s := attempts[1]; s.Status.Code != codes.Unset || len(s.Events) != 0 {
		t.Errorf("the attempt that is done: %v, %v", s.Status, s.Events)
	}
}

// TestProcesses: the worker is another process, which knows of the producer only what the
// job says.
func TestProcesses(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	e.enqueue(t.Context(), tasuki.Spec{Kind: "k"})
	var output redistest.Buffer
	p := redistest.StartSelf(t, workerVariable, processConfig{URL: e.url, Namespace: e.namespace}, &output)
	<-p.Ended()
	sent := e.await("send default", 1)[0]
	var got span
	if i := bytes.IndexByte([]byte(output.String()), '{'); i < 0 {
		t.Fatalf("it says %s", output.String())
	} else if err := json.NewDecoder(bytes.NewReader([]byte(output.String()[i:]))).Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, output.String())
	}
	sc := sent.SpanContext
	want := span{
		Name: "process default", Trace: sc.TraceID().String(), Span: got.Span, Parent: sc.SpanID().String(),
		Link: sc.TraceID().String() + "-" + sc.SpanID().String(), Kind: "consumer", Outcome: "done",
	}
	if got != want || got.Span == want.Parent {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestMove: a job that goes to another queue is still that of who has enqueued it.
func TestMove(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	infos := e.enqueue(t.Context(), tasuki.Spec{Kind: "k", Opts: tasuki.Opts{Queue: "from", Record: true}})
	if _, err := e.client.Move(t.Context(), infos[0].Address(), "to"); err != nil {
		t.Fatal(err)
	}
	e.run(tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "from"}, {Name: "to"}}}, func(context.Context, *tasuki.RawJob) error { return nil })
	s, sent := e.await("process to", 1)[0], e.await("send from", 1)[0]
	isChild(t, s, sent)
	isLinked(t, s, sent)
	has(t, s, map[string]string{"messaging.destination.name": "to", "messaging.message.id": infos[0].ID})
}

// TestNewTrace: attempts with traces of their own know by their link where they come from.
func TestNewTrace(t *testing.T) {
	e := setup(t, tasukiotel.Config{NewTrace: true})
	e.enqueue(t.Context(), tasuki.Spec{Kind: "k"})
	e.run(tasuki.WorkerConfig{}, func(context.Context, *tasuki.RawJob) error { return nil })
	s, sent := e.await("process default", 1)[0], e.await("send default", 1)[0]
	isLinked(t, s, sent)
	if s.Parent.IsValid() || s.SpanContext.TraceID() == sent.SpanContext.TraceID() {
		t.Errorf("it is in %v with the parent %v", s.SpanContext, s.Parent)
	}
}

// TestChain: what a handler enqueues is its child.
func TestChain(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	e.run(tasuki.WorkerConfig{}, func(ctx context.Context, job *tasuki.RawJob) error {
		if job.Kind == "last" {
			return nil
		}
		_, err := e.client.EnqueueMany(ctx, []tasuki.Spec{{Kind: "last"}})
		return err
	})
	e.enqueue(t.Context(), tasuki.Spec{Kind: "first"})
	attempts, sent := e.await("process default", 2), e.await("send default", 2)
	of := map[trace.SpanID]tracetest.SpanStub{}
	for _, s := range append(attempts, sent...) {
		of[s.SpanContext.SpanID()] = s
	}
	for _, s := range attempts {
		if text(s, "tasuki.job.kind") != "last" {
			continue
		}
		second := of[s.Parent.SpanID()]
		first := of[second.Parent.SpanID()]
		isChild(t, s, second)
		has(t, second, map[string]string{"messaging.operation.name": "send", "tasuki.job.kind": "last"})
		has(t, first, map[string]string{"messaging.operation.name": "process", "tasuki.job.kind": "first"})
	}
}

// TestBatch: an enqueue of many is one span.
func TestBatch(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	const own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	forwarded := tasuki.Spec{Kind: "k", Opts: tasuki.Opts{Meta: map[string]string{"traceparent": own}}}
	e.enqueue(t.Context(), tasuki.Spec{Kind: "k"}, tasuki.Spec{Kind: "k"}, forwarded)
	sent := e.await("send default", 1)[0]
	has(t, sent, map[string]string{"messaging.batch.message_count": "3", "messaging.message.id": "-", "messaging.destination.name": "default", "tasuki.job.kind": "-"})
	if len(sent.Links) != 1 || sent.Links[0].SpanContext.SpanID().String() != "b7ad6b7169203331" || sent.SpanKind != trace.SpanKindProducer {
		t.Errorf("%v, links %v", sent.SpanKind, sent.Links)
	}
	e.run(tasuki.WorkerConfig{}, func(context.Context, *tasuki.RawJob) error { return nil })
	parents := map[string]int{}
	for _, s := range e.await("process default", 3) {
		parents[s.Parent.SpanID().String()]++
	}
	if want := map[string]int{sent.SpanContext.SpanID().String(): 2, "b7ad6b7169203331": 1}; !maps.Equal(parents, want) {
		t.Errorf("parents are %v, want %v", parents, want)
	}
	// What was made elsewhere is only sent here.
	e.spans.Reset()
	e.enqueue(t.Context(), forwarded)
	if s := e.await("send default", 1)[0]; s.SpanKind != trace.SpanKindClient || len(s.Links) != 1 {
		t.Errorf("%v, links %v", s.SpanKind, s.Links)
	}
	// Of several queues there is no one name.
	e.enqueue(t.Context(), tasuki.Spec{Kind: "k"}, tasuki.Spec{Kind: "k", Opts: tasuki.Opts{Queue: "other"}})
	has(t, e.await("send", 1)[0], map[string]string{"messaging.destination.name": "-", "messaging.batch.message_count": "2"})
}

// TestErrors: which ends of an attempt are failures, and what they are called.
func TestErrors(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	errs := map[string]func() error{
		"kill":   func() error { return tasuki.Kill(errors.New("no such user")) },
		"snooze": func() error { return tasuki.Snooze(time.Hour, "not now") },
		"panic":  func() error { panic("oh") },
		"in":     func() error { return tasuki.RetryIn(time.Hour, &json.SyntaxError{}) },
		"fine":   func() error { return nil },
	}
	e.run(tasuki.WorkerConfig{}, func(_ context.Context, job *tasuki.RawJob) error { return errs[job.Kind]() })
	for kind := range errs {
		e.enqueue(t.Context(), tasuki.Spec{Kind: kind})
	}
	want := map[string]map[string]string{
		"kill":   {"tasuki.job.outcome": "dead", "error.type": "*errors.errorString", "tasuki.job.reason": "killed"},
		"snooze": {"tasuki.job.outcome": "snooze", "error.type": "-", "tasuki.job.reason": "not now"},
		"panic":  {"tasuki.job.outcome": "retry", "error.type": "panic"},
		"in":     {"tasuki.job.outcome": "retry", "error.type": "*json.SyntaxError"},
		"fine":   {"tasuki.job.outcome": "done", "error.type": "-", "tasuki.job.reason": "-"},
	}
	for _, s := range e.await("process default", len(errs)) {
		kind := text(s, "tasuki.job.kind")
		has(t, s, want[kind])
		if failed := want[kind]["error.type"] != "-"; failed != (s.Status.Code == codes.Error) || failed != (len(s.Events) == 1) {
			t.Errorf("%s: %v, %v", kind, s.Status, s.Events)
		}
		if kind == "panic" && s.Status.Description != "panic: oh" {
			t.Errorf("%q", s.Status.Description)
		}
	}
	// An enqueue that fails, and one of nothing new.
	e.spans.Reset()
	if _, err := e.client.EnqueueMany(t.Context(), []tasuki.Spec{{Kind: "fine"}, {Kind: "a b"}, {Kind: "c d"}}); err == nil {
		t.Error("a kind with a space is accepted")
	}
	s := e.await("send default", 1)[0]
	has(t, s, map[string]string{"tasuki.batch.rejected": "2"})
	if s.Status.Code != codes.Error || text(s, "error.type") == "-" {
		t.Errorf("%v %v", s.Status, s.Attributes)
	}
	e.spans.Reset()
	for range 2 {
		e.enqueue(t.Context(), tasuki.Spec{Kind: "fine", Opts: tasuki.Opts{ID: "same"}})
	}
	two := e.await("send default", 2)
	has(t, two[0], map[string]string{"tasuki.job.existed": "-", "messaging.message.id": "same"})
	has(t, two[1], map[string]string{"tasuki.job.existed": "true", "messaging.message.id": "same"})
}

// TestMetrics counts what was sent and processed.
func TestMetrics(t *testing.T) {
	e := setup(t, tasukiotel.Config{})
	told := make(chan struct{}, 10)
	stop := e.run(tasuki.WorkerConfig{OnChange: func(c tasuki.Change) { // it is still told
		if c.Outcome != "" {
			told <- struct{}{}
		}
	}}, func(_ context.Context, job *tasuki.RawJob) error {
		if job.Kind == "bad" {
			return tasuki.Kill(errors.New("no"))
		}
		return nil
	})
	e.enqueue(t.Context(), tasuki.Spec{Kind: "good"}, tasuki.Spec{Kind: "good"}, tasuki.Spec{Kind: "bad"})
	if _, err := e.client.EnqueueMany(t.Context(), []tasuki.Spec{{Kind: "a b"}}); err == nil {
		t.Error("a kind with a space is accepted")
	}
	for range 3 {
		<-told
	}
	stop()
	want := map[string]uint64{
		"messaging.client.sent.messages {message} messaging.destination.name=default,messaging.operation.name=send,messaging.system=tasuki":                                                                   3,
		"messaging.client.sent.messages {message} error.type=*errors.errorString,messaging.destination.name=default,messaging.operation.name=send,messaging.system=tasuki":                                    1,
		"messaging.client.operation.duration s messaging.destination.name=default,messaging.operation.name=send,messaging.operation.type=send,messaging.system=tasuki":                                        1,
		"messaging.client.operation.duration s error.type=*errors.errorString,messaging.destination.name=default,messaging.operation.name=send,messaging.operation.type=send,messaging.system=tasuki":         1,
		"messaging.client.consumed.messages {message} messaging.destination.name=default,messaging.operation.name=process,messaging.system=tasuki,tasuki.job.kind=good":                                       2,
		"messaging.client.consumed.messages {message} messaging.destination.name=default,messaging.operation.name=process,messaging.system=tasuki,tasuki.job.kind=bad":                                        1,
		"messaging.process.duration s messaging.destination.name=default,messaging.operation.name=process,messaging.system=tasuki,tasuki.job.kind=good,tasuki.job.outcome=done":                               2,
		"messaging.process.duration s error.type=*errors.errorString,messaging.destination.name=default,messaging.operation.name=process,messaging.system=tasuki,tasuki.job.kind=bad,tasuki.job.outcome=dead": 1,
	}
	if got := e.metrics(); !maps.Equal(got, want) {
		for name, n := range got {
			if want[name] != n {
				t.Errorf("%d of %s, want %d", n, name, want[name])
			}
		}
		for name := range want {
			if _, ok := got[name]; !ok {
				t.Errorf("none of %s", name)
			}
		}
	}
}

package tasukiotel

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tasuki-dev/tasuki"
)

// Everything that is named by the semantic conventions for messaging is in this file, as
// they are not stable yet: https://opentelemetry.io/docs/specs/semconv/messaging/
//
// What they have no name for is under tasuki.

const schemaURL = semconv.SchemaURL

var (
	system = semconv.MessagingSystemKey.String("tasuki")

	sendName, sendType       = semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend
	processName, processType = semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess
)

// The attributes of our own.
const (
	kindKey     = attribute.Key("tasuki.job.kind")    // empty of a raw job
	attemptKey  = attribute.Key("tasuki.job.attempt") // 1 for the first
	outcomeKey  = attribute.Key("tasuki.job.outcome") // in the words of tasuki.Change
	reasonKey   = attribute.Key("tasuki.job.reason")
	existedKey  = attribute.Key("tasuki.job.existed") // nothing was enqueued: the job was there already
	rejectedKey = attribute.Key("tasuki.batch.rejected")
)

// The classes of errors that are not named after their type.
const (
	errorPanic    = "panic"
	errorTimeout  = "timeout"
	errorDeadline = "deadline"
)

// operation are the attributes that metrics have: not of single jobs, of which there is no
// end. queue may be empty.
func operation(name attribute.KeyValue, queue string) []attribute.KeyValue {
	all := []attribute.KeyValue{system, name}
	if queue != "" {
		all = append(all, semconv.MessagingDestinationName(queue))
	}
	return all
}

// sendAttributes are those of jobs that are enqueued together. queue is empty if they go to
// several, and id unless it is one job.
func sendAttributes(n int, queue, kind, id string) []attribute.KeyValue {
	all := append(operation(sendName, queue), sendType)
	if n != 1 {
		return append(all, semconv.MessagingBatchMessageCount(n))
	}
	all = append(all, kindKey.String(kind))
	if id != "" {
		all = append(all, semconv.MessagingMessageID(id))
	}
	return all
}

// processAttributes are those of an attempt.
func processAttributes(i *tasuki.Info) []attribute.KeyValue {
	return append(operation(processName, i.Queue), processType, semconv.MessagingMessageID(i.ID), kindKey.String(i.Kind), attemptKey.Int(i.Attempt))
}

// spanName is the operation and, if there is one, its destination.
func spanName(operation attribute.KeyValue, queue string) string {
	name := operation.Value.AsString()
	if queue != "" {
		name += " " + queue
	}
	return name
}

// errorType is the class of an error.
func errorType(err error) attribute.KeyValue {
	var panicked *tasuki.PanicError
	switch {
	case errors.As(err, &panicked):
		return semconv.ErrorTypeKey.String(errorPanic)
	case errors.Is(err, tasuki.ErrDeadline):
		return semconv.ErrorTypeKey.String(errorDeadline)
	case errors.Is(err, tasuki.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return semconv.ErrorTypeKey.String(errorTimeout)
	}
	// What Kill and RetryIn wrap says more than they do.
	for strings.HasPrefix(reflect.TypeOf(err).String(), "*tasuki.") {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	return semconv.ErrorType(err)
}

// fail notes in a span that what it stands for has failed.
func fail(span trace.Span, err error) {
	var panicked *tasuki.PanicError
	if errors.As(err, &panicked) {
		span.RecordError(err, trace.WithAttributes(semconv.ExceptionStacktrace(string(panicked.Stack))))
	} else {
		span.RecordError(err)
	}
	text, _, _ := strings.Cut(err.Error(), "\n") // behind it is the stack of a panic
	span.SetStatus(codes.Error, text)
	span.SetAttributes(errorType(err))
}

// instruments are the metrics.
type instruments struct {
	sent      metric.Int64Counter
	consumed  metric.Int64Counter
	operation metric.Float64Histogram
	process   metric.Float64Histogram
}

func newInstruments(m metric.Meter) (*instruments, error) {
	seconds := metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10) // as the conventions advise
	var i instruments
	var errs [4]error
	i.sent, errs[0] = m.Int64Counter("messaging.client.sent.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Number of messages producer attempted to send to the broker."))
	i.consumed, errs[1] = m.Int64Counter("messaging.client.consumed.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Number of messages that were delivered to the application."))
	i.operation, errs[2] = m.Float64Histogram("messaging.client.operation.duration", metric.WithUnit("s"), seconds,
		metric.WithDescription("Duration of messaging operation initiated by a producer or consumer client."))
	i.process, errs[3] = m.Float64Histogram("messaging.process.duration", metric.WithUnit("s"), seconds,
		metric.WithDescription("Duration of processing operation."))
	return &i, errors.Join(errs[:]...)
}

// with adds the class of an error, if there is one.
func with(err error, attributes ...attribute.KeyValue) metric.MeasurementOption {
	if err != nil {
		attributes = append(attributes, errorType(err))
	}
	return metric.WithAttributes(attributes...)
}

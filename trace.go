package tasuki

import (
	"context"
	"slices"
	"strings"
)

// The names of W3C Trace Context, https://www.w3.org/TR/trace-context/. They are
// members of Meta, so that a producer in any language writes them as it would write
// the headers of an HTTP request.
const (
	traceparent = "traceparent"
	tracestate  = "tracestate"
)

// maxTracestate is how long a tracestate may be: the standard asks for at least that.
const maxTracestate = 512

// CarryTrace is for ClientConfig.Use: it puts the trace of the caller into the jobs
// that are enqueued, as Meta["traceparent"] and Meta["tracestate"]. inject returns
// those of the span in ctx; "" if there is none. It is called once for each
// EnqueueMany.
//
// Where inject is nil or returns no valid traceparent, the jobs carry the one of the
// job in ctx, if its handler enqueues them and gives its ctx: so a chain of jobs stays
// one trace also where nobody has a tracer.
//
// A job whose Meta has one of the two names already is left as it is. Nothing of this
// refuses a job: a traceparent that is not valid is left out, and so is a tracestate
// of more than 512 bytes, and what Meta has no room for.
func CarryTrace(inject func(ctx context.Context) (traceparent, tracestate string)) EnqueueMiddleware {
	return func(next Enqueuer) Enqueuer {
		return EnqueueFunc(func(ctx context.Context, specs []Spec) ([]Info, error) {
			var parent, state string
			if inject != nil {
				parent, state = validTrace(inject(ctx))
			}
			if r := running(ctx); r != nil && parent == "" {
				parent, state = validTrace(r.raw.Meta[traceparent], r.raw.Meta[tracestate])
			}
			if parent != "" {
				specs = slices.Clone(specs) // they are the caller's
				for i := range specs {
					specs[i].Opts.carry(parent, state)
				}
			}
			return next.EnqueueMany(ctx, specs)
		})
	}
}

// ContinueTrace is a Middleware that gives the handler the trace that its job carries.
// extract returns ctx with it, and is called only with a valid traceparent; tracestate
// may be empty. All attempts of a job continue the same trace.
func ContinueTrace(extract func(ctx context.Context, traceparent, tracestate string) context.Context) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, job *RawJob) error {
			if parent, state := validTrace(job.Meta[traceparent], job.Meta[tracestate]); parent != "" {
				ctx = extract(ctx, parent, state)
			}
			return next(ctx, job)
		}
	}
}

// TraceID is the trace that the job carries, 32 digits of lower-case hex; "" if there
// is none, or its traceparent is not valid.
func (i Info) TraceID() string {
	id, _ := parseTraceparent(i.Meta[traceparent])
	return id
}

// carry adds a trace to Meta, as far as there is room.
func (o *Opts) carry(parent, state string) {
	room := maxMeta - len(traceparent) - len(parent)
	for name, value := range o.Meta {
		if name == traceparent || name == tracestate {
			return
		}
		room -= len(name) + len(value)
	}
	if room < 0 {
		return
	}
	trace := map[string]string{traceparent: parent}
	if state != "" && len(tracestate)+len(state) <= room {
		trace[tracestate] = state
	}
	*o = o.overlay(Opts{Meta: trace})
}

// validTrace returns what of a trace can be passed on: nothing if the parent is not
// valid, and the parent alone if the state is not.
func validTrace(parent, state string) (string, string) {
	if _, ok := parseTraceparent(parent); !ok {
		return "", ""
	}
	if len(state) > maxTracestate || !isPrintable(state) {
		state = ""
	}
	return parent, state
}

// parseTraceparent returns the trace id; false if the header is not valid. One of a
// later version may go on behind what version 00 has.
//
//	00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//	version, trace id, parent id, flags: lower-case hex; ids are not all zero
//
// https://www.w3.org/TR/trace-context/#traceparent-header
func parseTraceparent(s string) (traceID string, ok bool) {
	const length = 55
	if len(s) < length || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return "", false
	}
	version, trace, parent, flags := s[:2], s[3:35], s[36:52], s[53:length]
	if version == "ff" || version == "00" && len(s) > length || len(s) > length && s[length] != '-' {
		return "", false
	}
	for _, part := range []string{version, trace, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return "", false
		}
	}
	if strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" || !isPrintable(s) {
		return "", false
	}
	return trace, true
}

// isPrintable tells whether a text is of what a header may have: visible ASCII, spaces
// and tabs.
func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c != '\t' && (c < ' ' || c > '~') }) < 0
}

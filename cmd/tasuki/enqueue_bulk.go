package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
)

// A portion of bulk is about what the library sends in one command.
const (
	bulkLines = 500
	bulkBytes = 1 << 20
)

// bulk puts in the lines of an input and keeps account of them. It belongs to one
// goroutine; the one that reads has only ctx.
type bulk struct {
	ctx    context.Context
	put    func(payloads [][]byte) []error
	isJSON bool
	out    io.Writer
	err    io.Writer

	line    int    // lines that were read to their end
	partial []byte // the beginning of the next one
	long    bool   // the next one is too long, and not kept

	payloads [][]byte // the portion
	lines    []int    // where they come from
	size     int

	report bulkReport
	status time.Time // when progress was last shown; zero: never
}

// bulkReport is what enqueue -o json prints of many jobs, and of raw ones.
type bulkReport struct {
	Queue     string `json:"queue"`
	Accepted  int    `json:"accepted"`
	Refused   int    `json:"refused"`   // lines that cannot be jobs
	Uncertain int    `json:"uncertain"` // jobs that may have been accepted
	// Jobs that are in, but that too few replicas have confirmed.
	Unconfirmed int `json:"unconfirmed,omitempty"`
	// Where Redis or a signal ended it: the first of the lines whose jobs may have
	// been accepted or are not confirmed, and the first of those that were not sent.
	UncertainFrom   int `json:"uncertain_from_line,omitempty"`
	UnconfirmedFrom int `json:"unconfirmed_from_line,omitempty"`
	UnsentFrom      int `json:"unsent_from_line,omitempty"`
}

func newBulk(cmd *cobra.Command, put func(payloads [][]byte) []error) *bulk {
	return &bulk{ctx: cmd.Context(), put: put, out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
}

// read puts in all lines of an input.
func (b *bulk) read(in io.Reader) error {
	blocks := make(chan []byte, 1)
	var broken error // read when blocks is closed
	go func() {      // it may wait for the input until the process ends
		defer close(blocks)
		for {
			block := make([]byte, 64<<10)
			n, err := in.Read(block)
			if n > 0 {
				select {
				case blocks <- block[:n]:
				case <-b.ctx.Done():
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					broken = err
				}
				return
			}
		}
	}()
	for more := true; more; {
		var block []byte
		select {
		case block, more = <-blocks:
		default:
			// The input lets us wait: what it has given so far does not.
			if err := b.flush(); err != nil {
				return err
			}
			select {
			case block, more = <-blocks:
			case <-b.ctx.Done():
				return b.interrupted()
			}
		}
		if err := b.feed(block); err != nil {
			return err
		}
	}
	switch {
	case b.ctx.Err() != nil:
		return b.interrupted()
	case broken == nil && (len(b.partial) > 0 || b.long): // a last line without an end
		if err := b.endLine(); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	if broken != nil {
		b.report.UnsentFrom = b.line + 1
		return &exitError{code: exitFailed, err: fmt.Errorf("the input: %w; %s", broken, b.account())}
	}
	if b.report.Refused > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of %d lines were refused; %s", b.report.Refused, b.line, b.account())}
	}
	return nil
}

// feed takes a block of the input apart.
func (b *bulk) feed(block []byte) error {
	for len(block) > 0 {
		part, rest, ended := bytes.Cut(block, []byte("\n"))
		block = rest
		if len(b.partial)+len(part) > maxPayload+1 { // 1: a carriage return
			b.partial, b.long = nil, true
		}
		if !b.long {
			b.partial = append(b.partial, part...)
		}
		if ended {
			if err := b.endLine(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bulk) endLine() error {
	line, long := bytes.TrimSuffix(b.partial, []byte("\r")), b.long
	b.partial, b.long = nil, false
	b.line++
	switch {
	case long || len(line) > maxPayload:
		b.refuse("it has more than %d bytes", maxPayload)
	case len(bytes.TrimSpace(line)) == 0:
	case b.isJSON && !json.Valid(line):
		b.refuse("%.40q is no JSON: %v", line, json.Unmarshal(line, new(json.RawMessage)))
	default:
		if len(b.payloads) == bulkLines || len(b.payloads) > 0 && b.size+len(line) > bulkBytes {
			if err := b.flush(); err != nil {
				return err
			}
		}
		b.add(line)
	}
	return nil
}

func (b *bulk) add(payload []byte) {
	b.payloads, b.lines = append(b.payloads, payload), append(b.lines, b.line)
	b.size += len(payload)
}

// refuse names a line that cannot be a job.
func (b *bulk) refuse(format string, args ...any) {
	b.report.Refused++
	b.progress("")
	fmt.Fprintf(b.err, "line %d: %s\n", b.line, fmt.Sprintf(format, args...))
}

// flush puts in the portion. What Redis does not accept ends all of it, for what
// comes behind would be out of order.
func (b *bulk) flush() error {
	if len(b.payloads) == 0 {
		return nil
	}
	if b.ctx.Err() != nil {
		return b.interrupted()
	}
	var failed error
	for i, err := range b.put(b.payloads) {
		r := &b.report
		switch {
		case err == nil:
			r.Accepted++
			continue
		case failed == nil:
			failed, r.UnsentFrom = err, b.lines[i]
		}
		switch {
		case errors.Is(err, tasuki.ErrNotReplicated):
			if r.Unconfirmed++; r.Unconfirmed == 1 {
				r.UnconfirmedFrom = b.lines[i]
			}
			r.UnsentFrom = b.lines[i] + 1
		case errors.Is(err, tasuki.ErrUncertain):
			if r.Uncertain++; r.Uncertain == 1 {
				r.UncertainFrom = b.lines[i]
			}
			r.UnsentFrom = b.lines[i] + 1
		}
	}
	if failed != nil {
		return failure(fmt.Errorf("%w; %s", failed, b.account()))
	}
	b.payloads, b.lines, b.size = nil, nil, 0
	if time.Since(b.status) > time.Second/5 {
		b.progress(fmt.Sprintf("accepted: %d", b.report.Accepted))
	}
	return nil
}

// interrupted is the error after a signal: nothing of the portion was sent.
func (b *bulk) interrupted() error {
	b.report.UnsentFrom = b.line + 1
	if len(b.lines) > 0 {
		b.report.UnsentFrom = b.lines[0]
	}
	return &exitError{code: exitInterrupted, err: fmt.Errorf("interrupted; %s", b.account())}
}

// account says what became of the lines, for somebody who has to go on from there.
func (b *bulk) account() string {
	r := &b.report
	text := fmt.Sprintf("accepted: %d", r.Accepted)
	if r.Uncertain > 0 {
		text += fmt.Sprintf("; accepted or not: those of lines %d to %d, send them again if they may run twice", r.UncertainFrom, r.UnsentFrom-1)
	}
	if r.Unconfirmed > 0 {
		text += fmt.Sprintf("; in, but not confirmed: those of lines %d to %d, do not send them again", r.UnconfirmedFrom, r.UnsentFrom-1)
	}
	if r.UnsentFrom > 0 {
		text += fmt.Sprintf("; not sent: line %d and what follows (tail -n +%d)", r.UnsentFrom, r.UnsentFrom)
	}
	return text
}

func (b *bulk) print(output string) error {
	b.progress("")
	return b.report.print(b.out, output)
}

func (r *bulkReport) print(out io.Writer, output string) error {
	return show(out, output, r, "%s: %d accepted", r.Queue, r.Accepted)
}

// progress shows a text on a line that the next one overwrites, if somebody looks;
// "" takes it away.
func (b *bulk) progress(text string) {
	f, ok := b.err.(*os.File)
	if !ok || text == "" && b.status.IsZero() {
		return
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	fmt.Fprintf(f, "\r\x1b[K%s", text)
	b.status = time.Now()
}

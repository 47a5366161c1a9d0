package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tasuki-dev/tasuki"
)

// LogLine is a line of a recorded job's log.
type LogLine struct {
	N    int64  `json:"n"` // grows from line to line
	Text string `json:"text"`
}

// Log returns the lines of a recorded job's log that are behind one with a number: behind 0
// all that are kept. ErrNotFound says that it has no record.
func (i *Inspector) Log(ctx context.Context, address string, behind int64) ([]LogLine, error) {
	queue, id, err := tasuki.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	q, err := i.store.Queue(queue)
	if err != nil {
		return nil, err
	}
	fields, err := i.store.WholeRecord(ctx, q, id)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", address, err)
	}
	if fields["state"] == "moved" {
		if address, err = i.movedTo(ctx, address); err != nil {
			return nil, fmt.Errorf("log of %w", err)
		}
		return i.Log(ctx, address, behind)
	}
	if fields["job"] == "" {
		return nil, fmt.Errorf("log of %.300s: %w: only a recorded job has one, until its record goes", address, ErrNotFound)
	}
	var lines []LogLine
	for name, value := range fields {
		if line, ok := logLine(name, value); ok && line.N > behind {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b LogLine) int { return cmp.Compare(a.N, b.N) })
	return lines, nil
}

// logLine reads a field of a record, which is a line of its log if it is called log.SLOT:
// the number of the line and its text.
func logLine(name, value string) (LogLine, bool) {
	if !strings.HasPrefix(name, "log.") {
		return LogLine{}, false
	}
	digits, text, _ := strings.Cut(value, " ")
	n, err := strconv.ParseInt(digits, 10, 64)
	return LogLine{n, text}, err == nil
}

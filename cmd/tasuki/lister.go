package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// lister prints what is found, portion by portion: as lines of JSON, or as a table.
type lister[T any] struct {
	out    *bufio.Writer
	output string
	table  func(rows []T, head bool) string
	rows   []T  // of a table
	head   bool // is printed
	n      int
	more   bool
}

func newLister[T any](out io.Writer, output string, table func(rows []T, head bool) string) *lister[T] {
	return &lister[T]{out: bufio.NewWriter(out), output: output, table: table}
}

func (l *lister[T]) add(row T) error {
	l.n++
	if l.output == "json" {
		return printed(json.NewEncoder(l.out).Encode(row))
	}
	if l.rows = append(l.rows, row); len(l.rows) == 1000 {
		return l.flush()
	}
	return nil
}

// full tells whether one more is beyond a limit; 0 is none.
func (l *lister[T]) full(limit int) bool {
	l.more = limit > 0 && l.n == limit
	return l.more
}

// flush prints what was added; of a table at least its head.
func (l *lister[T]) flush() error {
	if l.output != "json" && (len(l.rows) > 0 || !l.head) {
		fmt.Fprintln(l.out, l.table(l.rows, !l.head))
		l.rows, l.head = nil, true
	}
	return printed(l.out.Flush())
}

// tellMore says that a limit has kept some back.
func (l *lister[T]) tellMore(out io.Writer) {
	if l.more && l.output != "json" {
		fmt.Fprintf(out, "there are more than %d: --limit 0 lists all\n", l.n)
	}
}

// printed is the error of what could not be printed.
func printed(err error) error {
	if err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	return nil
}

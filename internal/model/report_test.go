package model_test

import (
	"strings"
	"sync"
	"time"
)

// reported is what goes into docs/proof/model.md.
type reported struct {
	mu    sync.Mutex
	Walks []walked
}

type walked struct {
	Server, Version  string
	Sequences, Calls int
	Time             time.Duration
}

var report reported

func (r *reported) note(f func(*reported)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

func splitLines(s string) []string { return strings.Split(strings.ReplaceAll(s, "\r", ""), "\n") }

package model_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tasuki-dev/tasuki/internal/model"
)

// reported is what goes into docs/proof/model.md.
type reported struct {
	mu       sync.Mutex
	Walks    []walked
	Searches []searched
	Mistakes []mistaken
}

type walked struct {
	Server, Version  string
	Sequences, Calls int
	Time             time.Duration
}

type searched struct {
	scenario
	*model.Found
	walked int
}

type mistaken struct {
	name   string
	states int
	steps  int
	wrong  *model.Counterexample
}

var report reported

// note adds to the report, and writes it if that is wanted.
func (r *reported) note(f func(*reported)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
	if *reportDir == "" {
		return
	}
	if err := os.MkdirAll(*reportDir, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(*reportDir, "model.md"), []byte(r.text()), 0o644); err != nil {
		panic(err)
	}
}

func (r *reported) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	commit := "unknown"
	if out, err := exec.Command("git", "rev-parse", "HEAD").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	line("# The model\n")
	line("Written by the tests of `internal/model`, at commit `%.12s`. To repeat it: `make model-long`.\n", commit)
	line("`internal/model` says in plain Go what the scripts of `internal/store` do, and what workers and sweepers do with")
	line("them. Three things are done with it.\n")
	line("## Beside the scripts\n")
	line("Random sequences of calls are done on a server and in the model: enqueue, with ids and times, hand-over, exchanges with")
	line("any mix of outcomes and of tags that are not held, repeated calls, calls whose answer nobody reads, leaving, pauses, and two")
	line("sweepers that stop anywhere and put back what they read long ago; the list of workers is deleted, scripts are forgotten, time")
	line("passes. After every call both have answered the same and hold the same: each job in each place with its attempts and crashes,")
	line("all counters, all times, who may claim. The seeds are random; that of a failure is printed, and `-rapid.seed` repeats it.\n")
	line("| server | version | sequences | calls | time | differences |\n|---|---|---|---|---|---|")
	for _, w := range r.Walks {
		line("| %s | %s | %d | %d | %v | none |", w.Server, w.Version, w.Sequences, w.Calls, w.Time.Round(time.Second))
	}
	line("\n## All that can happen")
	line("\nFrom a small world on, all steps in every order: script calls, lost replies, calls that come late, hand-overs to the dead,")
	line("kills, declarations of death, right or wrong, repetitions, what a worker does of its own. A process that is frozen is one that")
	line("takes no step for a while. States that differ only in names are one. In each state every job is in exactly as many places")
	line("as it was accepted for, no outcome was written for another delivery than its own, what was claimed was settled, swept or is")
	line("held, nothing was claimed without a lease or swept with one, and no process runs two suspects. From a part of the states all goes on")
	line("without further faults, and everything ends (*drained*). The ways to some of the deepest states were walked on a real server.\n")
	line("| world | states | steps between them | depth | drained | calls on a server | time | found |\n|---|---|---|---|---|---|---|---|")
	for _, s := range r.Searches {
		all := fmt.Sprint(s.Depth)
		if s.Levels[len(s.Levels)-1] == 0 {
			all = fmt.Sprintf("%d, which is all", s.Depth-1)
		}
		line("| %s | %d | %d | %s | %d | %d | %v | nothing |", s.about, s.States, s.Transitions, all, s.Healed, s.walked, s.Time.Round(time.Second))
	}
	line("\nThe model leaves out keys of a wrong type, a full server, the bounds of one call, and messages on channels. One worker's")
	line("exchanges come one after the other in it. A tombstone is removed only when nothing of its incarnation can come any more: in")
	line("truth that is ten minutes, and a wait lasts 20 s. When the list of workers of a queue is deleted, what somebody holds who is dead")
	line("by then is found by nobody: `tasuki check` shows it.")
	line("\n## What it would find\n")
	line("The same search, with one mistake put into the model:\n")
	line("| mistake | found after states |\n|---|---|")
	for _, m := range r.Mistakes {
		line("| %s | %d |", m.name, m.states)
	}
	for _, m := range r.Mistakes {
		if strings.Contains(m.name, "tombstone is removed") {
			line("\nFor example, *%s*:\n\n```text", m.name)
			for _, step := range m.wrong.Steps {
				if !strings.HasPrefix(step, "      ") {
					line("%s", step)
				}
			}
			line("```\n\nand the job lies in a hand list that nobody looks at any more.")
		}
	}
	return b.String()
}

func splitLines(s string) []string { return strings.Split(strings.ReplaceAll(s, "\r", ""), "\n") }

func show(v any) string { return fmt.Sprintf("%+v", v) }

package main

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	text := run(t, command(t, "version")).want(t, exitOK, "tasuki ", runtime.Version()).stdout
	if flag := run(t, command(t, "--version")).want(t, exitOK).stdout; flag != text {
		t.Errorf("--version prints %q, version %q", flag, text)
	}
	b := decode[build](t, run(t, command(t, "version", "-o", "json")).want(t, exitOK).stdout)
	if b.Version == "" || b.Go != runtime.Version() || b.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("it is %+v", b)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	codes := run(t, command(t, "help", "exit-codes")).want(t, exitOK).stdout
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitRedis, exitNotFound, exitUncertain, exitFull, exitProblems, exitStuck, exitWarning, exitDanger, exitNotDone, exitWaited, exitInterrupted} {
		if !strings.Contains(codes, fmt.Sprintf("\n    %-3d  ", code)) {
			t.Errorf("nothing is said of exit code %d", code)
		}
	}
	run(t, command(t)).want(t, exitOK, "enqueue", "exit-codes")
	run(t, command(t, "help", "queue", "get")).want(t, exitOK, "get NAME")
	for _, topic := range [][]string{{"nope"}, {"queue", "nope"}} {
		r := run(t, command(t, append([]string{"help"}, topic...)...)).want(t, exitUsage, strings.Join(topic, " "))
		if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("help %q prints %q and %q", topic, r.stdout, r.stderr)
		}
	}
	run(t, command(t, "enqueu")).want(t, exitUsage, "enqueu")
	for _, words := range [][]string{{}, {"doctor"}, {"queue"}, {"queue", "ls"}, {"work"}} { // those that take no such argument
		path := strings.Join(append([]string{"tasuki"}, words...), " ")
		run(t, command(t, append(words, "-r", "x")...)).want(t, exitUsage, "tasuki: unknown flag -r: "+path+" --help lists those that exist\n")
	}
	run(t, command(t, "queue", "get", "-r")).want(t, exitUsage, "stands behind two: -- -r")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		run(t, command(t, "completion", shell)).want(t, exitOK, "tasuki")
	}
	run(t, command(t, "__complete", "queue", "ls", "-o", "")).want(t, exitOK, "text\njson\n")
}

// Every command that prints something has -o.
func TestOutputFlag(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"bench", "check", "cron explain", "cron get", "cron history", "cron ls", "cron next", "cron pause", "cron resume", "cron rm", "cron run", "cron set", "doctor", "enqueue", "job cancel", "job edit", "job get", "job logs", "job ls", "job retry", "job rm", "job wait", "queue get", "queue ls", "queue pause", "queue resume", "queue revive", "version"} {
		cmd, _, err := newRoot().Find(strings.Fields(args))
		if err != nil || cmd.Flags().Lookup("output") == nil {
			t.Errorf("tasuki %s has no --output (%v)", args, err)
		}
	}
}

// A number that is none is answered with those that are allowed.
func TestNumberFlags(t *testing.T) {
	t.Parallel()
	everyCommand(newRoot(), func(cmd *cobra.Command, _ []string) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "int" {
				return
			}
			err := cmd.Flags().Set(f.Name, "x")
			if text := flagError(cmd, err).Error(); !strings.Contains(text, `: "x": allowed are `) {
				t.Errorf("%s --%s: %q", cmd.CommandPath(), f.Name, text)
			}
		})
	})
}

// TestGivenTwice: of every command a flag of one value is refused when it is there with two, and one that
// says that it can be repeated is not.
func TestGivenTwice(t *testing.T) {
	t.Parallel()
	tried := map[bool]int{}
	everyCommand(newRoot(), func(cmd *cobra.Command, words []string) {
		if len(words) > 0 && words[0] == "completion" { // cobra's own
			return
		}
		cmd.InheritedFlags() // adds them to Flags
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			word, other := "--"+f.Name+"=x", "--"+f.Name+"=y"
			repeatable := strings.Contains(f.Usage, "repeat")
			err := givenTwice(newRoot(), append(words[:len(words):len(words)], word, other))
			if want := "--" + f.Name + " is given twice: allowed is one value"; repeatable && err != nil || !repeatable && (err == nil || err.Error() != want) {
				t.Errorf("%s %s: %v", cmd.CommandPath(), f.Name, err)
			}
			if err := givenTwice(newRoot(), append(words[:len(words):len(words)], word)); err != nil {
				t.Errorf("%s %s, once: %v", cmd.CommandPath(), f.Name, err)
			}
			tried[repeatable]++
		})
	})
	if tried[true] == 0 || tried[false] == 0 {
		t.Errorf("tried are %v", tried)
	}
	for _, args := range []string{"job ls --queue a --queue b", "move --queue a --to c --queue=b --yes", "--namespace a queue ls --namespace b", "job ls -o json -o text"} {
		run(t, command(t, strings.Fields(args)...)).want(t, exitUsage, " is given twice: allowed is one value\n")
	}
	if err := givenTwice(newRoot(), strings.Fields("move --yes --queue a --to b --yes")); err != nil {
		t.Error(err)
	}
	if err := givenTwice(newRoot(), strings.Fields("work --queue a --queue b -- prog --concurrency 1 --concurrency 2")); err != nil {
		t.Error(err) // the rest is the program's
	}
}

// What the library calls a field is a flag here.
func TestBadNamespace(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check"}, {"demo"}, {"enqueue", "k"}, {"queue", "ls"}, {"work", "--", "true"}} {
		cmd := command(t, append([]string{"--namespace", "a:b"}, args...)...)
		cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL=redis://127.0.0.1:1")
		run(t, cmd).want(t, exitUsage, `tasuki: --namespace: "a:b": allowed are `)
	}
}

// Who forgets the password, or its colon, is told so.
func TestNoPassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "s3cret")
	const hint = "the URL has a user and no password: allowed are "
	for user, want := range map[string]bool{"me@": true, "s3cret@": true, "s3cret:@": true, "me:s3cret@": false} {
		for _, args := range [][]string{{"queue", "ls"}, {"doctor"}, {"demo"}, {"bench"}} {
			cmd := command(t, args...)
			cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+strings.Replace(s.URL(), "unix://", "unix://"+user, 1))
			r := run(t, cmd).want(t, exitRedis, "WRONGPASS")
			if strings.Contains(r.stderr, hint) != want || strings.Contains(r.stdout+r.stderr, "cret") {
				t.Errorf("%s of %s: %s", args, user, r.stderr)
			}
		}
	}
}

func TestRedaction(t *testing.T) {
	t.Parallel()
	for url, code := range map[string]int{
		"redis://:s3cret@127.0.0.1:1":              exitRedis, // nobody is there
		"redis://me:s3cret@host.invalid:6379":      exitRedis,
		"rediss://me:s3cret@127.0.0.1:1/2":         exitRedis,
		"redis://me:s3cret@127.0.0.1:port":         exitUsage,
		"redis://me:s3cret%zz@127.0.0.1:1":         exitUsage,
		"redis://me:s3cret@127.0.0.1:1/nonumber":   exitUsage,
		"redis://me:s3cret@127.0.0.1:1?nosuch=1":   exitUsage,
		"redis://me:s3/cret@127.0.0.1:1":           exitUsage,
		"redis://me:s3#cret@127.0.0.1:1":           exitUsage,
		"redis://me:s3cret@127.0.0.1:1 ":           exitUsage,
		"http://me:s3cret@127.0.0.1:1":             exitUsage,
		"me:s3cret@127.0.0.1:1":                    exitUsage,
		"unix://me:s3cret@127.0.0.1/redis.sock":    exitUsage,
		"redis://me:s3cret@127.0.0.1:1?addr=::::1": exitRedis,

		"redis://s3cret@127.0.0.1:1":                                   exitRedis, // most likely no name
		"redis://me:s3%2F%40%3Fcret@127.0.0.1:1":                       exitRedis,
		"redis://:s3cret@127.0.0.1:1?addr=127.0.0.1:2&master_set=main": exitRedis,
		"redis://127.0.0.1:1?addr=me:s3cret%40127.0.0.1:2":             exitUsage,
		"redis://127.0.0.1:1?password=s3cret":                          exitUsage,
	} {
		for _, args := range [][]string{{"queue", "ls"}, {"demo"}, {"bench", "--runs", "1"}, {"doctor"}} { // four ways to a client
			cmd := command(t, args...)
			cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+url)
			r := run(t, cmd).want(t, code)
			if text := r.stdout + r.stderr; strings.Contains(text, "cret") {
				t.Errorf("%s with %s: %s", args, url, text)
			}
		}
	}
	run(t, command(t, "queue", "ls", "--redis", "redis://me:s3cret@127.0.0.1:1")).want(t, exitRedis, "redis://me:xxxxx@127.0.0.1:1")
}

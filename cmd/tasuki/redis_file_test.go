package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRedisFile(t *testing.T) {
	t.Parallel()
	e := setup(t)
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "redis-url")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	// do runs the command with these variables, and no server but theirs.
	do := func(variables []string, args ...string) result {
		cmd := command(t, args...)
		cmd.Env = append(append(cmd.Env, "TASUKI_NAMESPACE="+e.namespace), variables...)
		return run(t, cmd)
	}
	good, bad := write("\n "+e.urls["operator"]+" \r\n"), filepath.Join(t.TempDir(), "nope")
	do(nil, "--redis-file", good, "queue", "ls").want(t, exitOK)
	do([]string{"TASUKI_REDIS_FILE=" + good}, "queue", "ls").want(t, exitOK)
	do([]string{"TASUKI_REDIS_FILE=" + bad}, "queue", "ls").want(t, exitUsage, "--redis-file: open "+bad)
	for _, name := range []string{"demo", "bench"} {
		do([]string{"TASUKI_REDIS_FILE=" + bad}, name).want(t, exitUsage, "--redis-file: open "+bad)
	}
	do([]string{"TASUKI_REDIS_FILE=" + bad}, "version").want(t, exitOK)

	// What is in the call comes first; of two that are alike none does.
	do([]string{"TASUKI_REDIS_FILE=" + bad}, "--redis", e.urls["operator"], "queue", "ls").want(t, exitOK)
	do([]string{"TASUKI_REDIS_URL=redis://127.0.0.1:1"}, "--redis-file", good, "queue", "ls").want(t, exitOK)
	do([]string{"TASUKI_REDIS_URL=redis://127.0.0.1:1", "TASUKI_REDIS_FILE=" + good}, "queue", "ls").want(t, exitUsage, "allowed is one of them")

	for _, text := range []string{"", " \n", "redis://127.0.0.1:1\nTOKEN=s3cret", strings.Repeat("s3cret", 20_000), "\x00s3cret"} {
		if r := do(nil, "--redis-file", write(text), "queue", "ls").want(t, exitUsage, "allowed is a file with the URL"); strings.Contains(r.stderr, "cret") {
			t.Errorf("it is shown: %s", r.stderr)
		}
	}
	for text, code := range map[string]int{"redis://me:s3cret@127.0.0.1:1": exitRedis, "redis://me:s3cret%zz@127.0.0.1:1": exitUsage, "me:s3cret@127.0.0.1:1": exitUsage} {
		if r := do(nil, "--redis-file", write(text), "queue", "ls").want(t, code); strings.Contains(r.stderr, "cret") {
			t.Errorf("it is shown: %s", r.stderr)
		}
	}
}

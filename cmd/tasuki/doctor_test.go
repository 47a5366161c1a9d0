package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestDoctor: the exit code is the worst level, and the text fits a terminal.
func TestDoctor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"in order": {[]string{"--appendonly", "yes"}, exitOK, []string{"ok       persistence  AOF, appendfsync everysec\n", "worst: note\n"}},
		"warning":  {[]string{"--save", "60 1"}, exitWarning, []string{"warning  persistence  snapshots only (save 60 1)", "worst: warning\n"}},
		"danger": {[]string{"--appendonly", "yes", "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"}, exitDanger,
			[]string{"danger   eviction     maxmemory-policy is allkeys-lru\n", "→ set maxmemory-policy to noeviction", "worst: danger\n"}},
		"refused": {[]string{"--appendonly", "yes", "--rename-command", "INFO", "", "--rename-command", "CONFIG", ""}, exitOK, []string{"unknown, because INFO is refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tt.args...)
			doctor := func(args ...string) result {
				cmd := command(t, append([]string{"doctor"}, args...)...)
				cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL="+s.URL(), "TASUKI_NAMESPACE="+redistest.Namespace(t))
				return run(t, cmd)
			}
			r := doctor().want(t, tt.code, tt.says...)
			for line := range strings.Lines(r.stdout) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns && strings.Contains(line[margin:], " ") {
					t.Errorf("a line of %d columns: %q", n, line)
				}
			}
			if r.stderr != "" {
				t.Errorf("it adds %q", r.stderr)
			}
			var d struct {
				Worst    inspect.Level
				Findings []inspect.Finding
			}
			if err := json.Unmarshal([]byte(doctor("-o", "json").want(t, tt.code).stdout), &d); err != nil || d.Worst != inspect.Worst(d.Findings) || len(d.Findings) < 8 {
				t.Errorf("%v: %+v", err, d)
			}
			if quick := doctor("--skip-check").want(t, tt.code); strings.Contains(quick.stdout, " check ") {
				t.Errorf("it has checked:\n%s", quick.stdout)
			}
		})
	}
	cmd := command(t, "doctor")
	cmd.Env = append(cmd.Env, "TASUKI_REDIS_URL=redis://:s3cret@127.0.0.1:1")
	if r := run(t, cmd).want(t, exitRedis, "127.0.0.1:1"); r.stdout != "" || strings.Contains(r.stderr, "s3cret") {
		t.Errorf("it prints %q and %q", r.stdout, r.stderr)
	}
	run(t, command(t, "doctor", "extra")).want(t, exitUsage, "doctor takes no arguments")
}

func TestFill(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "",
		"one":                    "one",
		"a bc def":               "a bc|def",
		"a-very-long-word x":     "a-very-long-word|x",
		"äöü äöü":                "äöü|äöü",
		" spaces  are \n blank ": "spaces|are|blank",
	} {
		if got := strings.Join(fill(text, 6), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

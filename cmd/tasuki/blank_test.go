package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand calls f with each command and its words, those of the root being none.
func everyCommand(root *cobra.Command, f func(cmd *cobra.Command, words []string)) {
	var walk func(cmd *cobra.Command, words []string)
	walk = func(cmd *cobra.Command, words []string) {
		f(cmd, words)
		for _, c := range cmd.Commands() {
			walk(c, append(words[:len(words):len(words)], c.Name()))
		}
	}
	root.InitDefaultCompletionCmd()
	walk(root, nil)
}

// TestPasswordInTheWrongPlace: a URL that is given where none belongs, as an argument,
// a flag or a variable of any command, is not printed with its password.
func TestPasswordInTheWrongPlace(t *testing.T) {
	t.Parallel()
	urls := []string{
		"redis://u:s3cretpw@127.0.0.1:1", "redis://u:s3cret=pw@127.0.0.1:1", "redis://u:" + strings.Repeat("s3cret", 30) + "@127.0.0.1:1",
		"redis://u:s3cret\"pw@127.0.0.1:1/0", "redis://s3cret\npw@h",
	}
	try := func(url string, more []string, args ...string) {
		cmd := command(t, args...)
		cmd.Env = append(append(cmd.Env, "TASUKI_REDIS_URL=redis://127.0.0.1:1"), more...) // nobody is there
		r := run(t, cmd)
		if text := r.stdout + r.stderr; strings.Contains(text, "cret") || strings.Contains(text, "pw@") {
			t.Errorf("%q with %q: exit code %d: %s", args, more, r.code, text)
		}
		if given := args[len(args)-1] == url && (len(args) == 1 || !strings.HasPrefix(args[len(args)-2], "-")); given && r.code == exitUsage && !strings.Contains(r.stderr, "a URL goes behind --redis or into TASUKI_REDIS_URL\n") {
			t.Errorf("%q: %s", args, r.stderr)
		}
	}
	everyCommand(newRoot(), func(cmd *cobra.Command, words []string) {
		for _, url := range urls {
			if cmd.CommandPath() != "tasuki completion" {
				try(url, nil, append(words, url)...)
			}
		}
		if !cmd.Runnable() || len(words) == 0 || cmd.HasSubCommands() || words[0] == "completion" || words[0] == "help" || words[0] == "version" || words[0] == "exit-codes" {
			return
		}
		cmd.InheritedFlags() // adds them to Flags
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "redis" || f.Name == "help" {
				return
			}
			args, url := append(words, "x"), urls[1]
			if cmd.Args != nil && cmd.Args(cmd, nil) == nil {
				args = words
			}
			try(url, nil, append(args[:len(args):len(args)], "--"+f.Name+"="+url)...)
			try(url, []string{envOf(f.Name) + "=" + url}, args...)
		})
	})
	try(urls[0], nil, "--"+urls[0])
	try(urls[0], nil, "-"+urls[0])
	try(urls[0], nil, "work", "--", urls[0])
	try(urls[0], nil, "work", "--queue", urls[0], "--", "true")
	try(urls[0], nil, "work", "--queue", "x="+urls[0], "--", "true")
	try(urls[0], nil, "enqueue", "k", `{"url": "`+urls[0]+`"`)
}

func TestBlank(t *testing.T) {
	t.Parallel()
	const url = "redis://me:a\"b=c@h:1/0"
	for text, want := range map[string]string{
		`leave out "redis://me:a\"b=c@h:1/0"`:      `leave out "redis://xxxxx@h:1/0"`,
		url + " and " + url:                        "redis://xxxxx@h:1/0 and redis://xxxxx@h:1/0",
		`"redis://me:a\"b": allowed`:               `"redis://xxxxx": allowed`,
		`the weight is "c@h:1/0"`:                  `the weight is "xxxxx@h:1/0"`,
		"redis://me:xxxxx@h:1: connection refused": "redis://me:xxxxx@h:1: connection refused",
		"allowed are redis://user:password@host":   "allowed are redis://user:password@host",
		"paused by me@h":                           "paused by me@h",
		"":                                         "",
	} {
		if got := blank(text, []string{"k", url, "://@", "a@b", "http://h"}); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

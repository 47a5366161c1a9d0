package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
)

// tooLong tells whether an error quotes more than a few words of what was given.
func tooLong(err error) bool { return len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) }

// FuzzQueueFlags: what --queue and --list take, in which order they are given, and
// that every key can be named with either end.
func FuzzQueueFlags(f *testing.F) {
	for _, s := range []string{"mail", "mail=3", "mail=0", "mail=", "=", "mail=1=2", "jobs:tail", ":tail", "jobs:tail:head", "jobs:head:tail", "", "a=99999999999999999999", "a=" + strings.Repeat("9", 3000)} {
		f.Add(s, "")
		f.Add("default", s)
	}
	client, err := tasuki.Open("redis://127.0.0.1:1", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	f.Fuzz(func(t *testing.T, queue, list string) {
		if q, err := parseQueue(queue); err != nil {
			if tooLong(err) {
				t.Fatalf("%q: an error of %d bytes", queue, len(err.Error()))
			}
		} else {
			again := q.Name
			if q.Weight > 0 {
				again += "=" + strconv.Itoa(q.Weight)
			}
			if back, err := parseQueue(again); err != nil || back != q || q.Weight < 0 || q.Weight > maxWeight || q.List != "" || q.Tail {
				t.Fatalf("%q is %+v, and %q is %+v (%v)", queue, q, again, back, err)
			}
		}
		for end, tail := range map[string]bool{":head": false, ":tail": true} {
			q, err := parseList(list + end)
			if list == "" {
				if err == nil {
					t.Fatalf("%q is %+v", list+end, q)
				}
				continue
			}
			if err != nil || q.List != list || q.Tail != tail || q.Name != "" {
				t.Fatalf("%q is %+v (%v)", list+end, q, err)
			}
		}
		cfg := workConfig{concurrency: 1, maxAttempts: 1}
		flags := []*queueFlag{{"queue", parseQueue, &cfg.queues}, {"list", parseList, &cfg.queues}, {"queue", parseQueue, &cfg.queues}}
		given := []string{queue, list, "other"}
		var kept []string
		for i, flag := range flags {
			if flag.Set(given[i]) == nil {
				kept = append(kept, given[i])
			}
		}
		var texts []string
		for _, q := range cfg.queues {
			texts = append(texts, q.text)
		}
		if !slices.Equal(texts, kept) {
			t.Fatalf("%q became %q", kept, texts)
		}
		if err := cfg.validate(client); err != nil && tooLong(err) {
			t.Fatalf("%q: an error of %d bytes: %.200q", given, len(err.Error()), err)
		} else if err == nil {
			for _, q := range cfg.queues {
				if q.Weight == 0 != (cfg.queues[0].Weight == 0) || q.List == "" && !validName(q.Name) {
					t.Fatalf("%q is taken: %+v", given, cfg.queues)
				}
			}
		}
	})
}

func validName(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsAny(s, "{}:/ =\n")
}

// FuzzFlags gives a flag any value, in the call and in its variable: both mean the
// same, and an error names which of them it was and what is allowed.
func FuzzFlags(f *testing.F) {
	names := []string{"queue", "id", "in", "at", "max-attempts", "timeout", "deadline", "expire-in", "expire-at", "meta", "raw", "list", "output", "redis", "namespace", "replicas"}
	for i := range names {
		for _, value := range []string{"", "a", "mail", "90s", "1h30m", "-1", "20", "2030-01-02T15:04:05Z", "2030-01-02", "a=b", "=b", "true", "text", "json", "99999999999999999999", "a\nb", strings.Repeat("x", 2000)} {
			f.Add(byte(i), value)
		}
	}
	// try returns the flag's value after the call, and the error of the call.
	try := func(args []string) (value string, err error) {
		root := newRoot()
		cmd, _, findErr := root.Find([]string{"enqueue"})
		if findErr != nil {
			return "", findErr
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return nil }
		root.SetArgs(append([]string{"enqueue", "k"}, args...))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		err = root.Execute()
		var values []string
		for _, name := range names {
			values = append(values, cmd.Flag(name).Value.String())
		}
		return strings.Join(values, "\x00"), err
	}
	for _, name := range names {
		f.Setenv(envOf(name), "")
	}
	f.Fuzz(func(t *testing.T, which byte, value string) {
		name := names[int(which)%len(names)]
		direct, directErr := try([]string{"--" + name + "=" + value})
		if directErr != nil && (!strings.Contains(directErr.Error(), "--"+name) || tooLong(directErr)) {
			t.Fatalf("--%s=%q: an error of %d bytes: %.300q", name, value, len(directErr.Error()), directErr)
		}
		if value == "" || strings.ContainsAny(value, "\x00") || name == "meta" && strings.ContainsAny(value, "\r\n") {
			return // no variable can say it
		}
		if err := os.Setenv(envOf(name), value); err != nil {
			return
		}
		defer os.Setenv(envOf(name), "")
		byEnv, envErr := try(nil)
		if (envErr == nil) != (directErr == nil) || envErr == nil && byEnv != direct {
			t.Fatalf("%s: %q: as a flag %q (%v), as a variable %q (%v)", name, value, direct, directErr, byEnv, envErr)
		}
		if envErr != nil && (!strings.Contains(envErr.Error(), envOf(name)) || tooLong(envErr)) {
			t.Fatalf("%s=%q: %.300q", envOf(name), value, envErr)
		}
	})
}

// FuzzEnqueueOptions gives enqueue any options: the library is asked for what is
// wrong with them before Redis is, and what is not becomes a job.
func FuzzEnqueueOptions(f *testing.F) {
	f.Add("email.welcome", `{"user_id":42}`, "mail", "a", "a=b", int64(0), int64(0), 20, int64(time.Second), false, "")
	f.Add("k", "null", "", "", "", int64(time.Hour), int64(0), 0, int64(0), false, "")
	f.Add("", "\xff", "default", "", "", int64(0), int64(0), 0, int64(0), true, "jobs:tail")
	f.Add("<b>", "{", "a b", "a/b", "=", int64(-5), int64(1)<<61, -2, int64(-2), false, "{a}b}")
	f.Fuzz(func(t *testing.T, kind, payload, queue, id, meta string, in, at int64, most int, timeout int64, raw bool, list string) {
		e := &enqueue{app: &app{namespace: "tasuki"}, raw: raw, list: list}
		e.opts = tasuki.Opts{Queue: queue, ID: id, In: time.Duration(in), MaxAttempts: most, Timeout: time.Duration(timeout)}
		if at != 0 {
			e.opts.At = time.Unix(at, 0)
		}
		if meta != "" {
			e.meta = []string{meta}
		}
		args := []string{kind, payload}
		if raw {
			args = args[1:]
			e.opts, e.meta = tasuki.Opts{Queue: queue}, nil
		}
		cmd := &cobra.Command{}
		spec, bulky, err := e.read(cmd, args)
		if err == nil {
			err = e.app.rehearse(func(c *tasuki.Client) error { return e.put(t.Context(), c, spec)([][]byte{spec.Args})[0] })
		}
		if err != nil {
			var coded *exitError
			if errors.As(err, &coded) && coded.code != exitUsage {
				t.Fatalf("exit code %d: %v", coded.code, err)
			}
			if errors.Is(err, tasuki.ErrUncertain) || tooLong(err) {
				t.Fatalf("an error of %d bytes: %.300q", len(err.Error()), err)
			}
			return
		}
		switch {
		case bulky != (payload == "-"):
			t.Fatalf("payload %q: read from the input: %v", payload, bulky)
		case bulky:
		case string(spec.Args) != payload:
			t.Fatalf("payload %q became %q", payload, spec.Args)
		case !raw && !json.Valid(spec.Args):
			t.Fatalf("%q is taken for JSON", payload)
		}
		if meta != "" && !raw {
			if name, value, _ := strings.Cut(meta, "="); spec.Opts.Meta[name] != value {
				t.Fatalf("--meta %q became %q", meta, spec.Opts.Meta)
			}
		}
	})
}

// FuzzBulk reads any input in pieces of any size: the payloads are its lines, in
// order and byte for byte, and every line is accounted for.
func FuzzBulk(f *testing.F) {
	for _, s := range []string{"", "1\n2\n", "1\r\n\r\n  \n{\"a\":1}", "nul\n1", "\n\n\n", "\xff\xfe\n\"\xff\"\n", strings.Repeat("1\n", 1200), "a\rb\n\r\n\r"} {
		f.Add([]byte(s), uint16(0), true)
		f.Add([]byte(s), uint16(1), false)
	}
	f.Add(append(bytes.Repeat([]byte("x"), maxPayload), "\r\nx\n"...), uint16(2), false)
	f.Add(append(bytes.Repeat([]byte("x"), maxPayload+1), "\nx\n"...), uint16(2), false)
	f.Fuzz(func(t *testing.T, input []byte, chop uint16, isJSON bool) {
		var got []string
		var stderr bytes.Buffer
		b := &bulk{ctx: t.Context(), isJSON: isJSON, out: io.Discard, err: &stderr, put: func(payloads [][]byte) []error {
			if len(payloads) == 0 || len(payloads) > bulkLines {
				t.Errorf("a portion of %d", len(payloads))
			}
			for _, p := range payloads {
				got = append(got, string(p))
			}
			return make([]error, len(payloads))
		}}
		var in io.Reader = bytes.NewReader(bytes.Clone(input))
		switch chop % 3 {
		case 1:
			if len(input) < 10_000 {
				in = iotest.OneByteReader(in)
			}
		case 2:
			in = iotest.DataErrReader(iotest.HalfReader(in))
		}
		err := b.read(in)

		var want []string
		refused, lines := 0, bytes.Split(input, []byte("\n"))
		if len(lines[len(lines)-1]) == 0 {
			lines = lines[:len(lines)-1]
		}
		for _, line := range lines {
			line = bytes.TrimSuffix(line, []byte("\r"))
			switch {
			case len(line) > maxPayload:
				refused++
			case len(bytes.TrimSpace(line)) == 0:
			case isJSON && !json.Valid(line):
				refused++
			default:
				want = append(want, string(line))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d payloads, want %d", len(got), len(want))
		}
		if r := b.report; r.Accepted != len(want) || r.Refused != refused || (err != nil) != (refused > 0) || b.line != len(lines) || r.UnsentFrom != 0 {
			t.Fatalf("%+v after %d lines (%v), want %d accepted and %d refused of %d", r, b.line, err, len(want), refused, len(lines))
		}
		if n := strings.Count(stderr.String(), "\n"); n != refused || stderr.Len() > 300*refused {
			t.Fatalf("%d lines are refused with %d lines of %d bytes", refused, n, stderr.Len())
		}
	})
}

// FuzzBlank: of a URL's password no piece is left in a text that quotes it, whole, or
// cut at any place.
func FuzzBlank(f *testing.F) {
	f.Add("redis", "me", "", "", "h:1/0", "what: ", byte(80))
	f.Add("redis", "", "a\"b\\", "\n://@\xff", "h", "leave out ", byte(18))
	f.Add("http", "ü=", "\xffé", "=\"", "", "://", byte(13))
	f.Fuzz(func(t *testing.T, scheme, user, before, after, host, around string, most byte) {
		const secret = "KLMNOPQRST" // no letters of an escape
		some := func(s string) bool { return strings.ContainsAny(s, secret) }
		if some(scheme+user+before+after+host+around) || strings.Contains(scheme+host+around, "@") || strings.Contains(scheme, "://") {
			return
		}
		word := scheme + "://" + user + ":" + before + secret + after + "@" + host
		_, tail, _ := strings.Cut(word, "=") // as --queue takes it apart
		for _, text := range []string{
			around + word, fmt.Sprintf("%s%q", around, word), fmt.Sprintf("%s%.*q: allowed", around, most, word),
			fmt.Sprintf("%s%q…", around, word[:min(len(word), int(most))]),
			fmt.Sprintf("%s%q", around, tail),
		} {
			if left := blank(text, []string{around, word}); some(left) {
				t.Fatalf("%q became %q", text, left)
			}
		}
	})
}

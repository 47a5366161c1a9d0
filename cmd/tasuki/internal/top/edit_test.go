package top

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestEdit(t *testing.T) {
	onBench(t, true, func(b *bench) {
		write := func(text string) func(string) error {
			return func(file string) error { return os.WriteFile(file, []byte(text), 0o600) }
		}
		b.press("3", "enter", "E")
		b.shows("nothing to do: a job that is running cannot be changed")
		b.press("esc", "e", "enter", "E")
		b.shows("nothing to do: a job without a record cannot be changed")
		if len(b.ran) > 0 {
			t.Fatalf("it has run %q", b.ran)
		}

		b.press("esc", "g", "down", "enter")
		b.m.editor = "ed -s"
		var file string
		b.edits = func(f string) error {
			file = f
			text, err := os.ReadFile(f)
			if want := "{\n  \"user\": 42,\n  \"locale\": \"ja\",\n  \"name\": \"山田太郎\"\n}\n"; string(text) != want {
				t.Errorf("the editor gets %q, want %q", text, want)
			}
			for _, path := range []string{f, filepath.Dir(f)} {
				if is, err := os.Stat(path); err != nil || is.Mode().Perm()&0o077 != 0 {
					t.Errorf("others may read %s: %v, %v", path, is.Mode(), err)
				}
			}
			return err
		}
		b.press("E")
		b.shows("nothing was changed")
		if len(b.ran) != 1 || len(b.ran[0].Args) != 3 || b.ran[0].Args[1] != "-s" {
			t.Errorf("it has run %q", b.ran)
		}
		if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is left behind: %v", err)
		}

		b.edits = write(`{"user": 43`)
		b.press("E")
		b.shows("this is no JSON: unexpected end of JSON input; E goes on with it")
		b.edits = func(f string) error {
			text, _ := os.ReadFile(f)
			return os.WriteFile(f, append(text, '}'), 0o600)
		}
		b.press("E")
		b.shows("Change the arguments of mail/01kc0d000000000000000retry (email.newsletter)?", "y do it")
		b.did()
		b.press("y")
		b.did(`edit {"user":43} mail/01kc0d000000000000000retry`)

		b.edits = func(string) error { return errors.New("exit status 1") }
		b.press("E")
		b.shows("the editor, ed -s: exit status 1; EDITOR says which")
		b.did()
	})
}

func TestEditor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{nil, "vi"}, {[]string{"EDITOR=nano"}, "nano"}, {[]string{"VISUAL=code -w", "EDITOR=nano"}, "code -w"}, {[]string{"EDITOR= ", "VISUAL="}, "vi"},
	} {
		if got := editorOf(c.environ); got != c.want {
			t.Errorf("%q: %s, want %s", c.environ, got, c.want)
		}
	}
}

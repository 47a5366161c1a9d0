package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// secret stands for a password in all spellings that URLs give it.
const secret = "s3cret"

// TestRedact: whatever somebody writes for a URL, what is shown of it and every error
// about it has no password.
func TestRedact(t *testing.T) {
	t.Parallel()
	hide := []string{
		"redis://:s3cret@h", "redis://me:s3cret@h:6379/2", "rediss://me:s3cret@h", "unix://me:s3cret@/path.sock?db=1", "valkey://:s3cret@h",
		"redis://s3cret@h",                             // as a name
		"redis://s3cret:@h",                            // the same
		"redis://me:s3%2Fcret@h",                       // escaped
		"redis://me:s3/s3cret@h",                       // not escaped: a path
		"redis://me:s3#s3cret@h",                       // a fragment
		"redis://me:s3?s3cret@h",                       // a query
		"redis://me:s3:s3cret@h:1",                     // a colon in it is allowed
		"redis://me:s3@s3cret@h:1",                     // so is an at sign
		"redis://me:s3cret%zz@h",                       // no escape
		"redis://me:s3cret@h:port",                     // no port
		"redis://me:s3cret@h:1/nonumber",               // no database
		"redis://me:s3cret@h:1/2/3",                    //
		"redis://me:s3cret@h?nosuch=1",                 // no such word
		"redis://h?addr=me:s3cret@h2:1",                // a password where none is looked for
		"redis://h?addr=me:s3cret%40h2:1",              //
		"redis://h?addr=h2:1&password=s3cret",          // no such word
		"redis://a:1?addr=b:1&master_set=m%40s3cret@x", //
		"http://me:s3cret@h", "me:s3cret@h", "s3cret", "redis:s3cret", "//me:s3cret@h", "redis://me:s3cret@[::1", "redis://me:s3cret@h\x00", " redis://me:s3cret@h",
		"unix://me:s3cret@host/path.sock", "unix://me:s3cret@", "redis://:s3cret@:6379", "redis://:s3cret@h:1,h2:2", "redis://:s3cret@::1:6379",
	}
	for _, raw := range hide {
		if shown := Redact(raw); strings.Contains(shown, secret) {
			t.Errorf("%s is shown as %s", raw, shown)
		}
		if _, err := New(Options{URL: raw, Namespace: "n"}); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for raw, want := range map[string]string{
		"redis://h:6379/0":                        "redis://h:6379/0",
		"redis://me:s3cret@h:1":                   "redis://me:xxxxx@h:1",
		"redis://:s3cret@h":                       "redis://:xxxxx@h",
		"redis://me@h":                            "redis://xxxxx@h",
		"redis://:p@a:1?addr=b:1&master_set=main": "redis://:xxxxx@a:1?addr=b:1&master_set=main",
		"unix:///path.sock":                       "unix:///path.sock",
		"no url":                                  "(a URL that cannot be read)",
		"redis://me:s3/cret@h":                    "(a URL that cannot be read)",
	} {
		if got := Redact(raw); got != want {
			t.Errorf("%s is shown as %s, want %s", raw, got, want)
		}
	}
}

// TestWrongURL: what is most often wrong is said.
func TestWrongURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"127.0.0.1:6379":              "the scheme is missing",
		"localhost:6379":              "the scheme is missing",
		"localhost":                   "the scheme is missing",
		"":                            "the scheme is missing",
		"redis://h:65536":             "the port: allowed are 1 to 65535",
		"redis://h:0":                 "the port: allowed are 1 to 65535",
		"redis://h:99999999999999999": "the port: allowed are 1 to 65535",
		"redis://h?addr=b:65536":      "the port: allowed are 1 to 65535",
		"http://h":                    `the scheme "http": allowed are`,
		"redis://h:port":              "it cannot be read",
	} {
		if _, err := New(Options{URL: raw, Namespace: "n"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
	for _, raw := range []string{"redis://h:65535", "redis://h", "redis://h:", "redis://[::1]:1", "redis://[::1]", "redis://a:1?addr=b&addr=c:2", "unix:///path.sock"} {
		if _, err := New(Options{URL: raw, Namespace: "n"}); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestNoTLS: a rediss URL of a port without TLS is answered with a hint, whatever
// that port does.
func TestNoTLS(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(conn net.Conn){
		"it answers":  func(conn net.Conn) { conn.Write([]byte("-ERR unknown command\r\n")) },
		"it hangs up": func(conn net.Conn) { conn.Read(make([]byte, 4096)); conn.Close() },
		"it waits":    func(net.Conn) {},
	} {
		for _, given := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, Dial %v", name, given), func(t *testing.T) {
				t.Parallel()
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan struct{})
				defer func() { l.Close(); <-ended }()
				go func() {
					defer close(ended)
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						defer conn.Close()
						answer(conn)
					}
				}()
				o := Options{URL: "rediss://" + l.Addr().String(), Namespace: "n"}
				if given {
					o.Dial = new(net.Dialer).DialContext
				}
				s, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "does this port speak TLS?") || errors.Is(err, ErrUncertain) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// TestNoPasswordInErrors connects with a password to servers that do not take it, and
// to some that repeat it: what they do not understand they quote.
func TestNoPasswordInErrors(t *testing.T) {
	t.Parallel()
	password := `s3cret@:/#?% "\` + "ü"
	gone := func(commands ...string) []string {
		var args []string
		for _, command := range commands {
			args = append(args, "--rename-command", command, "")
		}
		return args
	}
	for name, args := range map[string][]string{
		"another password":   {"--requirepass", "other"},
		"no HELLO":           gone("HELLO"),
		"no HELLO, no AUTH":  gone("HELLO", "AUTH"),
		"no AUTH":            gone("AUTH"),
		"nothing understood": gone("HELLO", "AUTH", "CLIENT", "CLUSTER", "INFO"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, args...)
			for _, user := range []*url.Userinfo{url.UserPassword("", password), url.UserPassword("me", password), url.User(password)} {
				u := url.URL{Scheme: "unix", User: user, Path: s.Socket()}
				for _, given := range []bool{false, true} {
					o := Options{URL: u.String(), Namespace: "n"}
					if given {
						o.URL = s.URL()
						o.Credentials = func(context.Context) (string, string, error) { return "me", password, nil }
					}
					st, err := New(o)
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					errs := []error{st.Ping(ctx)}
					_, err = st.Servers(ctx, true)
					_, err2 := st.User(ctx)
					_, _, err3 := st.Rights(ctx)
					cancel()
					st.Close()
					if text := fmt.Sprint(errors.Join(append(errs, err, err2, err3)...), Redact(o.URL)); strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(password)) {
						t.Errorf("%s", text)
					}
				}
			}
		})
	}
}

package store

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzURL: wherever in a URL a password stands and whatever stands around it, no
// error shows it and no redacted URL does.
func FuzzURL(f *testing.F) {
	for _, s := range [][5]string{
		{"redis", "me", "", "", "127.0.0.1:6379/1"}, {"rediss", "", "a/b", "c", "host?addr=b:6379&master_set=m"}, {"unix", "me", "", "/", "/path/to.sock?db=1"},
		{"valkey", "me", "#", "%zz", "host:port"}, {"redis", "a?b", ":", "@x/y?z", "[::1]:1/nonumber"}, {"http", "", " ", "\x7f", "host"},
		{"redis", "", "%", "]", "[host"}, {"redis", "me", "", "", "host/1/2?db=x"}, {"redis", "me", "", "", "host?skip_verify=maybe"}, {"", "", "", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	f.Fuzz(func(t *testing.T, scheme, user, before, after, host string) {
		// One that could be a part of a name, and one that could be a port.
		for _, secret := range []string{"sEcReT", "64981"} {
			if strings.Contains(scheme+user+before+after+host, secret) {
				return
			}
			raw := scheme + "://" + user + ":" + before + secret + after + "@" + host
			o := &Options{URL: raw}
			if opt, err := clientOption(o); err != nil {
				if strings.Contains(err.Error(), secret) {
					t.Fatalf("%q: %v", raw, err)
				}
			} else if plain, _ := url.PathUnescape(before + secret + after); strings.Contains(plain, secret) && !strings.Contains(opt.Password, secret) {
				t.Fatalf("%q: the password is %q", raw, opt.Password)
			}
			if text := Redact(raw); strings.Contains(text, secret) {
				t.Fatalf("%q is redacted to %q", raw, text)
			}
			// Escaped as it should be, it is taken as it is.
			raw = "redis://" + url.UserPassword(user, before+secret+after).String() + "@localhost:6379/0"
			opt, err := clientOption(&Options{URL: raw})
			if err != nil || opt.Username != user || opt.Password != before+secret+after {
				t.Fatalf("%q: user %q, password %q, %v", raw, opt.Username, opt.Password, err)
			}
			if text := Redact(raw); strings.Contains(text, secret) || !strings.HasSuffix(text, "@localhost:6379/0") {
				t.Fatalf("%q is redacted to %q", raw, text)
			}
		}
	})
}

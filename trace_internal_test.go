package tasuki

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestParseTraceparent: https://www.w3.org/TR/trace-context/#traceparent-header
func TestParseTraceparent(t *testing.T) {
	t.Parallel()
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for header, valid := range map[string]bool{
		"00-" + trace + "-" + parent + "-01":                         true,
		"00-" + trace + "-" + parent + "-00":                         true,
		"00-" + trace + "-" + parent + "-ff":                         true, // flags that nobody knows yet
		"cc-" + trace + "-" + parent + "-01":                         true, // a later version
		"cc-" + trace + "-" + parent + "-01-what-the-future":         true,
		"cc-" + trace + "-" + parent + "-01.what":                    false,
		"cc-" + trace + "-" + parent + "-01-\x00":                    false,
		"cc-" + trace + "-" + parent + "-01-\xff":                    false,
		"00-" + trace + "-" + parent + "-01-":                        false,
		"00-" + trace + "-" + parent + "-01 ":                        false,
		" 00-" + trace + "-" + parent + "-01":                        false,
		"ff-" + trace + "-" + parent + "-01":                         false,
		"0g-" + trace + "-" + parent + "-01":                         false,
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01":       false,
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01":        false,
		"00-" + strings.ToUpper(trace) + "-" + parent + "-01":        false,
		"00-" + trace + "-" + strings.ToUpper(parent) + "-01":        false,
		"00-" + trace + "-" + parent + "-0A":                         false,
		"00-" + trace + "-" + parent + "-1":                          false,
		"00-" + trace[1:] + "-" + parent + "-01":                     false,
		"00-" + trace + "-" + parent + "_01":                         false,
		"00-" + trace + "_" + parent + "-01":                         false,
		"00_" + trace + "-" + parent + "-01":                         false,
		"00-" + trace[:16] + "-" + trace[17:] + "-" + parent + "-01": false,
		"00-" + trace + "-" + parent[:8] + "\n" + parent[9:] + "-01": false,
		"00-" + trace: false,
		"":            false,
	} {
		id, ok := parseTraceparent(header)
		if ok != valid || ok && id != trace || !ok && id != "" {
			t.Errorf("%q: %q, %v; want %v", header, id, ok, valid)
		}
	}
}

// FuzzTrace takes any two headers for a trace: what is passed on is valid by the letter
// of the standard, can stand in a Meta, and is left as it is by whoever passes it on.
func FuzzTrace(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", 4000)
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "a=\xff", 0)
	f.Add("", "a=b", 0)
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01", "", 5000)
	standard := regexp.MustCompile(`^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[\t -~]*)?)$`)
	wrong := regexp.MustCompile(`^(ff|00-.{52}.|..-0{32}|.{35}-0{16})`)
	f.Fuzz(func(t *testing.T, header, state string, used int) {
		parent, passed := validTrace(header, state)
		want := header
		if !standard.MatchString(header) || wrong.MatchString(header) {
			want = ""
		}
		if parent != want || parent == "" && passed != "" {
			t.Fatalf("%q, %q are taken for %q, %q", header, state, parent, passed)
		}
		if passed != "" && passed != state || len(passed) > maxTracestate {
			t.Fatalf("the state %q has become %q", state, passed)
		}
		if parent == "" {
			return
		}
		o := Opts{Meta: map[string]string{"m": strings.Repeat("x", min(max(used, 0), 2*maxMeta))}}
		before := o.check(time.Now())
		o.carry(parent, passed)
		if err := o.check(time.Now()); (err == nil) != (before == nil) {
			t.Fatalf("%v, and with the trace %v", before, err)
		}
		first := o.Meta[traceparent]
		if o.carry("00-11111111111111111111111111111111-1111111111111111-01", "x=y"); first != "" && (o.Meta[traceparent] != first || o.Meta[tracestate] == "x=y" && passed != "x=y") {
			t.Fatalf("a trace is overwritten: %v", o.Meta)
		}
	})
}

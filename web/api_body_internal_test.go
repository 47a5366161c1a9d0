package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// FuzzReadBody: what is read is what encoding/json reads, and what is refused is told in few words.
func FuzzReadBody(f *testing.F) {
	for _, seed := range []string{
		`{"jobs":[{"kind":"k","args":{"a":1E2,"a":2},"opts":{"in":"1s","at":"2100-01-01T00:00:00Z","meta":{"a":"b"},"unique":{"mode":"queued","fields":["f"]}}}]}`,
		`{"jobs":null}`, `{"jobs":[null,{"opts":null}]}`, `{"jobs":[{"kind":"\ud800"}]}`, `{"Jobs":[]}`, `{"jobs":[],"jobs":[]}`, `{"jobs":[{"opts":{"max_attempts":1e99}}]}`, `{"jobs":[}`, `{`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want apiSpecs
		if err := readBody(body, &got); err != nil {
			var bad *fault
			if !errors.As(err, &bad) || bad.Status != 400 || len(bad.Field) > 400 || len(bad.Detail) > 400 {
				t.Fatalf("%q: %+v", body, err)
			}
			return
		}
		in := json.NewDecoder(bytes.NewReader(body))
		in.DisallowUnknownFields()
		if err := in.Decode(&want); err != nil {
			t.Fatalf("%q: encoding/json refuses it: %v", body, err)
		}
		is, _ := json.Marshal(got)
		should, _ := json.Marshal(want)
		if !bytes.Equal(is, should) {
			t.Fatalf("%q: %s, not %s", body, is, should)
		}
	})
}

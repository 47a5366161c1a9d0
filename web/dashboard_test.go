package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki"
)

var number = tasuki.Define[int]("number")

func TestOverview(t *testing.T) {
	e := setup(t, nil)
	if _, err := number.With(tasuki.Opts{Queue: "mail"}).Enqueue(t.Context(), e.client, 1); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]string{"": "No worker", "queues": "queue?name=mail", "queue?name=mail": "<h1>mail", "about": "go1."} {
		if body := e.get(page); !strings.Contains(body, want) {
			t.Errorf("page %q lacks %q: %s", page, want, body)
		}
	}
	if a := e.do(e.request(http.MethodGet, "queue?name=none", "")); a.StatusCode != http.StatusNotFound {
		t.Errorf("a queue that is not there: %s", a.Status)
	}
}

package web_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/web"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

// TestAPIDescription: docs has the description that a server has, and every call is in it.
func TestAPIDescription(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := json.Indent(&text, web.Description(), "", " "); err != nil {
		t.Fatal(err)
	}
	text.WriteByte('\n')
	const name = "../docs/openapi.json"
	if *update {
		if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(have, text.Bytes()) {
		t.Errorf("docs/openapi.json is not as the API is (%v): go test ./web -run TestAPIDescription -update", err)
	}
	described, ids := 0, map[any]bool{}
	for _, methods := range description["paths"].(object) {
		for _, operation := range methods.(object) {
			described++
			ids[operation.(object)["operationId"]] = true
		}
	}
	if n := len(web.Endpoints()); described != n || len(ids) != n {
		t.Errorf("%d calls, %d are described, with %d names", n, described, len(ids))
	}
	for _, p := range web.Endpoints() {
		operation, ok := description["paths"].(object)[p.Path].(object)[strings.ToLower(p.Method)].(object)
		if !ok || operation["x-right"] != string(p.Right) {
			t.Errorf("%s %s: %v", p.Method, p.Path, operation)
		}
	}
}

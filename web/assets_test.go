package web_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tasuki-dev/tasuki/web"
)

func TestAssetBudget(t *testing.T) {
	t.Parallel()
	total := 0
	for name, size := range web.AssetSizes() {
		t.Logf("%6d %s", size, name)
		total += size
	}
	if total == 0 || total > 60_000 {
		t.Errorf("all files have %d bytes compressed, and may have 60,000", total)
	}
}

// TestVendored: what is not ours is what npm has, and the page beside it says so.
func TestVendored(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("assets/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-zA-Z.]+) \| .*, ([a-zA-Z.]+LICENSE) \| ([0-9a-f]{64}) \|$`).FindAllStringSubmatch(string(readme), -1) {
		sums[row[1]] = row[3]
		if _, err := os.Stat("assets/" + row[2]); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, "app.") || name == "icon.svg" || name == "README.md" || strings.HasSuffix(name, "LICENSE") {
			continue
		}
		text, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); sums[name] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: its sum is %x, and assets/README.md says %q", name, sum, sums[name])
		}
	}
}

func TestAssets(t *testing.T) {
	e := setup(t, &web.Config{Authorize: nobody})
	var name string
	for n := range web.AssetSizes() {
		if strings.HasSuffix(n, ".css") {
			name = n
		}
	}
	for encoding, want := range map[string]string{"gzip, br": "gzip", "br;q=1, gzip; q=0.5": "gzip", "gzip;q=0": "", "identity": "", "gzip;q=0.0, br": ""} {
		r := e.request(http.MethodGet, "static/"+name, "")
		r.Header.Set("Accept-Encoding", encoding)
		a := e.do(r)
		h := a.Header
		if a.StatusCode != http.StatusOK || h.Get("Content-Encoding") != want || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("Content-Type") != "text/css; charset=utf-8" || a.body == "" {
			t.Errorf("%q: %s %v", encoding, a.Status, h)
		}
	}
	for _, name := range []string{"app.css", "app-0000000000000000.css", "..%2fdoc.go", "README.md"} {
		if a := e.do(e.request(http.MethodGet, "static/"+name, "")); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
}

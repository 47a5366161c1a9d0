package tasukiprom_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tasuki-dev/tasuki/contrib/tasukiprom"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

const (
	dashboardFile = "../../deploy/grafana/tasuki.json"
	rulesFile     = "../../deploy/prometheus/tasuki.rules.yml"
	rulesTestFile = "../../deploy/prometheus/tasuki.test.yml"
	chapterFile   = "../../docs/telemetry.md"
)

// described are the metrics of this package with their labels.
func described(t *testing.T) map[string][]string {
	t.Helper()
	e := on(t, redistest.Shared(t).URL())
	of := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	all := map[string][]string{}
	for _, c := range []prometheus.Collector{collector(t, e.inspector, tasukiprom.CollectorConfig{}), newMetrics(t, tasukiprom.MetricsConfig{})} {
		descs := make(chan *prometheus.Desc)
		go func() {
			defer close(descs)
			c.Describe(descs)
		}()
		for d := range descs {
			found := of.FindStringSubmatch(d.String())
			if found == nil {
				t.Fatalf("%s: it cannot be read", d)
			}
			all[found[1]] = strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' })
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d metrics are described", len(all))
	}
	return all
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	metricName = regexp.MustCompile(`\btasuki_[a-z_]+`)
	selector   = regexp.MustCompile(`\b(tasuki_[a-z_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	grouping   = regexp.MustCompile(`(?:by|without|on|ignoring) \(([a-z_, ]*)\)`)
)

// base is a metric without what a classic histogram adds to its name.
func base(name string, known map[string][]string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if cut, ok := strings.CutSuffix(name, suffix); ok && known[cut] != nil && strings.HasSuffix(cut, "_seconds") {
			return cut
		}
	}
	return name
}

// checkQuery demands that a query asks for what there is.
func checkQuery(t *testing.T, where, query string, known map[string][]string) {
	t.Helper()
	names := metricName.FindAllString(query, -1)
	if len(names) == 0 {
		t.Errorf("%s: %q asks for none of the metrics", where, query)
	}
	for _, name := range names {
		if _, ok := known[base(name, known)]; !ok {
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
	allowed := []string{"le", "instance", "job"} // what Prometheus adds
	for _, name := range names {
		allowed = append(allowed, known[base(name, known)]...)
	}
	for _, s := range selector.FindAllStringSubmatch(query, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(known[base(s[1], known)], m[1]) {
				t.Errorf("%s: %s has no label %s", where, s[1], m[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		for _, label := range strings.FieldsFunc(g[1], func(r rune) bool { return r == ',' || r == ' ' }) {
			if !slices.Contains(allowed, label) {
				t.Errorf("%s: %q groups by the label %s, which none of its metrics has", where, query, label)
			}
		}
	}
}

// TestDashboard: what it asks for is there.
func TestDashboard(t *testing.T) {
	t.Parallel()
	known := described(t)
	var dashboard struct {
		UID        string
		Templating struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &dashboard); err != nil {
		t.Fatal(err)
	}
	ids, queries := map[int]bool{}, 0
	for i, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q: its id is there twice, it has no title, or is too wide", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range dashboard.Panels[:i] {
			if a, b := p.GridPos, q.GridPos; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q lie one over the other", p.Title, q.Title)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			checkQuery(t, "panel "+p.Title, target.Expr, known)
		}
	}
	if queries < 20 || dashboard.UID == "" {
		t.Errorf("it has %d queries, and the uid %q", queries, dashboard.UID)
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			text, err := json.Marshal(v.Query)
			if err != nil {
				t.Fatal(err)
			}
			checkQuery(t, "variable "+v.Name, string(text), known)
		}
	}
}

// alerts are the rules of the file, by name: their fields, one line each.
func alerts(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	var current map[string]string
	for line := range strings.Lines(readFile(t, rulesFile)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case !ok || strings.HasPrefix(key, "#"):
		case key == "- alert":
			current = map[string]string{}
			all[value] = current
		case current != nil:
			current[key] = value
		}
	}
	if len(all) < 8 {
		t.Fatalf("only %d alerts were found in %s", len(all), rulesFile)
	}
	return all
}

// TestAlerts: each asks for what there is, and has a section in the chapter and a test.
func TestAlerts(t *testing.T) {
	t.Parallel()
	known, chapter, tests := described(t), readFile(t, chapterFile), readFile(t, rulesTestFile)
	for name, a := range alerts(t) {
		checkQuery(t, name, a["expr"], known)
		if a["summary"] == "" || !strings.HasPrefix(a["labels"], "{severity: ") {
			t.Errorf("%s: it has no summary or no severity: %v", name, a)
		}
		if want := "https://github.com/tasuki-dev/tasuki/blob/main/docs/telemetry.md#" + strings.ToLower(name); a["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %s, want %s", name, a["runbook_url"], want)
		}
		if !strings.Contains(chapter, "\n### "+name+"\n") {
			t.Errorf("%s has no section %q", chapterFile, "### "+name)
		}
		if !strings.Contains(tests, name) {
			t.Errorf("%s has no test of %s", rulesTestFile, name)
		}
	}
}

// TestChapter: its tables have all metrics with their labels, and no others.
func TestChapter(t *testing.T) {
	t.Parallel()
	known := described(t)
	row := regexp.MustCompile("(?m)^\\| `(tasuki_[a-z_]+)` \\| ([a-z ]+) \\|([^|]*)\\|")
	told := map[string]bool{}
	for _, found := range row.FindAllStringSubmatch(readFile(t, chapterFile), -1) {
		name := found[1]
		told[name] = true
		labels, ok := known[name]
		if !ok {
			t.Errorf("the chapter tells of %s, which there is not", name)
			continue
		}
		said := strings.FieldsFunc(found[3], func(r rune) bool { return r == ',' || r == ' ' || r == '`' })
		if slices.Sort(said); !slices.Equal(said, slices.Sorted(slices.Values(labels))) {
			t.Errorf("%s: the chapter has the labels %v, it has %v", name, said, labels)
		}
	}
	for name := range known {
		if !told[name] {
			t.Errorf("the chapter lacks %s", name)
		}
	}
}

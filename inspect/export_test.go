package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func (e *env) export(cfg *inspect.ExportConfig) (string, inspect.Exported) {
	e.t.Helper()
	var text bytes.Buffer
	done, err := e.inspector.Export(e.t.Context(), &text, cfg)
	if err != nil {
		e.t.Fatal(err)
	}
	return text.String(), done
}

// TestExport: what is exported comes back as it was, once.
func TestExport(t *testing.T) {
	e := setup(t)
	e.many()
	e.do("RPUSH", "%s:{default}", "\xff\xfe no text", "<&>")
	before := map[string]inspect.Job{}
	for _, j := range e.jobs("default", inspect.Query{}) {
		before[string(j.Raw)+j.ID] = j
	}
	text, exported := e.export(nil)
	if exported != (inspect.Exported{Jobs: 11}) || strings.Count(text, "\n") != 13 || !strings.HasPrefix(text, `{"tasuki":"export","version":1,"id":"`) || !strings.HasSuffix(text, "\n{\"end\":true,\"jobs\":11}\n") {
		t.Errorf("%+v\n%s", exported, text)
	}
	o := e.other()
	if done, err := o.inspector.Import(t.Context(), strings.NewReader(text), &inspect.ImportConfig{DryRun: true}); err != nil || done != (inspect.Imported{Jobs: 11}) || o.sorted("default") != "" {
		t.Errorf("dry: %+v, %v", done, err)
	}
	if done, err := o.inspector.Import(t.Context(), strings.NewReader(text), nil); err != nil || done != (inspect.Imported{Jobs: 11}) {
		t.Errorf("%+v, %v", done, err)
	}
	for range 2 {
		if done, err := o.inspector.Import(t.Context(), strings.NewReader(text), nil); err != nil || done != (inspect.Imported{Again: 11}) {
			t.Errorf("again: %+v, %v", done, err)
		}
	}
	got := o.jobs("default", inspect.Query{})
	if len(got) != 11 {
		t.Errorf("there are %s", names(got))
	}
	for _, j := range got {
		was, ok := before[string(j.Raw)+j.ID]
		if !ok || j.State != was.State || j.Recorded != was.Recorded || string(j.Args) != string(was.Args) || j.Attempt != was.Attempt || j.Error != was.Error ||
			!j.DueAt.Equal(was.DueAt) || len(j.Runs) != len(was.Runs) || !bytes.Equal(j.Raw, was.Raw) {
			t.Errorf("it was %+v\nand is %+v", was, j)
		}
	}
	o.checked()

	// Into another queue they come once as well. Recorded ones have their ids there for themselves.
	if done, err := o.inspector.Import(t.Context(), strings.NewReader(text), &inspect.ImportConfig{To: "bulk"}); err != nil || done.Jobs != 11 {
		t.Errorf("%+v, %v", done, err)
	}
	// Another export of the same is another: whose ids are known is refused.
	second, _ := e.export(nil)
	var refused []string
	done, err := o.inspector.Import(t.Context(), strings.NewReader(second), &inspect.ImportConfig{Report: func(err *inspect.LineError) {
		refused = append(refused, err.Error())
		if !errors.Is(err, tasuki.ErrIDTaken) {
			t.Error(err)
		}
	}})
	if err != nil || done != (inspect.Imported{Jobs: 3, Refused: 8}) || len(refused) != 8 {
		t.Errorf("%+v, %v, %q", done, err, refused)
	}
}

// TestImportBroken: an import that is cut anywhere, and begun anew, has put in each job once.
//
//fault:data an import is cut anywhere, in its file or by the end of its program, and called again | each job of the export comes in once
func TestImportBroken(t *testing.T) {
	e := setup(t)
	var specs []tasuki.Spec
	for n := range 2000 {
		specs = append(specs, kind.With(tasuki.Opts{Queue: fmt.Sprint("q", n%2), Record: n%5 == 0}).Spec(n))
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	text, _ := e.export(&inspect.ExportConfig{Query: inspect.Query{Queues: []string{"q0", "q1"}}})
	o := e.other()
	for _, n := range []int{1, 100, 40_000, 100_000, 130_000, 250_000, len(text) - 10} {
		done, err := o.inspector.Import(t.Context(), io.LimitReader(strings.NewReader(text), int64(n)), &inspect.ImportConfig{To: "all", KeepGoing: true})
		if n > 200 && (err != nil || !done.Cut) {
			t.Errorf("%d bytes: %+v, %v", n, done, err)
		}
	}
	// While it reads, its context ends.
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := o.inspector.Import(ctx, strings.NewReader(text), &inspect.ImportConfig{To: "other", Progress: func(inspect.Imported) { cancel() }}); err == nil {
		t.Error("it does not heed its context")
	}
	for _, to := range []string{"all", "other"} {
		done, err := o.inspector.Import(t.Context(), strings.NewReader(text), &inspect.ImportConfig{To: to})
		if err != nil || done.Jobs+done.Again != 2000 || done.Again < 400 || done.Cut {
			t.Errorf("%s: %+v, %v", to, done, err)
		}
		if q, err := o.inspector.Queue(t.Context(), to); err != nil || q.Ready != 2000 {
			t.Errorf("%s: %+v, %v", to, q, err)
		}
	}
	o.checked()
}

// TestImportRemembers: an id that a file remembers in the future is remembered from now on.
func TestImportRemembers(t *testing.T) {
	e := setup(t)
	before := time.Now().UnixMilli()
	text := `{"tasuki":"export","version":1,"id":"x"}
{"queue":"q","state":"ready","element":"{\"id\":\"past\",\"kind\":\"number\",\"args\":1}","remembered":1000}
{"queue":"q","state":"ready","element":"{\"id\":\"future\",\"kind\":\"number\",\"args\":1}","remembered":9000000000000000}
{"end":true,"jobs":2}
`
	if done, err := e.inspector.Import(t.Context(), strings.NewReader(text), nil); err != nil || done.Jobs != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	seen := e.namespace + ":{q}:seen"
	for _, n := range []struct{ from, to, want string }{{"(1000", fmt.Sprint(before - 1), ":0"}, {fmt.Sprint(before), fmt.Sprint(time.Now().UnixMilli()), ":1"}, {"-inf", "+inf", ":1"}} {
		if got := e.server.Do(t, "ZCOUNT", seen, n.from, n.to); got != n.want { // the old one is forgotten at once
			t.Errorf("from %s to %s there are %s, want %s", n.from, n.to, got, n.want)
		}
	}
}

// TestMoveWhereIDsAreOld: an operator moves a job into a queue that has ids to forget.
func TestMoveWhereIDsAreOld(t *testing.T) {
	e := setup(t)
	e.put(kind.With(tasuki.Opts{ID: "a", Record: true}).Spec(1))
	e.do("ZADD", "%s:{other}:seen", "1000", "old")
	j, err := e.inspector.Job(t.Context(), "default/a")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.inspector.Move(t.Context(), "other", j)[0]; err != nil {
		t.Error(err)
	}
	if q, err := e.inspector.Queue(t.Context(), "other"); err != nil || q.Ready != 1 {
		t.Errorf("%d are ready, %v", q.Ready, err)
	}
	e.checked()
}

// TestImportBad: each error names the line, and what is allowed.
func TestImportBad(t *testing.T) {
	e := setup(t)
	const head = `{"tasuki":"export","version":1,"id":"x","namespace":"t","at":"2030-01-02T03:04:05Z"}` + "\n"
	for text, want := range map[string]string{
		"":       "line 1: it is no export of tasuki",
		"what\n": "line 1: it is no export of tasuki",
		"{}\n":   "line 1: it is no export of tasuki",
		`{"tasuki":"export","version":2,"id":"x"}` + "\n":                               "line 1: version 2: allowed is 1",
		`{"tasuki":"export","version":1}` + "\n":                                        "line 1: id: allowed are 1 to 128 bytes",
		head + "what\n":                                                                 "line 2: it is no JSON object of a job",
		head + `{"queue":"q","state":"done","element":"x"}`:                             `line 2: state: "done": allowed are suspect, ready`,
		head + `{"queue":"a b","state":"ready","element":"x"}`:                          `line 2: queue: "a b"`,
		head + `{"queue":"list:x","state":"ready","element":"x"}`:                       "line 2: queue list:x: the list of another program",
		head + `{"queue":"q","state":"ready"}`:                                          "line 2: allowed are element, element_base64 or record, one of them",
		head + `{"queue":"q","state":"ready","record":{"job":"{}"}}`:                    `line 2: id: "": allowed are 1 to 128 bytes`,
		head + `{"queue":"q","state":"ready","id":"a","record":{"job":"{}"}}`:           "line 2: gen: 0: allowed are 1 and more",
		head + `{"queue":"q","state":"ready","id":"a","gen":1,"record":{"job":"x"}}`:    "line 2: record: job: it is no element of a job",
		head + `{"queue":"q","state":"dead","at":-1,"element":"x"}`:                     "line 2: at: -1: allowed are ms from 1970 to the year 9999",
		head + `{"queue":"q","state":"ready","element":"{\"id\":\"a\",\"rec\":1}"}`:     "line 2: element: it leads to a record",
		head + `{"queue":"q","state":"ready","element":"` + strings.Repeat("x", 17<<20): "line 2: it has more than 16777216 bytes",
	} {
		short := text[:min(len(text), 200)]
		if done, err := e.inspector.Import(t.Context(), strings.NewReader(text), nil); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%s: %+v, %v; want %s", short, done, err, want)
		}
	}
	good := `{"queue":"q","state":"ready","element":"{\"id\":\"%d\",\"kind\":\"number\",\"args\":1}"}` + "\n"
	text := head + fmt.Sprintf(good, 1) + "bad\n" + strings.Repeat("y", 17<<20) + "\n" + fmt.Sprintf(good, 2) + "\n{}\n" + fmt.Sprintf(good, 3)
	done, err := e.inspector.Import(t.Context(), strings.NewReader(text), nil)
	if err == nil || !strings.Contains(err.Error(), "line 3: ") || done.Jobs != 1 || done.Bad != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	var lines []int64
	done, err = e.inspector.Import(t.Context(), strings.NewReader(text), &inspect.ImportConfig{KeepGoing: true, Report: func(err *inspect.LineError) { lines = append(lines, err.Line) }})
	if err != nil || done != (inspect.Imported{Jobs: 2, Again: 1, Bad: 4, Cut: true}) || fmt.Sprint(lines) != "[3 4 6 7]" {
		t.Errorf("%+v, %v, %v", done, err, lines)
	}
	if got := e.sorted("q"); got != "ready:1 ready:2 ready:3" {
		t.Errorf("there are %s", got)
	}
	for cfg, want := range map[*inspect.ExportConfig]string{
		{Query: inspect.Query{Queues: []string{"a b"}}}:                  `"a b"`,
		{Query: inspect.Query{Queues: []string{"list:x"}}}:               "the list of another program",
		{Query: inspect.Query{States: []tasuki.State{tasuki.StateDone}}}: "state: done: allowed are suspect",
	} {
		if _, err := e.inspector.Export(t.Context(), io.Discard, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := e.inspector.Import(t.Context(), strings.NewReader(head), &inspect.ImportConfig{To: "a b"}); err == nil || !strings.Contains(err.Error(), `to: queue: "a b"`) {
		t.Errorf("%v", err)
	}
	// A writer that fails ends it.
	e.put(kind.With(tasuki.Opts{In: time.Hour}).Spec(1))
	if _, err := e.inspector.Export(t.Context(), failing{}, nil); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space") }

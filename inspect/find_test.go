package inspect_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// parse is a query of a test.
func parse(t testing.TB, text string) inspect.Query {
	t.Helper()
	q, err := inspect.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// found are the states and ids of all pages.
func (e *env) found(text string, size int) (ids []string, pages int) {
	e.t.Helper()
	q := parse(e.t, text)
	q.Limit = size
	for cursor := ""; ; {
		page, err := e.inspector.Find(e.t.Context(), q, cursor)
		if err != nil {
			e.t.Fatal(err)
		}
		pages++
		for _, j := range page.Jobs {
			ids = append(ids, string(j.State)+":"+j.ID)
		}
		if len(page.Jobs) > size {
			e.t.Fatalf("%d jobs, want %d at most", len(page.Jobs), size)
		}
		if cursor = page.Cursor; cursor == "" {
			return ids, pages
		}
	}
}

// fillQueue puts n bare jobs into a list or a sorted set, each with a score.
func fillQueue(t testing.TB, server *redistest.Server, key, kind string, n int) {
	t.Helper()
	const script = `
for i = ARGV[1], ARGV[2] do
  local element = '{"id":"job-' .. i .. '","kind":"k' .. i % 10 .. '","enqueued_at":' .. string.format('%.0f', 1700000000000 + i) .. ',"token":"t","args":{"n":' .. i .. ',"user":{"id":' .. i % 100 .. '}}}'
  if ARGV[3] == 'list' then redis.call('RPUSH', KEYS[1], element) else redis.call('ZADD', KEYS[1], ARGV[4] + math.floor(i / 7), element) end
end`
	base := time.Now().Add(time.Hour).UnixMilli()
	if strings.HasSuffix(key, "dead") {
		base = time.Now().Add(-time.Hour).UnixMilli()
	}
	for from := 1; from <= n; from += 200_000 {
		if answer := server.Do(t, "EVAL", script, "1", key, fmt.Sprint(from), fmt.Sprint(min(from+199_999, n)), kind, fmt.Sprint(base)); strings.HasPrefix(answer, "-") {
			t.Fatal(answer)
		}
	}
}

// TestFindPages: each job is on one page, in each place, whatever the size of a page.
func TestFindPages(t *testing.T) {
	e := setup(t)
	const n = 150
	for _, queue := range []string{"a", "b", "c"} {
		e.do("SADD", "%s:queues", queue)
		key := e.namespace + ":{" + queue + "}"
		fillQueue(t, e.server, key, "list", n)
		for _, set := range []string{"scheduled", "retry", "dead"} {
			fillQueue(t, e.server, key+":"+set, "zset", n)
		}
	}
	for i := range 20 {
		e.put(kind.With(tasuki.Opts{ID: fmt.Sprint("rec-", i), Record: true}).Spec(i))
	}
	e.settle(20, func(context.Context, *tasuki.RawJob) error { return nil })
	for text, want := range map[string]int{
		"": 12 * n, "queue:a": 4 * n, "queue:a,c state:dead": 2 * n, "-queue:a state:ready": 2 * n, "kind:k3 queue:b": 4 * n / 10,
		"state:done": 20, "args.user.id:7 state:ready": 2 * 3, "queue:none": 0, "id:job-149 state:retry": 3,
	} {
		for _, size := range []int{1, 7, 1000} {
			if size == 1 && want > 100 {
				continue
			}
			ids, pages := e.found(text, size)
			if len(ids) != want || size == 1000 && pages > 3 {
				t.Errorf("%s by %d: %d jobs on %d pages, want %d", text, size, len(ids), pages, want)
			}
		}
	}
	ids, _ := e.found("queue:a state:dead", 10)
	last := n
	for _, id := range ids { // seven have died together
		number, err := strconv.Atoi(strings.TrimPrefix(id, "dead:job-"))
		if err != nil || number/7 > last/7 {
			t.Errorf("%s behind %d: the youngest come first", id, last)
		}
		last = number
	}
	if ids, _ := e.found("state:done", 3); len(ids) != 20 || ids[0] == "done:rec-0" {
		t.Errorf("%v", ids)
	}
}

// TestFindBeside: what does not move is found once, while others are taken and put in at both
// ends, and taken out in between.
//
//fault:process workers and producers change a queue while somebody turns its pages | what stays where it was is on one page
func TestFindBeside(t *testing.T) {
	e := setup(t)
	e.do("SADD", "%s:queues", "default")
	key := e.namespace + ":{default}"
	const n = 3000
	for _, c := range []struct{ key, kind, state, take, put string }{
		{key, "list", "ready", "LPOP", "RPUSH"},
		{key + ":scheduled", "zset", "scheduled", "ZPOPMIN", "ZADD"},
		{key + ":dead", "zset", "dead", "ZPOPMIN", "ZADD"},
	} {
		fillQueue(t, e.server, c.key, c.kind, n)
		q := parse(t, "state:"+c.state)
		q.Limit = 40
		seen := map[string]int{}
		random := rand.New(rand.NewPCG(1, 2))
		for cursor, k := "", 0; ; k++ {
			page, err := e.inspector.Find(t.Context(), q, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range page.Jobs {
				seen[j.ID]++
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
			e.do(c.take, c.key, fmt.Sprint(random.IntN(60)))
			for range random.IntN(60) {
				if c.kind == "list" {
					e.do("RPUSH", c.key, fmt.Sprintf(`{"id":"new-%d","kind":"k","args":1}`, random.Int()))
				} else {
					e.do("ZADD", c.key, fmt.Sprint(time.Now().Add(100*time.Hour).UnixMilli()), fmt.Sprintf(`{"id":"new-%d","kind":"k","args":1}`, random.Int()))
				}
			}
		}
		missing, twice := 0, 0
		left, err := e.server.Do(t, "EVAL", `return redis.call('TYPE', KEYS[1]).ok == 'list' and redis.call('LLEN', KEYS[1]) or redis.call('ZCARD', KEYS[1])`, "1", c.key), error(nil)
		if err != nil || left == ":0" {
			t.Fatal(left)
		}
		for j, err := range e.inspector.Jobs(t.Context(), parse(t, "state:"+c.state+" -id:none")) {
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case !strings.HasPrefix(j.ID, "job-"):
			case seen[j.ID] == 0:
				missing++
			case seen[j.ID] > 1:
				twice++
			}
		}
		if missing > 0 || twice > 0 {
			t.Errorf("%s: %d are missing, %d were found twice", c.state, missing, twice)
		}
		e.do("DEL", c.key)
	}
}

func TestFindCursors(t *testing.T) {
	e := setup(t)
	e.do("SADD", "%s:queues", "default")
	fillQueue(t, e.server, e.namespace+":{default}", "list", 100)
	q := parse(t, "state:ready")
	page, err := e.inspector.Find(t.Context(), q, "")
	if err != nil || len(page.Jobs) != inspect.UsualPage || page.Scanned != inspect.UsualPage || page.Total != 100 || !page.Exact || page.Cursor == "" {
		t.Fatalf("%d, %+v, %v", len(page.Jobs), page.Cursor, err)
	}
	for _, r := range page.Cursor {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", r) {
			t.Errorf("%q in a cursor", r)
		}
	}
	q.Limit = 20 // is no part of the query
	if next, err := e.inspector.Find(t.Context(), q, page.Cursor); err != nil || len(next.Jobs) != 20 || next.Jobs[0].ID != "job-51" {
		t.Errorf("%+v, %v", next, err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	good, _ := base64.RawURLEncoding.DecodeString(page.Cursor)
	for name, cursor := range map[string]string{
		"none": "!!", "json": b64([]byte("{")), "long": strings.Repeat("A", 5000), "cut": page.Cursor[:20],
		"negative": b64([]byte(strings.Replace(string(good), `"i":50`, `"i":-50`, 1))),
		"huge":     b64([]byte(strings.Replace(string(good), `"i":50`, `"i":9223372036854775807`, 1))),
		"state":    b64([]byte(strings.Replace(string(good), `"s":2`, `"s":99`, 1))),
	} {
		if _, err := e.inspector.Find(t.Context(), q, cursor); !errors.Is(err, inspect.ErrCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, other := range []string{"", "state:ready kind:k1", "state:ready queue:default", "state:dead"} {
		if _, err := e.inspector.Find(t.Context(), parse(t, other), page.Cursor); !errors.Is(err, inspect.ErrCursor) || !strings.Contains(err.Error(), "of another") {
			t.Errorf("%s: %v", other, err)
		}
	}
	q.Limit = 1001
	if _, err := e.inspector.Find(t.Context(), q, ""); err == nil || !strings.Contains(err.Error(), "allowed are 1 to 1000") {
		t.Error(err)
	}
}

// TestFindIsBounded: a page looks at a bounded number of jobs, and says at how many.
func TestFindIsBounded(t *testing.T) {
	e := setup(t)
	const n = 60_000
	e.do("SADD", "%s:queues", "default")
	fillQueue(t, e.server, e.namespace+":{default}", "list", n)
	page, err := e.inspector.Find(t.Context(), parse(t, "nothing-has-this"), "")
	if err != nil || len(page.Jobs) != 0 || page.Cursor == "" || page.Scanned < 1000 || page.Scanned > 10_000 || page.Total != n || page.Exact {
		t.Errorf("%+v, %v", page, err)
	}
	if j, err := e.inspector.Job(t.Context(), "default/job-900"); err != nil || j.ID != "job-900" {
		t.Errorf("%+v, %v", j, err)
	}
	if _, err := e.inspector.Job(t.Context(), "default/nobody"); !errors.Is(err, inspect.ErrNotLooked) {
		t.Error(err)
	}
	c, err := e.inspector.Count(t.Context(), parse(t, "state:ready"))
	if err != nil || c.Jobs != n || !c.Exact {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = e.inspector.Count(t.Context(), parse(t, "kind:k3")); err != nil || c.Exact || c.Jobs < 1000 || c.Jobs > n/10 || c.Total != n {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = e.inspector.Count(t.Context(), parse(t, "kind:k3 state:dead")); err != nil || !c.Exact || c.Jobs != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestFindParked: those that wait for a uniqueness key are found page by page too.
func TestFindParked(t *testing.T) {
	e := setup(t)
	const n = 30
	started, end := make(chan bool, n), make(chan bool)
	stop := e.work(func(ctx context.Context, job *tasuki.RawJob) error {
		started <- true
		<-end
		return nil
	})
	for i := range n {
		e.put(kind.With(tasuki.Opts{Unique: tasuki.Unique{Mode: tasuki.UniqueRunning, Key: fmt.Sprint(i % 3)}}).Spec(i))
	}
	for range 3 {
		<-started
	}
	e.wait("default", func(q inspect.Queue) bool { return q.Counts["parked"] == n-3 })
	ids, pages := e.found("state:parked", 4)
	once := map[string]bool{}
	for _, id := range ids {
		once[id] = true
	}
	if len(ids) != n-3 || len(once) != n-3 || pages < 7 {
		t.Errorf("%d, %d of them different, on %d pages", len(ids), len(once), pages)
	}
	if running, _ := e.found("state:running", 2); len(running) != 3 {
		t.Errorf("%v run", running)
	}
	close(end)
	stop()
}

// FuzzCursor: no cursor stops the program, or is taken for one of another query.
func FuzzCursor(f *testing.F) {
	server := redistest.Shared(f)
	namespace := redistest.Namespace(f)
	client, err := tasuki.Open(server.URL(), &tasuki.ClientConfig{Namespace: namespace})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	server.Do(f, "SADD", namespace+":queues", "default")
	fillQueue(f, server, namespace+":{default}", "list", 100)
	i := inspect.New(client)
	page, err := i.Find(f.Context(), inspect.Query{}, "")
	if err != nil {
		f.Fatal(err)
	}
	good, _ := base64.RawURLEncoding.DecodeString(page.Cursor)
	f.Add(string(good))
	f.Add(strings.Replace(string(good), `"e":[`, `"z":1e308,"e":[7,`, 1))
	f.Add(strings.Replace(string(good), `"s":2`, `"s":5,"o":3,"c":77,"p":"x"`, 1))
	f.Fuzz(func(t *testing.T, text string) {
		for _, cursor := range []string{text, base64.RawURLEncoding.EncodeToString([]byte(text))} {
			page, err := i.Find(t.Context(), inspect.Query{}, cursor)
			if err != nil && !errors.Is(err, inspect.ErrCursor) {
				t.Fatalf("%q: %v", cursor, err)
			}
			if err == nil && len(page.Jobs) > inspect.UsualPage {
				t.Fatalf("%q: %d jobs", cursor, len(page.Jobs))
			}
		}
	})
}

// TestFindOddTimes: scores that are no times hide no job, and can be written as JSON.
func TestFindOddTimes(t *testing.T) {
	e := setup(t)
	e.enqueue("a")
	for n, score := range []string{"inf", "inf", "1e300", "9.3e18", "253402300800000", "-inf", "-1e300", "0"} {
		for _, set := range []string{"scheduled", "retry", "dead"} {
			e.do("ZADD", "%s:{default}:"+set, score, fmt.Sprintf(`{"id":"%s%d","kind":"k","token":"t","args":1}`, set, n))
		}
	}
	ids, _ := e.found("", 1)
	if len(ids) != 25 || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 25 {
		t.Errorf("%d are found: %v", len(ids), ids)
	}
	page, err := e.inspector.Find(t.Context(), inspect.Query{}, "")
	if err != nil || len(page.Jobs) != 25 {
		t.Fatalf("%d jobs, %v", len(page.Jobs), err)
	}
	for _, j := range page.Jobs {
		if _, err := json.Marshal(j); err != nil {
			t.Errorf("%s: %v", j.ID, err)
		}
	}
}

// TestFindHostile: whatever a job carries, a query that is written for it finds it, and no other.
func TestFindHostile(t *testing.T) {
	e := setup(t)
	hostile := []string{
		`"><script>alert(1)</script>`, "a b:c,d=e*", `\"`, "-kind:x", "{}[]()", "%s%00", "\u202eabc", "日本語 と 空白", "x\ty", "*", `args.a:1`,
	}
	for n, text := range hostile {
		e.put(tasuki.Define[map[string]string]("hostile").With(tasuki.Opts{Record: n%2 == 0, Meta: map[string]string{"t" + text: text}}).
			Spec(map[string]string{text: text}))
	}
	for _, text := range hostile {
		for name, q := range map[string]inspect.Query{
			"tag":  {Tags: []inspect.Match{{Name: "t" + text, Value: text}}},
			"args": {Args: []inspect.Match{{Name: strconv.Quote(text), Value: text}}},
		} {
			written := q.String()
			page, err := e.inspector.Find(t.Context(), parse(t, written), "")
			if err != nil || len(page.Jobs) != 1 || page.Jobs[0].Meta["t"+text] != text {
				t.Errorf("%s %q: %s: %d jobs, %v", name, text, written, len(page.Jobs), err)
			}
		}
	}
}

// TestFindManyQueues: what few jobs fit is found in many queues too, in pages each of which looks into
// some of them.
func TestFindManyQueues(t *testing.T) {
	e := setup(t)
	var specs []tasuki.Spec
	for n := range 120 {
		specs = append(specs, tasuki.Spec{Kind: fmt.Sprintf("k%d", n%40), Args: []byte(`{}`), Opts: tasuki.Opts{Queue: fmt.Sprintf("q%03d", n), ID: fmt.Sprint(n)}})
	}
	if _, err := e.client.EnqueueMany(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	if ids, pages := e.found("kind:k39", 50); fmt.Sprint(ids) != "[ready:39 ready:79 ready:119]" || pages != 3 {
		t.Errorf("%v in %d pages", ids, pages)
	}
	if ids, pages := e.found("kind:none", 50); len(ids) != 0 || pages != 3 {
		t.Errorf("%v in %d pages", ids, pages)
	}
	if c, err := e.inspector.Count(t.Context(), parse(t, "kind:k7")); err != nil || c.Jobs != 3 || !c.Exact {
		t.Errorf("%+v, %v", c, err)
	}
}

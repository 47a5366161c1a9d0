package tasuki_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tasuki-dev/tasuki"
)

func TestDefinePanics(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "ä", ".a", strings.Repeat("x", 129)} {
		func() {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(v.(string), "allowed") {
					t.Errorf("Define(%q): %v, want a panic that says what is allowed", name, v)
				}
			}()
			tasuki.Define[int](name)
		}()
	}
}

func TestWithLaysOver(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	meta := map[string]string{"a": "1", "b": "1"}
	base := tasuki.Define[int]("k").With(tasuki.Opts{Queue: "mail", MaxAttempts: 5, In: time.Hour, ExpireIn: 2 * time.Hour, Deadline: at, Meta: meta})
	over := base.With(tasuki.Opts{At: at, ExpireAt: at.Add(1), Deadline: at.Add(2), Timeout: time.Minute, MaxAttempts: -1, Meta: map[string]string{"b": "2"}})
	meta["a"] = "changed" // the caller's map is its own
	over.Spec(1).Opts.Meta["c"] = "3"

	want := tasuki.Opts{Queue: "mail", MaxAttempts: 5, In: time.Hour, ExpireIn: 2 * time.Hour, Deadline: at, Meta: map[string]string{"a": "1", "b": "1"}}
	if diff := cmp.Diff(want, base.Spec(1).Opts); diff != "" {
		t.Errorf("base (-want +got):\n%s", diff)
	}
	want = tasuki.Opts{Queue: "mail", MaxAttempts: -1, At: at, ExpireAt: at.Add(1), Deadline: at.Add(2), Timeout: time.Minute, Meta: map[string]string{"a": "1", "b": "2", "c": "3"}}
	if diff := cmp.Diff(want, over.Spec(1).Opts); diff != "" {
		t.Errorf("over (-want +got):\n%s", diff)
	}
}

func TestSpecIsPlainData(t *testing.T) {
	t.Parallel()
	k := tasuki.Define[map[string]int]("k").With(tasuki.Opts{Queue: "q", In: time.Minute, Meta: map[string]string{"a": "b"}})
	data, err := json.Marshal(k.Spec(map[string]int{"x": 1}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"k","args":{"x":1},"opts":{"queue":"q","in":60000000000,"meta":{"a":"b"}}}`
	if string(data) != want {
		t.Errorf("as JSON:\n%s\nwant\n%s", data, want)
	}
	var back tasuki.Spec
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k.Spec(map[string]int{"x": 1}).Opts, back.Opts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBadJobs demands of every mistake an error that names the field, the value
// and what is allowed, and that nothing of it reaches Redis.
//
//fault:time a job for the year 10000, with a delay below 0 or beyond 100 years, or with a timeout below 0 | refused before it reaches Redis, with an error that names the field
//fault:time a job with a deadline or an expiry in the past, before it is due, beyond the year 9999, or a deadline before the expiry | refused before it reaches Redis, with an error that names the field
//fault:data names, ids, labels and payloads that are not allowed | refused before they reach Redis, with an error that names the field
func TestBadJobs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	good := tasuki.Define[any]("k")
	putOff := tasuki.Unique{Mode: tasuki.UniqueDebounce, Key: "x", For: time.Hour}
	for name, tt := range map[string]struct {
		spec tasuki.Spec
		want string
	}{
		"kind":            {tasuki.Spec{Kind: "<script>"}, `kind: "<script>": allowed`},
		"no kind":         {tasuki.Spec{}, `kind: "": allowed`},
		"queue":           {good.With(tasuki.Opts{Queue: "a b"}).Spec(1), `queue: "a b": allowed`},
		"queue of braces": {good.With(tasuki.Opts{Queue: "x}{y"}).Spec(1), `queue: "x}{y": allowed`},
		"foreign list":    {good.With(tasuki.Opts{Queue: "list:jobs"}).Spec(1), `queue: "list:jobs": allowed`},
		"long queue":      {good.With(tasuki.Opts{Queue: long}).Spec(1), "(200 bytes): allowed"},
		"id":              {good.With(tasuki.Opts{ID: "a/b"}).Spec(1), `id: "a/b": allowed`},
		"in and at":       {good.With(tasuki.Opts{In: time.Hour, At: time.Now().Add(time.Hour)}).Spec(1), "in and at: 1h0m0s"},
		"in":              {good.With(tasuki.Opts{In: -time.Second}).Spec(1), "in: -1s: allowed"},
		"far in":          {good.With(tasuki.Opts{In: 290 * 365 * 24 * time.Hour}).Spec(1), "in: 2540400h0m0s: allowed"},
		"far at":          {good.With(tasuki.Opts{At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}).Spec(1), "at: the year 10000: allowed"},
		"attempts":        {good.With(tasuki.Opts{MaxAttempts: -2}).Spec(1), "max_attempts: -2: allowed"},
		"timeout":         {good.With(tasuki.Opts{Timeout: -2}).Spec(1), "timeout: -2ns: allowed"},
		"deadline":        {good.With(tasuki.Opts{Deadline: time.Unix(1e9, 0).UTC()}).Spec(1), "deadline: 2001-09-09T01:46:40Z: allowed are times after"},
		"early deadline":  {good.With(tasuki.Opts{In: time.Hour, Deadline: time.Now().Add(time.Minute)}).Spec(1), "or when the job is due"},
		"far deadline":    {good.With(tasuki.Opts{Deadline: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}).Spec(1), "deadline: the year 10000: allowed"},
		"two expiries":    {good.With(tasuki.Opts{ExpireIn: time.Hour, ExpireAt: time.Now().Add(time.Hour)}).Spec(1), "expire_in and expire_at: 1h0m0s"},
		"expire in":       {good.With(tasuki.Opts{ExpireIn: -2}).Spec(1), "expire_in: -2ns: allowed"},
		"far expire in":   {good.With(tasuki.Opts{ExpireIn: 290 * 365 * 24 * time.Hour}).Spec(1), "expire_in: 2540400h0m0s: allowed"},
		"expires early":   {good.With(tasuki.Opts{In: time.Hour, ExpireIn: time.Hour}).Spec(1), "expire_in: 1h0m0s: allowed are times after 1h0m0s"},
		"expire at":       {good.With(tasuki.Opts{ExpireAt: time.Unix(-1e9, 0).UTC()}).Spec(1), "expire_at: 1938-04-24T22:13:20Z: allowed are times after"},
		"expires too":     {good.With(tasuki.Opts{At: time.Now().Add(time.Hour), ExpireAt: time.Now().Add(time.Minute)}).Spec(1), "or when the job is due"},
		"far expire at":   {good.With(tasuki.Opts{ExpireAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}).Spec(1), "expire_at: the year 10000: allowed"},
		"expires late":    {good.With(tasuki.Opts{ExpireIn: 48 * time.Hour, Deadline: time.Now().Add(24 * time.Hour)}).Spec(1), "on, when the job expires"},
		"expires waiting": {good.With(tasuki.Opts{ExpireIn: time.Minute, Unique: putOff}).Spec(1), "expire_in: 1m0s: allowed are times after 1h0m0s"},
		"ends waiting":    {good.With(tasuki.Opts{Deadline: time.Now().Add(time.Minute), Unique: putOff}).Spec(1), "or when the job is due"},
		"meta":            {good.With(tasuki.Opts{Meta: map[string]string{"a": strings.Repeat("x", 5000)}}).Spec(1), "meta: 5001 bytes: allowed"},
		"meta's names":    {good.With(tasuki.Opts{Meta: map[string]string{"\xff": "x"}}).Spec(1), `meta: "\xff": "x": allowed is UTF-8`},
		"meta's values":   {good.With(tasuki.Opts{Meta: map[string]string{"a": "\xfe"}}).Spec(1), `meta: "a": "\xfe": allowed is UTF-8`},
		"payload":         {good.Spec(strings.Repeat("x", 2<<20)), "args: 2097154 bytes: allowed are 1048576"},
		"no JSON":         {tasuki.Spec{Kind: "k", Args: json.RawMessage("{oops")}, `args: "{oops" is no JSON`},
		"not encodable":   {good.Spec(make(chan int)), "arguments of k: json: unsupported type: chan int"},
		"own error":       {tasuki.Spec{Kind: "k", Err: errors.New("no")}, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Nothing listens there: what is refused is refused before Redis.
			c, err := tasuki.Open("redis://127.0.0.1:1", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.EnqueueMany(context.Background(), []tasuki.Spec{tt.spec})
			var many *tasuki.ManyError
			if !errors.As(err, &many) || len(many.Errs) != 1 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	client, err := tasuki.Open("redis://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	many := make([]tasuki.Queue, 65)
	for i := range many {
		many[i].Name = strings.Repeat("q", i+1)
	}
	for name, tt := range map[string]struct {
		cfg  tasuki.WorkerConfig
		want string
	}{
		"concurrency":    {tasuki.WorkerConfig{Concurrency: -1}, "Concurrency: -1: allowed"},
		"grace":          {tasuki.WorkerConfig{Grace: -2}, "Grace: -2ns: allowed"},
		"attempts":       {tasuki.WorkerConfig{MaxAttempts: -2}, "MaxAttempts: -2: allowed"},
		"timeout":        {tasuki.WorkerConfig{Timeout: -2}, "Timeout: -2ns: allowed"},
		"dead":           {tasuki.WorkerConfig{DeadMax: -1}, "DeadMax and DeadFor: -1"},
		"unknown":        {tasuki.WorkerConfig{UnknownFor: 1}, "UnknownFor: 1ns: allowed"},
		"middleware":     {tasuki.WorkerConfig{Use: []tasuki.Middleware{nil}}, "Use[0]: nil"},
		"many queues":    {tasuki.WorkerConfig{Queues: many}, "Queues: 65: allowed are 64"},
		"mixed weights":  {tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a", Weight: 1}, {Name: "b"}}}, "Queues[1].Weight: 0 beside 1"},
		"negative":       {tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a", Weight: -1}}}, "Weight: -1: allowed"},
		"twice":          {tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a"}, {Name: "a"}}}, `Queues[1]: "a" is there twice`},
		"no name":        {tasuki.WorkerConfig{Queues: []tasuki.Queue{{}}}, "Queues[0]: Name and List are both empty"},
		"bad name":       {tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a:b"}}}, `Queues[0]: Name: "a:b": allowed`},
		"name and list":  {tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a", List: "b"}}}, `Name and List: "a" and "b"`},
		"tail of native": {tasuki.WorkerConfig{Queues: []tasuki.Queue{{Name: "a", Tail: true}}}, "Tail: true: it is allowed only with List"},
		"braces":         {tasuki.WorkerConfig{Queues: []tasuki.Queue{{List: "a}b"}}}, `list "a}b": a key with a closing brace`},
		"own key":        {tasuki.WorkerConfig{Queues: []tasuki.Queue{{List: "tasuki:workers"}}}, `list "tasuki:workers" is a key of tasuki's own`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := tasuki.NewWorker(client, &tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("NewWorker: %v, want %q", err, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct {
		url  string
		cfg  tasuki.ClientConfig
		want string
	}{
		"scheme":     {"http://x", tasuki.ClientConfig{}, `scheme "http": allowed`},
		"no URL":     {"", tasuki.ClientConfig{}, "the scheme is missing: allowed"},
		"unreadable": {"redis://:secret@host:port:1/", tasuki.ClientConfig{}, "url: it cannot be read"},
		"database":   {"redis://:secret@host/x", tasuki.ClientConfig{}, "invalid database number"},
		"word":       {"redis://:secret@host/?sskip=1", tasuki.ClientConfig{}, `"sskip" behind the question mark: allowed`},
		"unix host":  {"unix://x/y", tasuki.ClientConfig{}, "three slashes"},
		"namespace":  {"redis://x", tasuki.ClientConfig{Namespace: "a:b"}, `Namespace: "a:b": allowed`},
		"payload":    {"redis://x", tasuki.ClientConfig{MaxPayload: -1}, "MaxPayload: -1: allowed"},
		"seen":       {"redis://x", tasuki.ClientConfig{SeenFor: -1}, "SeenFor: -1ns: allowed"},
		"seen max":   {"redis://x", tasuki.ClientConfig{SeenMax: -1}, "SeenMax: -1: allowed"},
		"replicas":   {"redis://x", tasuki.ClientConfig{Replicas: -1}, "Replicas: -1: allowed are 0 to 100"},
		"many":       {"redis://x", tasuki.ClientConfig{Replicas: 101}, "Replicas: 101: allowed"},
		"at once":    {"redis://x", tasuki.ClientConfig{ReplicasTimeout: -1}, "ReplicasTimeout: -1ns: allowed"},
		"for ever":   {"redis://x", tasuki.ClientConfig{ReplicasTimeout: time.Hour}, "ReplicasTimeout: 1h0m0s: allowed are 1 ms to 1m0s"},
		"middleware": {"redis://x", tasuki.ClientConfig{Use: []tasuki.EnqueueMiddleware{nil}}, "Use[0]: nil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tasuki.Open(tt.url, &tt.cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("Open: %v shows the password", err)
			}
		})
	}
}

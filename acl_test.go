package tasuki_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestCommandsRenamedAway runs workers on servers where commands are missing
// altogether, as some that are rented have it. They say so once, and work.
//
//fault:server commands are renamed away (SUBSCRIBE, BLMOVE, CLIENT, PUBLISH, INFO, CONFIG) | workers say so once, and run every job
func TestCommandsRenamedAway(t *testing.T) {
	t.Parallel()
	for command, says := range map[string]string{
		"SUBSCRIBE": "SUBSCRIBE is refused", "BLMOVE": "BLMOVE is refused", "CLIENT": "cannot be woken", "PUBLISH": "", "INFO": "", "CONFIG": "",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, redistest.Start(t, "--appendonly", "yes", "--rename-command", command, "").URL())
			w := e.worker(tasuki.WorkerConfig{Concurrency: 3})
			got := collect(w, number)
			stop := e.run(w)
			e.enqueue(number, 5)
			got.wait(t, 5)
			e.enqueue(number.With(tasuki.Opts{In: 50 * time.Millisecond}), 2)
			got.wait(t, 7)
			e.settled("default", 7)
			if err := stop(); err != nil {
				t.Error(err)
			}
			want := 0
			if says != "" {
				want = 1
			}
			if n := strings.Count(e.log.String(), "level=WARN"); n != want || !strings.Contains(e.log.String(), says) {
				t.Errorf("%d warnings, want %d that says %q", n, want, says)
			}
		})
	}
}

// TestLeastRights: the users of deploy/acl may do what the whole suite does as them,
// and these may not.
//
//fault:server a producer's password is stolen | it reads no payload, takes no job, and cannot stop or empty the server
//fault:server a worker's password is stolen | it touches no other namespace, and cannot stop, empty or configure the server
func TestLeastRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes") // its own, as it notes what was refused
	e := newEnv(t, s.URL())
	if _, err := number.With(tasuki.Opts{ID: "a"}).Enqueue(e.ctx, e.client, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := number.With(tasuki.Opts{In: time.Hour}).Enqueue(e.ctx, e.client, 2); err != nil {
		t.Fatal(err)
	}
	ready, scheduled := e.key("default"), e.key("default", "scheduled")
	everybody := [][]string{
		{"FLUSHALL"}, {"FLUSHDB"}, {"CONFIG", "GET", "*"}, {"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"}, {"KEYS", "*"}, {"SHUTDOWN"},
		{"ACL", "LIST"}, {"ACL", "SETUSER", "me", "+@all"}, {"CLIENT", "LIST"}, {"CLIENT", "KILL", "TYPE", "normal"}, {"MONITOR"}, {"REPLICAOF", "no", "one"}, {"SAVE"},
		{"SCRIPT", "FLUSH"}, {"FUNCTION", "FLUSH"}, {"MODULE", "LIST"}, {"GET", "other"}, {"LPUSH", "other:{q}", "x"}, {"RPUSH", "x", "x"}, {"DEL", "other"}, {"RENAME", ready, "x"},
		{"EVAL", "return redis.call('FLUSHALL')", "0"}, {"EVAL", "return redis.call('GET', KEYS[1])", "1", "other"}, {"EVAL", "return redis.call('LRANGE', 'other', 0, 0)", "0"},
		{"PUBLISH", "other", "x"}, {"SUBSCRIBE", "other"},
	}
	for role, refused := range map[string][][]string{
		"producer": append([][]string{
			{"LPOP", ready}, {"RPOP", ready}, {"LRANGE", ready, "0", "-1"}, {"LINDEX", ready, "0"}, {"LMOVE", ready, ready, "LEFT", "RIGHT"}, {"BLMOVE", ready, ready, "LEFT", "RIGHT", "1"},
			{"ZRANGE", scheduled, "0", "-1"}, {"ZRANGEBYSCORE", scheduled, "-inf", "+inf"}, {"ZPOPMIN", scheduled}, {"ZREM", scheduled, "x"}, {"DUMP", ready}, {"SORT", ready},
			{"ZADD", e.key("default", "dead"), "0", "x"}, {"RPUSH", e.key("default", "suspect"), "x"}, {"ZADD", e.key("default", "workers"), "0", "x"}, {"HINCRBY", e.namespace + ":workers", "x", "1"},
			{"DEL", ready}, {"EVAL", "return redis.call('LRANGE', KEYS[1], 0, -1)", "1", ready}, {"SMEMBERS", e.namespace + ":queues"}, {"INFO"}, {"SCAN", "0"}, {"PUBLISH", e.key("default", "channel"), "x"},
		}, everybody...),
		"worker":   append([][]string{{"SCAN", "0"}, {"ACL", "WHOAMI"}}, everybody...),
		"operator": append([][]string{{"LPOP", ready}, {"ZPOPMIN", scheduled}, {"BLMOVE", ready, ready, "LEFT", "RIGHT", "1"}}, everybody...),
	} {
		opt := rueidis.MustParseURL(s.As(t, role, e.namespace))
		opt.DisableCache, opt.ForceSingleClient = true, true
		c, err := rueidis.NewClient(opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range refused {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := errors.New("it has subscribed")
			if words[0] == "SUBSCRIBE" {
				if e := c.Receive(ctx, c.B().Subscribe().Channel(words[1]).Build(), func(rueidis.PubSubMessage) {}); e != nil {
					err = e
				}
			} else {
				err = c.Do(ctx, c.B().Arbitrary(words...).Build()).Error()
			}
			cancel()
			if err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "The user executing the script can't") {
				t.Errorf("%s: %q: %v; want it refused", role, words, err)
			}
		}
		c.Close()
	}
	if q := e.queue("default"); q.Ready != 1 || q.Scheduled != 1 {
		t.Errorf("the queue is %+v", q)
	}
}

// TestACLFilesLoad: a server starts with the files of deploy/acl as they are, and the
// three users work together in the namespace tasuki.
func TestACLFilesLoad(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("user default off\n")
	for _, role := range []string{"producer", "worker", "operator", "viewer"} {
		fmt.Fprintln(&file, strings.Join(redistest.ACL(t, role), " "))
	}
	s := redistest.StartWithACL(t, file.String(), "--appendonly", "yes")
	open := func(role string) *tasuki.Client {
		client, err := tasuki.Open(fmt.Sprintf("unix://tasuki-%s:CHANGE-THIS-PASSWORD@%s", role, s.Socket()), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	w, err := tasuki.NewWorker(open("worker"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	tasuki.Handle(w, number, func(context.Context, *tasuki.Job[int]) error {
		stop()
		return nil
	})
	if _, err := number.With(tasuki.Opts{In: 10 * time.Millisecond, ID: "a"}).Enqueue(t.Context(), open("producer"), 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	i := inspect.New(open("operator"))
	if q, err := i.Queue(t.Context(), "default"); err != nil || q.Counts["done"] != 1 {
		t.Errorf("%+v, %v", q, err)
	}
	problems, err := i.Check(t.Context())
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// clusterRights are what users need in a Cluster besides; docs/operating.md says so.
const (
	clusterRights         = "+ssubscribe +pubsub|shardnumsub +asking"
	clusterOperatorRights = "+spublish +asking"
)

// TestClusterLeastRights: with a few words more, the users of deploy/acl do for a
// Cluster as well, and nothing is refused to them.
func TestClusterLeastRights(t *testing.T) {
	t.Parallel()
	for _, rights := range []string{clusterRights, clusterOperatorRights} {
		if text, err := os.ReadFile("docs/operating.md"); err != nil || !strings.Contains(string(text), "`"+rights+"`") {
			t.Errorf("docs/operating.md does not say %q: %v", rights, err)
		}
	}
	at := redistest.StartCluster(t).URL()
	e := newEnv(t, at)
	opt := rueidis.MustParseURL(at)
	opt.DisableCache = true
	nodes, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer nodes.Close()
	open := func(role string) *tasuki.Client {
		command := append([]string{"ACL", "SETUSER"}, redistest.ACL(t, role)[1:]...)
		for i := range command {
			command[i] = strings.Replace(command[i], "tasuki:", e.namespace+":", 1)
		}
		for address, node := range nodes.Nodes() {
			more := clusterRights
			if role == "operator" {
				more = clusterOperatorRights
			}
			if err := node.Do(t.Context(), node.B().Arbitrary(append(command, strings.Fields(more)...)...).Build()).Error(); err != nil {
				t.Fatalf("%s: %v", address, err)
			}
		}
		return e.openAt(strings.Replace(at, "redis://", "redis://tasuki-"+role+":CHANGE-THIS-PASSWORD@", 1))
	}
	worker, producer, operator := open("worker"), open("producer"), inspect.New(open("operator"))
	var queues []tasuki.Queue
	for i := range 6 { // on all nodes
		queues = append(queues, tasuki.Queue{Name: fmt.Sprint("q", i)})
	}
	w, err := tasuki.NewWorker(worker, &tasuki.WorkerConfig{Queues: queues})
	if err != nil {
		t.Fatal(err)
	}
	got := collect(w, number)
	stop := e.run(w)
	for _, q := range queues {
		for _, in := range []time.Duration{0, 50 * time.Millisecond} {
			if _, err := number.With(tasuki.Opts{Queue: q.Name, In: in}).Enqueue(e.ctx, producer, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	got.wait(t, 12)
	for _, q := range queues {
		e.settled(q.Name, 2)
	}
	if problems, err := operator.Check(e.ctx); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	all, err := operator.Workers(e.ctx)
	if err != nil || len(all) != 1 || !all[0].Answered {
		t.Fatalf("the workers are %+v, %v", all, err)
	}
	// Jobs on all nodes are heard of on the connection with one.
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
	defer cancel()
	next := make(chan string)
	go func() {
		defer close(next)
		for ev, err := range operator.Events(ctx, "") {
			if err != nil {
				t.Error(err)
			} else if ev.What == "done" {
				next <- ev.Queue
			}
		}
	}()
	for n := 0; n < len(queues); {
		if _, err := number.With(tasuki.Opts{Queue: queues[n].Name, Record: true}).Enqueue(e.ctx, producer, 1); err != nil {
			t.Fatal(err)
		}
		select {
		case queue, ok := <-next:
			if !ok {
				t.Fatalf("nothing is heard of %s", queues[n].Name)
			}
			if queue == queues[n].Name {
				n++
			}
		case <-time.After(100 * time.Millisecond): // it was not subscribed yet
		}
	}
	cancel()
	for range next { // until it has ended
	}
	if err := errors.Join(operator.Quiet(e.ctx, all[0].ID)...); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if text := e.log.String(); strings.Contains(text, "level=WARN") {
		t.Error("there are warnings")
	}
	for address, node := range nodes.Nodes() {
		refused, err := node.Do(t.Context(), node.B().Arbitrary("ACL", "LOG").Build()).ToArray()
		if err != nil || len(refused) > 0 {
			t.Errorf("%s has refused %v, %v", address, refused, err)
		}
	}
}

package inspect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// watchFor is how long workers are watched: each beats once a second.
const watchFor = 2500 * time.Millisecond

// forgottenBy is when a tombstone should be gone: they are kept for ten minutes,
// and looked at every minute.
const forgottenBy = 15 * time.Minute

// rights looks at what the user may do.
func (d *doctor) rights() error {
	user, err := d.store.User(d.ctx)
	if err != nil && !store.IsRedis(err) {
		return err
	}
	if err != nil {
		user = d.store.NamedUser() // ACL WHOAMI is refused, or there are no users
	}
	who := "user " + user
	if user == "" {
		who = "this user"
	}
	err = d.store.TryScripts(d.ctx)
	switch {
	case err == nil:
		d.add("scripts", OK, "scripts are loaded and run", "", "")
	case !store.IsRedis(err):
		return err
	case store.IsKeyRefused(err):
		d.add("rights", Danger, fmt.Sprintf("%s may not touch the keys of the namespace %s", who, d.store.Namespace()), "it is of no use here", "give --namespace, if its keys are in another, or allow it the keys of this one: deploy/acl has a user for each role")
		return nil
	default:
		d.add("scripts", Danger, "scripts do not run: "+err.Error(), "nothing can be claimed or settled, and nothing be enqueued with a time or an id", "allow EVAL and EVALSHA, and what the scripts do: deploy/acl has users for it")
	}
	refused, untold, err := d.store.Rights(d.ctx)
	if errors.Is(err, store.ErrUntold) {
		d.add("rights", Note, "what "+who+" may do is unknown, because EVAL and MULTI are refused", "", "")
		return nil
	}
	if err != nil {
		return err
	}
	d.roles(who, refused)
	if len(untold) > 0 {
		d.add("rights", Note, fmt.Sprintf("whether %s may send %s is unknown: the server does not say it without doing it", who, list(untold)), "", "")
	}
	return nil
}

// fewNeed are commands without which most lack nothing: WAIT is for ClientConfig.Replicas,
// PSUBSCRIBE for tasuki events, LPUSH of a producer for lists of others that are taken at their tails.
var fewNeed = []string{"ACL WHOAMI", "CLUSTER SLOTS", "INFO", "LPUSH", "PSUBSCRIBE", "SCAN", "WAIT"}

// roles says in which roles a user can be used.
func (d *doctor) roles(who string, refused map[store.Role][]store.Refusal) {
	const name = "rights"
	titles := []struct {
		role  store.Role
		title string
		does  string
	}{
		{store.Producer, "producer", "enqueue jobs"},
		{store.Worker, "worker", "run a worker"},
		{store.Operator, "operator", "look at queues and act on them"},
	}
	var may, mayNot []string
	for _, t := range titles {
		var lacks []string
		for _, r := range refused[t.role] {
			if r.Without == "" {
				lacks = append(lacks, r.Command)
			}
		}
		pushes := t.role == store.Producer && !slices.Contains(lacks, "RPUSH") && !slices.Contains(lacks, "EVALSHA")
		switch {
		case len(lacks) == 0:
			may = append(may, t.does)
		case pushes: // as the operator, who needs that to revive jobs
			may = append(may, "push jobs")
			mayNot = append(mayNot, fmt.Sprintf("schedule jobs or use ids (%s refused)", list(lacks)))
		default:
			mayNot = append(mayNot, fmt.Sprintf("%s (%s refused)", t.does, list(lacks)))
		}
	}
	const do = "deploy/acl has a user for each role"
	what := who + " may " + strings.Join(may, ", and ")
	switch {
	case len(may) == 0:
		d.add(name, Danger, who+" may neither "+strings.Join(mayNot, " nor "), "it is of no use", do)
		return
	case len(mayNot) > 0:
		d.add(name, Note, what+", but not "+strings.Join(mayNot, ", nor "), "that is right if it is meant for the former only", do)
	default:
		d.add(name, OK, what, "", "")
	}
	// Commands with one consequence are one finding. What only a role lacks that the
	// user has not in any case says nothing.
	lacking := map[string][]string{}
	for i, t := range titles {
		if !slices.Contains(may, titles[i].does) {
			continue
		}
		for _, r := range refused[t.role] {
			if r.Missing && strings.HasPrefix(r.Command, "CLUSTER") || r.Missing && r.Command == "ACL WHOAMI" {
				continue // there is none to be recognised, and there are no users
			}
			if r.Without != "" && !slices.Contains(lacking[r.Without], r.Command) {
				lacking[r.Without] = append(lacking[r.Without], r.Command)
			}
		}
	}
	for _, without := range slices.Sorted(maps.Keys(lacking)) {
		commands := lacking[without]
		level := Warning
		if slices.ContainsFunc(commands, func(c string) bool { return slices.Contains(fewNeed, c) }) {
			level = Note
		}
		d.add(name, level, fmt.Sprintf("%s: %s refused", who, strings.Join(commands, " and ")), without, "allow it: "+do)
	}
}

// jobs looks at queues and workers.
func (d *doctor) jobs() error {
	wrong, err := d.types("", d.store.NamespaceKeys())
	if err != nil {
		return d.unknown("queues", "TYPE", err)
	}
	if wrong {
		return nil
	}
	beats, observer, err := d.store.Workers(d.ctx)
	if err != nil {
		return d.unknown("workers", "HGETALL", err)
	}
	names, err := d.store.Queues(d.ctx)
	if err != nil {
		return d.unknown("queues", "SMEMBERS", err)
	}
	silent, err := d.watch(beats)
	if err != nil {
		return err
	}
	alive := len(beats) - len(silent)
	d.workers(beats, silent, observer)
	var orphans, tombstones, waiting int64
	var oldest time.Duration
	now, err := d.store.Now(d.ctx)
	if err != nil {
		return d.unknown("orphans", "TIME", err)
	}
	for _, name := range names {
		q, err := d.store.Queue(name)
		if err != nil {
			continue // Check says it
		}
		if wrong, err := d.types(name, q.Keys()); err != nil {
			return d.unknown("queues", "TYPE", err)
		} else if wrong {
			continue
		}
		v, err := d.store.Survey(d.ctx, q)
		if err != nil {
			if err := d.unknown("queues", "reading "+name, err); err != nil {
				return err
			}
			continue
		}
		serving := 0
		for _, m := range v.Members {
			worker := m.Worker()
			_, listed := beats[worker]
			switch gone := !listed || slices.Contains(silent, worker); {
			case !m.Ended.IsZero():
				tombstones++
				if age := now.Sub(m.Ended); v.Held[m.Incarnation] == 0 {
					oldest = max(oldest, age)
				}
				orphans += v.Held[m.Incarnation]
			case gone:
				orphans += v.Held[m.Incarnation]
			default:
				serving++
			}
		}
		if serving == 0 {
			waiting += v.Ready + v.Suspect
		}
	}
	d.add("queues", OK, fmt.Sprintf("%s in namespace %s", count(int64(len(names)), "queue"), d.store.Namespace()), "", "")
	if waiting > 0 {
		d.add("queues", Note, count(waiting, "ready job")+" in queues that no worker serves", "they wait", "start a worker for them; tasuki queue ls shows which")
	}
	d.leftovers(orphans, tombstones, oldest, alive)
	return nil
}

// types looks for keys of a wrong type.
func (d *doctor) types(queue string, keys map[string]string) (wrong bool, err error) {
	problems, err := wrongTypes(d.ctx, d.store, queue, keys)
	for _, p := range problems {
		d.wrong[p.Key] = true
		means := "the queue " + queue + " rests until it is gone; other queues go on"
		if queue == "" {
			means = "no worker can start"
		}
		d.add("queues", Danger, p.Key+": "+p.What, means, p.Do)
	}
	return len(problems) > 0, err
}

// watch returns the workers whose counter stands still. From beats it takes those that
// leave the list meanwhile, as they have stopped, and into it those that come.
func (d *doctor) watch(beats map[string]int64) ([]string, error) {
	silent := slices.Sorted(maps.Keys(beats))
	for until := time.Now().Add(watchFor); len(silent) > 0 && time.Now().Before(until); {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-d.ctx.Done():
			return nil, d.ctx.Err()
		}
		now, _, err := d.store.Workers(d.ctx)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(beats, func(w string, _ int64) bool { _, listed := now[w]; return !listed })
		silent = slices.DeleteFunc(silent, func(w string) bool { n, listed := beats[w]; return !listed || now[w] != n })
		for w, n := range now {
			if _, known := beats[w]; !known {
				beats[w] = n
			}
		}
	}
	return silent, nil
}

func (d *doctor) workers(beats map[string]int64, silent []string, observer string) {
	alive := int64(len(beats) - len(silent))
	level, means, do := OK, "", ""
	if alive == 0 {
		do = "start a worker"
		level, means = Note, "nothing runs, what is due does not become ready, and what dead workers held is not put back"
	}
	what := count(alive, "worker") + " beating"
	if _, listed := beats[observer]; alive > 0 && (!listed || slices.Contains(silent, observer)) {
		what += "; nobody observes just now"
	}
	d.add("workers", level, what, means, do)
	abouts, err := d.store.About(d.ctx)
	if err != nil {
		return // it is a detail
	}
	place := func(worker string) string {
		a := abouts[worker]
		if !a.Known || a.Host == "" {
			return worker
		}
		return fmt.Sprintf("%s (%s)", worker, a.Place())
	}
	for _, worker := range silent {
		d.add("workers", Warning, place(worker)+" does not beat", "it is dead, frozen or cut off; another worker puts back what it held, 2 s after its death and 30 s otherwise", "look at that process; without another worker, start one")
	}
	for _, worker := range slices.Sorted(maps.Keys(beats)) {
		if a := abouts[worker]; a.Known && a.Host != "" && !a.Subscribed {
			d.add("workers", Warning, place(worker)+" is not subscribed", "its death is noticed after 30 s instead of 2, and it hears of no cancel and late of a pause", "allow its user SUBSCRIBE, and the channels of the namespace")
		}
	}
}

// leftovers says what dead workers have left behind.
func (d *doctor) leftovers(orphans, tombstones int64, oldest time.Duration, alive int) {
	switch {
	case orphans == 0:
		d.add("orphans", OK, "dead workers hold no jobs", "", "")
	case alive == 0:
		d.add("orphans", Warning, "dead workers hold "+count(orphans, "job"), "nobody puts them back, as no worker runs", "start a worker: any one of the namespace will do")
	default:
		d.add("orphans", Note, "dead workers hold "+count(orphans, "job"), "the workers put them back, within three minutes at most", "look again then")
	}
	what := count(tombstones, "tombstone")
	if oldest > 0 {
		what += fmt.Sprintf(", the oldest of %v ago", legible.Duration(oldest))
	}
	switch {
	case oldest > forgottenBy && alive > 0:
		d.add("tombstones", Warning, what, "they are kept for ten minutes: the worker that observes does not go over the queues", "look at the workers' logs")
	case oldest > forgottenBy:
		d.add("tombstones", Note, what, "they are kept for ten minutes, and removed by a worker that runs", "")
	default:
		d.add("tombstones", OK, what, "", "")
	}
}

// check adds what Check finds, but for what was said before.
func (d *doctor) check(i *Inspector) error {
	problems, err := i.Check(d.ctx)
	if err != nil {
		return d.unknown("check", "the check", err)
	}
	n := 0
	for _, p := range problems {
		level := Warning
		switch {
		case p.kind == wrongType && d.wrong[p.Key]:
			continue // it is said
		case p.kind == notLooked:
			level = Note
		}
		n++
		what := p.What
		if p.Key != "" {
			what = p.Key + ": " + what
		} else if p.Queue != "" {
			what = p.Queue + ": " + what
		}
		d.add("check", level, what, "", p.Do)
	}
	if n == 0 {
		d.add("check", OK, "every job is in one place, and the counters add up", "", "")
	}
	return nil
}

// fields reads a=1,b=2.
func fields(text string) map[string]string {
	m := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		m[name] = value
	}
	return m
}

func number(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

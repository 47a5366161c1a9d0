package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tasuki-dev/tasuki/internal/wire"
)

// ListPrefix begins the name of a queue that is a foreign list: "list:" and the
// key of the list.
const ListPrefix = "list:"

// Queue names the keys of one queue. All share a hash tag, and so a slot.
//
// docs/redis-keys.md lists them for people.
type Queue struct {
	Name    string // "mail", or "list:jobs" for the foreign list jobs
	Foreign bool   // List is filled and perhaps emptied by other programs
	Tail    bool   // jobs are taken at the right end of List

	List      string // where new jobs are taken: Ready, or a foreign list
	Ready     string
	Suspect   string
	Scheduled string
	Retry     string
	Dead      string
	Alarm     string
	Seen      string
	Rules     string
	Count     string
	Ended     string
	Imports   string
	Workers   string
	Channel   string // of messages to the queue's workers

	prefix, suffix string
}

// Hand is the list into which BLMOVE moves what it hands to an incarnation.
func (q *Queue) Hand(incarnation string) string {
	return q.prefix + ":hand:" + incarnation + q.suffix
}

// Held is the hash of what an incarnation holds.
func (q *Queue) Held(incarnation string) string {
	return q.prefix + ":held:" + incarnation + q.suffix
}

// Record is the hash of a recorded job. It is also the channel on which its changes are
// told.
func (q *Queue) Record(id string) string { return q.prefix + ":rec:" + id + q.suffix }

// Lock is the string that holds the id of the job that has a uniqueness key, Running that
// of the one that runs under it, and Parked the list of those that wait to run. The first
// letter of a lock's name is its Mode.
func (q *Queue) Lock(name string) string    { return q.prefix + ":unique:" + name + q.suffix }
func (q *Queue) Running(name string) string { return q.prefix + ":running:" + name + q.suffix }
func (q *Queue) Parked(name string) string  { return q.prefix + ":parked:" + name + q.suffix }

// The modes of a lock: what is locked, and until when.
const (
	LockQueued  = 'q' // from the enqueue to the start
	LockDone    = 'd' // from the enqueue to the end
	LockRunning = 'r' // while it runs; who comes second is parked
	LockBoth    = 'b' // one queued and one that runs
	LockWindow  = 'w' // from the enqueue for a time, whatever becomes of the job
)

// recordKeys are the keys of a recorded job as scripts take them: its record, the lock
// that its end frees, the lock under which it runs, who is parked behind that; the
// record again where there is none.
func (q *Queue) recordKeys(id, lock string) []string {
	record := q.Record(id)
	keys := []string{record, record, record, record}
	if lock == "" {
		return keys
	}
	switch lock[0] {
	case LockQueued, LockDone, LockBoth:
		keys[1] = q.Lock(lock)
	}
	switch lock[0] {
	case LockRunning, LockBoth:
		keys[2], keys[3] = q.Running(lock), q.Parked(lock)
	}
	return keys
}

// Keys returns every key of the queue but those of incarnations and jobs, with its type.
func (q *Queue) Keys() map[string]string {
	keys := map[string]string{
		q.Ready: "list", q.Suspect: "list", q.Scheduled: "zset", q.Retry: "zset", q.Dead: "zset",
		q.Alarm: "list", q.Seen: "zset", q.Rules: "hash", q.Count: "hash", q.Workers: "zset",
		q.Ended: "list", q.Imports: "hash",
	}
	keys[q.List] = "list"
	return keys
}

// head is the end of List at which jobs are taken, as the scripts want it.
func (q *Queue) head() string {
	if q.Tail {
		return "RIGHT"
	}
	return "LEFT"
}

// bell is the channel on which the workers of the queue are told of jobs that
// wake no BLMOVE: those that are pushed to Ready of a foreign queue.
func (q *Queue) bell() string {
	if q.Foreign {
		return q.Channel
	}
	return ""
}

// Queue returns the keys of the queue with that name. It does not depend on
// which end of a foreign list is its head: Tail is for the caller to set.
func (s *Store) Queue(name string) (*Queue, error) {
	if list, foreign := strings.CutPrefix(name, ListPrefix); foreign {
		return s.foreign(name, list)
	}
	if err := wire.CheckQueue("queue", name); err != nil {
		return nil, err
	}
	q := s.queue(name, s.ns+":{"+name+"}", "")
	// The ready list has the short name: it is what other programs push to.
	q.Ready = q.prefix
	q.List = q.Ready
	return q, nil
}

// foreign names the keys for a list of another program. They carry the list's
// own hash tag, or else its whole name as one, so that they share its slot. The
// part comes before the list's name, so that no two lists can meet: not even
// one called jobs and another called jobs:retry.
func (s *Store) foreign(name, list string) (*Queue, error) {
	if list == "" {
		return nil, errors.New(`queue: "list:": the key of the list is missing`)
	}
	if len(list) > 512 {
		return nil, fmt.Errorf("queue: the key of the list has %d bytes: allowed are 512", len(list))
	}
	tag, suffix := list, ""
	if t, ok := hashTag(list); ok {
		tag, suffix = t, ":"+list
	}
	if strings.Contains(tag, "}") {
		// {a}b} has the tag a: the keys could not share the list's slot.
		return nil, fmt.Errorf("queue: list %.80q: a key with a closing brace must have a hash tag, such as {app}jobs", list)
	}
	if strings.HasPrefix(list, s.ns+":") {
		return nil, fmt.Errorf("queue: list %.80q is a key of tasuki's own: allowed are lists outside of the namespace %q", list, s.ns)
	}
	q := s.queue(name, s.ns+":list:{"+tag+"}", suffix)
	q.Foreign = true
	q.List = list
	return q, nil
}

func (s *Store) queue(name, prefix, suffix string) *Queue {
	key := func(part string) string { return prefix + ":" + part + suffix }
	return &Queue{
		Name: name, prefix: prefix, suffix: suffix,
		Ready: key("ready"), Suspect: key("suspect"), Scheduled: key("scheduled"), Retry: key("retry"), Dead: key("dead"),
		Alarm: key("alarm"), Seen: key("seen"), Rules: key("rules"), Count: key("count"), Ended: key("ended"), Imports: key("imports"), Workers: key("workers"), Channel: key("channel"),
	}
}

// hashTag returns what Redis Cluster hashes of a key that has a tag.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
func hashTag(key string) (string, bool) {
	_, after, ok := strings.Cut(key, "{")
	if !ok {
		return "", false
	}
	tag, _, ok := strings.Cut(after, "}")
	return tag, ok && tag != ""
}

// The keys of a namespace.

func (s *Store) workersKey() string { return s.ns + ":workers" }
func (s *Store) infoKey() string    { return s.ns + ":workers:info" }
func (s *Store) queuesKey() string  { return s.ns + ":queues" }

func (s *Store) operationsKey() string     { return s.ns + ":operations" }
func (s *Store) logKey(name string) string { return s.ns + ":" + name }

// alivePrefix begins the channel that a worker is subscribed to while it lives.
// Its hash tag is the key of the workers, so that in Cluster a sharded
// subscription and the script that counts it are on one node.
func (s *Store) alivePrefix() string { return s.ns + ":alive:{" + s.workersKey() + "}:" }

// answerChannel is where a worker answers who has asked it something under an id.
func (s *Store) answerChannel(id string) string { return s.ns + ":answer:" + id }

// recordsPattern are the channels of all recorded jobs: see Queue.Record.
func (s *Store) recordsPattern() string { return s.ns + ":{*}:rec:*" }

// Namespace begins the name of every key.
func (s *Store) Namespace() string { return s.ns }

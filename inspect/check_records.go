package inspect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// ofJobs explains the keys of a queue that belong to single jobs, and returns the lists of
// those that are parked.
func (c *check) ofJobs(q *store.Queue) (parked []string) {
	before, after, _ := strings.Cut(q.Trash("\x00"), "\x00")
	for _, key := range c.keys {
		if strings.HasPrefix(key, before) && strings.HasSuffix(key, after) {
			c.explained[key] = true // what operations have removed
		}
	}
	if q.Foreign {
		return nil
	}
	for _, key := range c.keys {
		for _, prefix := range []string{q.Record(""), q.Lock(""), q.Running(""), q.Parked("")} {
			if strings.HasPrefix(key, prefix) {
				c.explained[key] = true
			}
		}
		if strings.HasPrefix(key, q.Parked("")) {
			parked = append(parked, key)
		}
	}
	return parked
}

// records checks that a pointer leads to every record of a job that has not ended, and that
// every lock belongs to a job. What moves meanwhile is looked at again.
func (c *check) records(q *store.Queue, members []store.Member, parked []string, pointers map[string][]int64) error {
	first, err := c.recordTrouble(q, pointers)
	if err != nil || len(first) == 0 {
		return err
	}
	_, _, pointers, err = c.places(q, members, parked)
	if err != nil {
		return err
	}
	second, err := c.recordTrouble(q, pointers)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(first)) {
		if p := second[key]; p == first[key] {
			c.add(p)
		}
	}
	return nil
}

// recordTrouble returns what may be wrong, by key.
func (c *check) recordTrouble(q *store.Queue, pointers map[string][]int64) (map[string]Problem, error) {
	trouble := map[string]Problem{}
	var ids []string
	for _, key := range c.keys {
		if id, ok := strings.CutPrefix(key, q.Record("")); ok && !q.Foreign {
			ids = append(ids, id)
		}
	}
	if c.noScan {
		ids = slices.Collect(maps.Keys(pointers))
	}
	records := map[string]store.Recorded{}
	for some := range slices.Chunk(ids, 500) {
		read, err := c.store.Records(c.ctx, q, some)
		if err != nil {
			return nil, err
		}
		maps.Copy(records, read)
	}
	for id, r := range records {
		key := q.Record(id)
		if _, err := wire.Parse(r.Job); err != nil {
			trouble[key] = Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("its job cannot be read: %v", err), Do: "somebody has changed it: whoever claims it makes it dead"}
		} else if r.To != "" {
			trouble[key] = Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("the job is moving to %s, and nobody goes on with that", r.To),
				Do: "move it once more (tasuki job mv), which finishes it"}
		} else if r.Gen > 0 && !slices.Contains(pointers[id], r.Gen) {
			trouble[key] = Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("the job is %s, and nothing leads to it: it would never run", r.State),
				Do: "Redis has lost writes, or somebody has changed keys: run it again with RunNow, or remove it"}
		} else if r.Gen <= 0 && !tasuki.State(r.State).HasEnded() {
			trouble[key] = Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("the job is %s, and its gen is no number from 1 on: it would never run", r.State),
				Do: "somebody has changed it: enqueue the job again, and delete the key"}
		}
	}
	return trouble, c.locks(q, trouble)
}

// locks checks that the job exists that has a lock which does not end by itself.
func (c *check) locks(q *store.Queue, trouble map[string]Problem) error {
	if q.Foreign {
		return nil
	}
	locks, err := c.store.Locks(c.ctx, q, c.keys)
	if err != nil {
		return err
	}
	owners := map[string]string{} // key → id
	for _, l := range locks {
		if l.Running != "" {
			owners[q.Running(l.Name)] = l.Running
		}
		if l.Owner != "" && !strings.HasPrefix(l.Name, string(store.LockWindow)) {
			owners[q.Lock(l.Name)] = l.Owner
		}
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(owners)), 500) {
		ids := make([]string, len(some))
		for i, key := range some {
			ids[i] = owners[key]
		}
		records, err := c.store.Records(c.ctx, q, ids)
		if err != nil {
			return err
		}
		for i, key := range some {
			if r, ok := records[ids[i]]; !ok || r.Gen == 0 {
				trouble[key] = Problem{Queue: q.Name, Key: key, What: fmt.Sprintf("the lock belongs to %s, which does not exist any more", ids[i]), Do: "no job with this uniqueness key can be enqueued: remove the lock"}
			}
		}
	}
	return nil
}

package cron

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// Declared is a set of entries that a program brings along, in one of its revisions. A change of
// the set needs a higher Revision. An instance with a lower one, as the old ones while a new
// version is rolled out, changes nothing.
//
// What is in the set becomes entries, and those of an earlier revision that are not in it any
// more are removed. An entry that is as it was goes on as if nothing had happened; so does a
// pause.
type Declared struct {
	Name     string // as that of an Entry
	Revision int64  // 1 and more
	Entries  []Entry
}

// ErrRevision: the set is there in the same revision, with other entries.
var ErrRevision = errors.New("this revision is there with other entries: raise the revision with each change")

const (
	maxDeclared      = 1000
	maxDeclaredBytes = 4 << 20
)

// declared is what is kept of a set.
type declared struct {
	Revision int64    `json:"revision"`
	Sum      string   `json:"sum"` // of its entries
	Names    []string `json:"names"`
}

// Declare writes a set, with all its entries or none. It returns false if a higher revision is
// there: then it has changed nothing.
//
// Errors are ErrRevision, ErrInvalid, and what is in the way: an entry that belongs to another
// set, or was made by Set.
func (t *Table) Declare(ctx context.Context, d Declared) (bool, error) {
	is, err := t.declare(ctx, &d)
	if err != nil {
		return false, fmt.Errorf("cron: declared set %.120q, revision %d: %w", d.Name, d.Revision, err)
	}
	return is, nil
}

func (t *Table) declare(ctx context.Context, d *Declared) (bool, error) {
	now, err := t.now(ctx)
	if err != nil {
		return false, err
	}
	if d.Revision < 1 {
		return false, invalid{errors.New("revision: allowed are 1 and more")}
	}
	if err := wire.CheckQueue("name", d.Name); err != nil {
		return false, invalid{err}
	}
	entries, schedules, size := map[string]*Entry{}, map[string]*Schedule{}, 0
	for i := range d.Entries {
		e := &d.Entries[i]
		s, err := e.check(now)
		if err != nil {
			return false, invalid{err}
		}
		if entries[e.Name] != nil {
			return false, invalid{fmt.Errorf("entry %q is there twice", e.Name)}
		}
		entries[e.Name], schedules[e.Name] = e, s
		text, _ := json.Marshal(e) // it was checked
		size += len(text)
	}
	if len(entries) > maxDeclared || size > maxDeclaredBytes {
		return false, invalid{fmt.Errorf("%d entries of %d bytes: allowed are %d of %d in a set; make several", len(entries), size, maxDeclared, maxDeclaredBytes)}
	}
	names := slices.Sorted(maps.Keys(entries))
	sum := sha256.New()
	for _, name := range names {
		text, _ := json.Marshal(entries[name])
		sum.Write(text)
	}
	is := declared{Revision: d.Revision, Sum: hex.EncodeToString(sum.Sum(nil)), Names: names}
	text, _ := json.Marshal(&is)
	set := &store.CronDeclared{Name: d.Name, Is: string(text)}
	for {
		var was declared
		if set.Was, err = t.store.CronSet(ctx, d.Name); err != nil {
			return false, err
		}
		_ = json.Unmarshal([]byte(cmp.Or(set.Was, "{}")), &was) // of what somebody has made of it by hand nothing is known
		switch {
		case was.Revision > is.Revision:
			return false, nil
		case was.Revision == is.Revision && was.Sum != is.Sum:
			return false, ErrRevision
		case was.Revision == is.Revision:
			return true, nil
		}
		gone := slices.DeleteFunc(was.Names, func(name string) bool { return entries[name] != nil })
		err := t.changeAll(ctx, set, func() ([]*kept, error) {
			if again, err := t.store.CronSet(ctx, d.Name); err != nil || again != set.Was {
				return nil, cmp.Or(err, errOvertaken)
			}
			all, err := t.read(ctx, slices.Concat(names, gone)...)
			if err != nil {
				return nil, err
			}
			for _, k := range all[:len(names)] {
				if k.version != 0 && k.Declared != d.Name {
					by := "was not declared: remove it first, or use another name"
					if k.Declared != "" {
						by = fmt.Sprintf("belongs to the set %q", k.Declared)
					}
					return nil, fmt.Errorf("entry %s is there, and %s", k.Name, by)
				}
				k.become(entries[k.Name], schedules[k.Name], now)
				k.Declared = d.Name
			}
			changed := all[:len(names)]
			for _, k := range all[len(names):] {
				if k.Declared == d.Name { // else it was removed, and perhaps made anew
					k.text = ""
					changed = append(changed, k)
				}
			}
			return changed, nil
		})
		if err != errOvertaken {
			return err == nil, err
		}
	}
}

// errOvertaken: another revision was written meanwhile.
var errOvertaken = errors.New("another instance has declared it")

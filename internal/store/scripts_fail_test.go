package store

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestScriptsThatFail: each call of each script to Redis fails once, as one does that the user
// may not send. A script undoes nothing then, so what it takes away it has written before where it goes;
// and when the operation is done again, every job is somewhere that is there when nothing fails. No record
// of a job that has ended is left behind without an end of its own.
//
//fault:server any script fails at any of its commands, as the user may not send it | no job is lost: what goes elsewhere is written there before it is taken away, and the same call again finishes it; what is kept of one that has ended goes with its time
func TestScriptsThatFail(t *testing.T) { // not in parallel, as scripts are changed for all
	url := redistest.Shared(t).URL()
	byName := map[string]*script{}
	for _, s := range []*script{
		scriptCronTake, scriptCronWrite, scriptQueue, scriptEnqueue, scriptImport, scriptMoved, scriptRecord, scriptFetch, scriptDue, scriptOpen,
		scriptRegister, scriptAppend, scriptForgetFailure, scriptOperate, scriptNote, scriptAct, scriptDiscard, scriptLeave, scriptMove, scriptRestore, scriptRevive,
		scriptStats, scriptUnlock, scriptSweep, scriptAnnounce, scriptBeat, scriptElect, scriptEnded, scriptForget, scriptTombstone, scriptTrim,
	} {
		byName[s.name] = s
	}
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		op := operations[name]
		s := byName[op.script]
		if s == nil { // it only reads
			continue
		}
		t.Run(name, func(t *testing.T) {
			whole := *s
			defer func() { *s = whole }()
			b := op.box(t, url, "mail")
			for range 2 {
				if err := op.run(t.Context(), b.s, b.q); err != nil {
					t.Fatal(err)
				}
			}
			want := b.there(&op)
			b.s.Close()
			for n := 1; ; n++ {
				b := op.box(t, url, "mail")
				lived := b.recordsWith("gen")
				failed := b.s.ns + ":failed"
				s.text = failing(whole.text, n, failed)
				sum := sha1.Sum([]byte(s.text))
				s.sha = hex.EncodeToString(sum[:])
				first := op.run(t.Context(), b.s, b.q)
				*s = whole
				call, _ := b.do("GET", failed).ToString()
				if call == "" {
					if n == 1 || first != nil {
						t.Errorf("nothing has failed, %v", first)
					}
					b.s.Close()
					return
				}
				for part := range lived {
					if b.forEver(part) {
						t.Errorf("call %d fails, %s: %v; %s is left for ever", n, call, first, part)
					}
				}
				again := op.run(context.WithValue(t.Context(), afterError{}, true), b.s, b.q)
				got := b.there(&op)
				for part := range lived {
					if b.forEver(part) {
						t.Errorf("call %d fails, %s: %v; it is done again: %v; %s is left for ever", n, call, first, again, part)
					}
				}
				for _, job := range slices.Sorted(maps.Keys(want)) {
					if !got[job] {
						t.Errorf("call %d fails, %s: %v; it is done again: %v; %s is lost", n, call, first, again, job)
					}
				}
				b.s.Close()
			}
		})
	}
}

// TestImportThatFails: each call of the import to Redis fails once. The same import again puts in what is
// missing, and takes nothing that it has put in itself for another job.
//
//fault:server the import of jobs fails at any of its commands, as the user may not send it | the same import again puts in what is missing, with records, locks and what is remembered, and counts no job of its own as another
func TestImportThatFails(t *testing.T) { // not in parallel, as a script is changed for all
	url := redistest.Shared(t).URL()
	whole := *scriptImport
	defer func() { *scriptImport = whole }()
	now := time.Now()
	long := map[string]string{"job": "jc"}
	for n := range 120 { // more than one call writes
		long[fmt.Sprint("line", n)] = "x"
	}
	jobs := []Import{
		{ID: "a", Remembered: now, Place: "ready", Element: "pa", Gen: 5, Lock: "q1", Fields: map[string]string{"job": "ja", "cursor": "7"}},
		{ID: "own", Remembered: now, Place: "dead", At: now, Element: "e2"},
		{ID: "b", Place: "retry", At: now.Add(time.Hour), Element: "pb", Gen: 2, Lock: "b1", Fields: map[string]string{"job": "jb"}},
		{ID: "y", Remembered: now, Place: "ready", Element: "e4"},
		{ID: "c", Place: "scheduled", At: now.Add(2 * time.Hour), Element: "pc", Gen: 2, Fields: long},
	}
	for name, run := range map[string]string{"names": "", "lines": "run"} {
		t.Run(name, func(t *testing.T) {
			coming := slices.Clone(jobs)
			for n := range coming {
				if run == "" {
					coming[n].Name = fmt.Sprint("n", n)
				} else {
					coming[n].Line = int64(n + 1)
				}
			}
			// A job without a record that lies in a list may lie there twice.
			there := func(b *box) []string {
				lines := b.dump()
				for n, line := range lines {
					if rest, ok := strings.CutPrefix(line, "ready "); ok {
						elements := strings.Split(strings.Trim(rest, "[]"), ", ")
						slices.Sort(elements)
						lines[n] = "ready " + strings.Join(slices.Compact(elements), ", ")
					}
				}
				return lines
			}
			var want []string
			for n := 0; ; n++ {
				b := newBox(t, url, "mail")
				failed := b.s.ns + ":failed"
				scriptImport.text = failing(whole.text, n, failed)
				sum := sha1.Sum([]byte(scriptImport.text))
				scriptImport.sha = hex.EncodeToString(sum[:])
				_, first := b.s.Import(t.Context(), b.q, time.Hour, 100, run, coming)
				*scriptImport = whole
				call, _ := b.do("GET", failed).ToString()
				imported, err := b.s.Import(t.Context(), b.q, time.Hour, 100, run, coming)
				if err != nil || slices.ContainsFunc(imported, func(is Imported) bool { return is != ImportDone && is != ImportAgain }) {
					t.Errorf("call %d fails, %s: %v; it is done again: %v, %v", n, call, first, imported, err)
				}
				got := there(b)
				if n == 0 {
					want = got
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("call %d fails, %s: %v; it is done again (-want +got):\n%s", n, call, first, diff)
				}
				b.s.Close()
				if n > 0 && call == "" {
					return
				}
			}
		})
	}
}

// failing is a script whose nth call to Redis fails, and is noted in a key.
func failing(text string, n int, key string) string {
	return fmt.Sprintf(`local real, calls = redis, 0
local function fails(...)
  calls = calls + 1
  if calls == %d then real.call('SET', '%s', table.concat({...}, ' ')) end
  return calls == %d
end
local redis = setmetatable({
  call = function(...)
    if fails(...) then error('NOPERM this user has no permissions') end
    return real.call(...)
  end,
  pcall = function(...)
    if fails(...) then return {err = 'NOPERM this user has no permissions'} end
    return real.pcall(...)
  end,
}, {__index = real})
`, n, key, n) + text
}

// recordsWith are the records of the box that have a field.
func (b *box) recordsWith(field string) map[string]bool {
	records := map[string]bool{}
	for _, line := range b.dump() {
		if part, rest, _ := strings.Cut(line, " "); strings.HasPrefix(part, "rec:") && strings.HasPrefix(rest, field+" ") {
			records[part] = true
		}
	}
	return records
}

// forEver tells whether a record is of no job that lives, nor one to which a pointer leads, and has no TTL.
func (b *box) forEver(part string) bool {
	key := b.parts()[part]
	exists, _ := b.do("EXISTS", key).AsInt64()
	ttl, _ := b.do("PTTL", key).AsInt64()
	fields, _ := b.do("HMGET", key, "gen", "left").ToArray()
	return exists == 1 && ttl < 0 && fields[0].Error() != nil && fields[1].Error() != nil
}

// there are the jobs of the box: all but the last words of their elements, which say what a script has made
// of them; and the records that have a job.
func (b *box) there(op *operation) map[string]bool {
	jobs := map[string]bool{}
	for _, line := range b.dump() {
		part, rest, _ := strings.Cut(line, " ")
		switch kind, _, _ := strings.Cut(part, ":"); kind {
		case "ready", "suspect", "parked", "hand":
			for element := range strings.SplitSeq(strings.Trim(rest, "[]"), ", ") {
				jobs[op.job(element)] = true
			}
		case "scheduled", "retry", "dead":
			jobs[op.job(rest[:strings.LastIndex(rest, " ")])] = true
		case "held":
			_, element, _ := strings.Cut(rest, " ")
			jobs[op.job(element)] = true
		case "rec":
			if strings.HasPrefix(rest, "job ") {
				jobs[part] = true
			}
		}
	}
	return jobs
}

// job names the job of an element.
func (op *operation) job(element string) string {
	for _, last := range []string{" again", " soon", " now", " dead"} {
		element = strings.TrimSuffix(element, last)
	}
	if of := op.pointers[element]; of != "" {
		return of
	}
	return element
}

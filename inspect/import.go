package inspect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/bridge"
	"github.com/tasuki-dev/tasuki/internal/store"
	"github.com/tasuki-dev/tasuki/internal/wire"
)

// ImportConfig says how an export is read. The zero value of a field is its default.
type ImportConfig struct {
	// To is the queue that all jobs go to: each to that of its name unless told.
	To string
	// DryRun reads and checks all lines, and puts nothing in.
	DryRun bool
	// KeepGoing skips lines that are no jobs; else the first of them ends it.
	KeepGoing bool
	// Report is told of each line that was skipped or refused: tasuki.ErrIDTaken and ErrLocked.
	Report func(*LineError)
	// Progress is told after each portion what was done so far; it must not block for long.
	Progress func(Imported)
}

// Imported is what has become of the jobs of an export.
type Imported struct {
	Jobs    int64 `json:"jobs"`    // were put in; of a dry run, would be
	Again   int64 `json:"again"`   // an earlier import of this export has put in
	Refused int64 `json:"refused"` // the queue has another job with their id, or one with their uniqueness key
	Bad     int64 `json:"bad"`     // lines that are no jobs
	// Cut: the last line is missing, so that the export is not whole.
	Cut bool `json:"cut,omitempty"`
}

// LineError is what is wrong with a line of an export.
type LineError struct {
	Line int64 // from 1 on
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// maxLine is the longest line that is read: a job of 1 MiB with its record and log.
const maxLine = 16 << 20

// Import puts in the jobs of an export, each in the state that it had; one that was parked is
// ready. It holds one portion in memory. An export is put into a queue once, also if the import
// was cut and is begun anew: the queue remembers the last line of each of the last hundred
// exports. Two exports of the same jobs are two: of these, the ids of recorded jobs and those that
// callers have given are refused, and other bare jobs come in twice. cfg may be nil.
//
// The error says why it has stopped; what was done until then is returned.
func (i *Inspector) Import(ctx context.Context, r io.Reader, cfg *ImportConfig) (Imported, error) {
	if cfg == nil {
		cfg = &ImportConfig{}
	}
	m := &importer{Inspector: i, ctx: ctx, cfg: cfg, queues: map[string]*store.Queue{}, entered: map[string]bool{}}
	m.window, m.most = bridge.Seen(i.client)
	err := m.run(bufio.NewReaderSize(r, 1<<16))
	if !cfg.DryRun && m.exportID != "" {
		i.noted(ctx, AuditEntry{What: "import", Target: cfg.To, Detail: "export " + m.exportID, Count: int(m.done.Jobs)}, err)
	}
	if err != nil {
		return m.done, fmt.Errorf("import: %w", err)
	}
	return m.done, nil
}

// importer is one call of Import.
type importer struct {
	*Inspector
	ctx      context.Context
	cfg      *ImportConfig
	done     Imported
	exportID string
	queues   map[string]*store.Queue
	entered  map[string]bool // in the directory
	window   time.Duration
	most     int

	to      *store.Queue // of the portion
	portion []parcel
	size    int
}

func (m *importer) run(r *bufio.Reader) error {
	if m.cfg.To != "" {
		if _, err := m.queue(m.cfg.To); err != nil {
			return fmt.Errorf("to: %w", err)
		}
	}
	first, err := readLine(r)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var head exportHead
	switch err := json.Unmarshal(first, &head); {
	case err != nil || head.Tasuki != "export":
		return &LineError{1, errors.New("it is no export of tasuki: allowed is what tasuki export writes")}
	case head.Version != exportVersion:
		return &LineError{1, fmt.Errorf("version %d: allowed is %d: use the tasuki that has written it", head.Version, exportVersion)}
	case head.ID == "" || len(head.ID) > 128:
		return &LineError{1, errors.New("id: allowed are 1 to 128 bytes")}
	}
	m.exportID = head.ID
	m.done.Cut = true
	for n := int64(2); ; n++ {
		text, err := readLine(r)
		if errors.Is(err, io.EOF) && len(text) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLongLine) {
			return err
		}
		var end exportEnd
		if err == nil && strings.HasPrefix(string(text[:min(len(text), 7)]), `{"end":`) && json.Unmarshal(text, &end) == nil && end.End {
			m.done.Cut = false
			break
		}
		var to *store.Queue
		var p parcel
		if !errors.Is(err, errLongLine) {
			to, p, err = m.job(text)
		}
		if err != nil {
			m.done.Bad++
			if !m.cfg.KeepGoing {
				return errors.Join(m.flush(), &LineError{n, err})
			}
			m.report(&LineError{n, err})
			continue
		}
		if p.line = n; m.to != to || len(m.portion) == 500 || m.size > pageBytes {
			if err := m.flush(); err != nil {
				return err
			}
		}
		m.to = to
		m.portion = append(m.portion, p)
		m.size += len(text)
	}
	return m.flush()
}

func (m *importer) report(err *LineError) {
	if m.cfg.Report != nil {
		m.cfg.Report(err)
	}
}

var errLongLine = fmt.Errorf("it has more than %d bytes", maxLine)

// readLine returns a line without its end. One that is too long it passes over.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)):
			return nil, err
		case long:
			return nil, errLongLine
		}
		return []byte(strings.TrimRight(string(line), "\r\n")), nil
	}
}

func (m *importer) queue(name string) (*store.Queue, error) {
	if q := m.queues[name]; q != nil {
		return q, nil
	}
	q, err := m.store.Queue(name)
	if err == nil && q.Foreign {
		err = fmt.Errorf("queue %s: the list of another program: allowed are queues of tasuki's own", name)
	}
	if err != nil {
		return nil, err
	}
	m.queues[name] = q
	return q, nil
}

// job reads a line.
func (m *importer) job(text []byte) (*store.Queue, parcel, error) {
	var l exportLine
	var p parcel
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, p, fmt.Errorf("it is no JSON object of a job: %w", err)
	}
	if !slices.Contains(TransferStates, l.State) {
		return nil, p, fmt.Errorf("state: %.40q: allowed are suspect, ready, retry, scheduled, parked, dead", l.State)
	}
	name := l.Queue
	if m.cfg.To != "" {
		name = m.cfg.To
	}
	to, err := m.queue(name)
	if err != nil {
		return nil, p, err
	}
	p.state, p.id = l.State, l.ID
	switch l.State {
	case tasuki.StateScheduled, tasuki.StateRetry, tasuki.StateDead:
		if l.At < 0 || l.At > 253402300799999 {
			return nil, p, fmt.Errorf("at: %d: allowed are ms from 1970 to the year 9999", l.At)
		}
		p.at = time.UnixMilli(l.At)
	}
	if l.Seen > 0 {
		p.remembered = time.UnixMilli(l.Seen)
	}
	switch {
	case l.Record != nil:
		j, err := wire.Parse(l.Record["job"])
		switch {
		case l.ID == "" || len(l.ID) > 128 || !utf8.ValidString(l.ID):
			return nil, p, fmt.Errorf("id: %.130q: allowed are 1 to 128 bytes", l.ID)
		case l.Gen < 1 || l.Gen > 1<<50:
			return nil, p, fmt.Errorf("gen: %d: allowed are 1 and more", l.Gen)
		case err != nil || j.Kind == "" && !j.IsRaw:
			return nil, p, errors.New("record: job: it is no element of a job")
		}
		p.gen, p.fields = l.Gen, l.Record
	case l.Element != nil:
		p.element = *l.Element
	case l.Bytes != nil:
		p.element = string(l.Bytes)
	default:
		return nil, p, errors.New("allowed are element, element_base64 or record, one of them")
	}
	if p.gen == 0 {
		j, err := wire.Parse(p.element)
		if err == nil && j.Rec > 0 {
			return nil, p, errors.New("element: it leads to a record, which the line does not have")
		}
		if !j.IsNew {
			p.id = j.ID
		}
	}
	return to, p, nil
}

// flush puts in the portion.
func (m *importer) flush() error {
	if len(m.portion) == 0 {
		return nil
	}
	if m.cfg.DryRun {
		m.done.Jobs += int64(len(m.portion))
	} else {
		if !m.entered[m.to.Name] {
			if err := m.store.AddQueue(m.ctx, m.to); err != nil {
				return err
			}
			m.entered[m.to.Name] = true
		}
		now, err := m.store.Now(m.ctx)
		if err != nil {
			return err
		}
		results, err := m.takeIn(m.ctx, m.to, m.exportID, now, m.portion, m.window, m.most)
		for n, result := range results {
			line := m.portion[n].line
			switch result {
			case store.ImportDone:
				m.done.Jobs++
			case store.ImportAgain:
				m.done.Again++
			case store.ImportThere, store.ImportLocked:
				m.done.Refused++
				is := tasuki.ErrIDTaken
				if result == store.ImportLocked {
					is = tasuki.ErrLocked
				}
				m.report(&LineError{line, fmt.Errorf("%s/%s: %w", m.to.Name, m.portion[n].id, is)})
			}
		}
		if err != nil {
			return err
		}
	}
	m.portion, m.size = m.portion[:0], 0
	if m.cfg.Progress != nil {
		m.cfg.Progress(m.done)
	}
	return nil
}

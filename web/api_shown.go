package web

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/cron"
	"github.com/tasuki-dev/tasuki/inspect"
)

// apiInfo is what is known of a job that was enqueued.
type apiInfo struct {
	Address string `json:"address"` // QUEUE/ID
	tasuki.Info
}

// apiJob is a job of which nothing is left that was not redacted.
type apiJob struct {
	Address string `json:"address"`
	inspect.Job
	// Hidden are the parts that are there and not shown.
	Hidden []Part `json:"hidden,omitempty"`
}

// veil redacts the parts of one job, and notes which it has hidden.
type veil struct {
	d      *Dashboard
	kind   string
	hidden map[Part]bool
}

func (d *Dashboard) veil(kind string) *veil {
	return &veil{d: d, kind: kind, hidden: map[Part]bool{}}
}

func (v *veil) bytes(part Part, text []byte) []byte {
	if v.d.cfg.Redact == nil || len(text) == 0 {
		return text
	}
	shown := v.d.cfg.Redact(v.kind, part, bytes.Clone(text))
	if len(shown) == 0 {
		v.hidden[part] = true
		return nil
	}
	return shown
}

func (v *veil) text(part Part, text string) string { return string(v.bytes(part, []byte(text))) }

// json is what may be shown of a JSON text. What a hook has made of it and is none comes as a JSON
// string.
func (v *veil) json(part Part, text json.RawMessage) json.RawMessage {
	shown := v.bytes(part, text)
	if len(shown) == 0 || json.Valid(shown) {
		return shown
	}
	quoted, err := json.Marshal(string(shown))
	if err != nil {
		return nil // a string can be written
	}
	return quoted
}

func (v *veil) meta(meta map[string]string) map[string]string {
	if v.d.cfg.Redact == nil || meta == nil {
		return meta
	}
	shown := make(map[string]string, len(meta))
	for name, value := range meta {
		if text := v.text(PartMeta, name+"="+value); text != "" {
			shown[name] = strings.TrimPrefix(text, name+"=")
		}
	}
	return shown
}

func (v *veil) info(i *tasuki.Info) {
	i.Error, i.Reason, i.Meta = v.text(PartError, i.Error), v.text(PartReason, i.Reason), v.meta(i.Meta)
}

func (v *veil) parts() []Part {
	var hidden []Part
	for _, part := range []Part{PartArgs, PartRaw, PartResult, PartCursor, PartError, PartReason, PartStack, PartMeta, PartProgress} {
		if v.hidden[part] {
			hidden = append(hidden, part)
		}
	}
	return hidden
}

func (d *Dashboard) apiInfo(i tasuki.Info) *apiInfo {
	d.veil(i.Kind).info(&i)
	return &apiInfo{i.Address(), i}
}

// apiJob is what may be shown of a job. What was read is left as it is.
func (d *Dashboard) apiJob(j inspect.Job) apiJob {
	v := d.veil(j.Kind)
	v.info(&j.Info)
	if j.Raw != nil {
		j.Raw = v.bytes(PartRaw, j.Raw)
	}
	j.Args, j.Result, j.Cursor = v.json(PartArgs, j.Args), v.json(PartResult, j.Result), v.json(PartCursor, j.Cursor)
	j.Progress.Note = v.text(PartProgress, j.Progress.Note)
	runs := make([]tasuki.Run, len(j.Runs))
	for n, run := range j.Runs {
		run.Error, run.Stack = v.text(PartError, run.Error), v.text(PartStack, run.Stack)
		runs[n] = run
	}
	j.Runs = runs
	shown := apiJob{Job: j, Hidden: v.parts()}
	if j.ID != "" {
		shown.Address = j.Address()
	}
	return shown
}

func (d *Dashboard) apiFailure(f inspect.Failure) inspect.Failure {
	v := d.veil(f.Kind)
	f.Sample.Error, f.Sample.Stack = v.text(PartError, f.Sample.Error), v.text(PartStack, f.Sample.Stack)
	return f
}

func (d *Dashboard) apiSchedule(s *cron.Status) cron.Status {
	v, shown := d.veil(s.Kind), *s
	shown.Args, shown.Opts.Meta = v.json(PartArgs, s.Args), v.meta(s.Opts.Meta)
	shown.Opts.Unique.Key = v.text(PartKey, s.Opts.Unique.Key)
	shown.Runs = make([]cron.Run, len(s.Runs))
	for n, run := range s.Runs {
		run.Error = v.text(PartError, run.Error)
		shown.Runs[n] = run
	}
	return shown
}

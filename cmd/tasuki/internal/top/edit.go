package top

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
)

// edit hands the arguments of the job to an editor. What comes back is asked for: see edited.
func (p *job) edit(m *model) tea.Cmd {
	j := &p.detail.Job
	if !m.mayWrite() {
		return nil
	}
	if no := impossible(inspect.Edit, j); no != "" {
		m.note = piece{"nothing to do: a job " + no + " cannot be changed", magenta | bold}
		return nil
	}
	text := p.draft
	if text == nil {
		text, p.seen = []byte(pretty(j.Args)+"\n"), j.Args
	}
	dir, err := os.MkdirTemp("", "tasuki-") // for its owner only, with all that an editor puts beside the file
	path := filepath.Join(dir, "arguments.json")
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		m.note = piece{fmt.Sprintf("the arguments cannot be edited: %v", err), red | bold}
		return nil
	}
	words := append(strings.Fields(m.editor), path)
	return m.exec(exec.Command(words[0], words[1:]...), func(err error) tea.Msg {
		defer os.RemoveAll(dir) //nolint:errcheck // it is in the directory for such
		msg := editedMsg{of: p, was: text, err: err}
		if err == nil {
			msg.text, msg.err = os.ReadFile(path)
		}
		return msg
	})
}

// edited asks whether the job is to have the arguments that came back from the editor.
func (p *job) edited(m *model, msg editedMsg) {
	if msg.err != nil {
		m.note = piece{fmt.Sprintf("the editor, %s: %v; EDITOR says which", m.editor, msg.err), red | bold}
		return
	}
	var args bytes.Buffer
	switch err := json.Compact(&args, msg.text); {
	case err != nil:
		p.draft = msg.text
		m.note = piece{fmt.Sprintf("this is no JSON: %v; E goes on with it", err), red | bold}
		return
	case bytes.Equal(msg.text, msg.was):
		m.note = piece{"nothing was changed", plain}
	default:
		c := inspect.Changes{Args: args.Bytes(), Was: p.seen}
		m.actOn(inspect.Task{Action: inspect.Edit, Changes: &c}, []inspect.Job{p.detail.Job}, func() {})
	}
	p.draft = nil
}

// editorOf is the editor that an environment names.
func editorOf(environ []string) string {
	var visual, editor string
	for _, e := range environ {
		switch name, value, _ := strings.Cut(e, "="); name {
		case "VISUAL":
			visual = strings.TrimSpace(value)
		case "EDITOR":
			editor = strings.TrimSpace(value)
		}
	}
	return cmp.Or(visual, editor, "vi")
}

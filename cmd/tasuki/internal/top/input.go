package top

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// input is a line that is being typed.
type input struct {
	prompt string
	typed  []rune
	at     int // where the next character goes
	err    error
	// done takes what was typed, or refuses it with an error.
	done func(text string) (tea.Cmd, error)
}

// mostTyped is how many characters can be typed.
const mostTyped = 1000

func newInput(prompt, text string, done func(text string) (tea.Cmd, error)) *input {
	in := &input{prompt: prompt, done: done}
	in.insert(text)
	return in
}

// insert puts a text in at the cursor, without what cannot be typed.
func (in *input) insert(text string) {
	var add []rune
	for _, r := range clean(strings.ToValidUTF8(text, "")) {
		if len(in.typed)+len(add) < mostTyped {
			add = append(add, r)
		}
	}
	in.typed = append(in.typed[:in.at:in.at], append(add, in.typed[in.at:]...)...)
	in.at += len(add)
	in.err = nil
}

// press edits the line, or ends it.
func (in *input) press(m *model, key, typed string) tea.Cmd {
	switch key {
	case "enter":
		cmd, err := in.done(strings.TrimSpace(string(in.typed)))
		if in.err = err; err == nil {
			m.input = nil
		}
		return cmd
	case "esc":
		m.input = nil
	case "left", "ctrl+b":
		in.at = max(0, in.at-1)
	case "right", "ctrl+f":
		in.at = min(len(in.typed), in.at+1)
	case "home", "ctrl+a":
		in.at = 0
	case "end", "ctrl+e":
		in.at = len(in.typed)
	case "backspace":
		in.remove(in.at-1, in.at)
	case "delete", "ctrl+d":
		in.remove(in.at, in.at+1)
	case "ctrl+u":
		in.remove(0, in.at)
	case "ctrl+k":
		in.remove(in.at, len(in.typed))
	case "ctrl+w":
		from := in.at
		for from > 0 && in.typed[from-1] == ' ' {
			from--
		}
		for from > 0 && in.typed[from-1] != ' ' {
			from--
		}
		in.remove(from, in.at)
	default:
		in.insert(typed)
	}
	return nil
}

func (in *input) remove(from, to int) {
	from, to = max(from, 0), min(to, len(in.typed))
	if from < to {
		in.typed = append(in.typed[:from:from], in.typed[to:]...)
		in.at = from
		in.err = nil
	}
}

// draw returns the line in w cells, and where the cursor is in it.
func (in *input) draw(w int) (string, int) {
	left, right := string(in.typed[:in.at]), string(in.typed[in.at:])
	for width(in.prompt+left) > w-1 && left != "" { // its begin goes
		left = left[len(string([]rune(left)[:1])):]
	}
	return line{{in.prompt, cyan | bold}, {left + right, plain}}.render(w, false), width(in.prompt + left)
}

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/inspect"
)

func newDoctor(a *app) *cobra.Command {
	var output string
	var cfg inspect.DoctorConfig
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether Redis and the workers are fit for jobs, and what to do",
		Long: `doctor looks at the server (persistence, eviction, memory, replicas, clock, known
holes), at what the user of the URL may do there, at the workers, and at the jobs
as tasuki check does. Of each it says what was found, what that means, and what to
do; docs/operating.md says more. It changes nothing and may run beside workers.

What the server does not tell is a note: run doctor as a user with more rights, or
as the user of a worker to see what that may do.

The exit code is 0 when there is nothing worse than notes, 9 when there are
warnings, and 10 when accepted jobs are in danger or nothing works.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.open() // a server whose disk is full refuses PING
			if err != nil {
				return err
			}
			defer client.Close()
			findings, err := inspect.New(client).Doctor(cmd.Context(), &cfg)
			if err != nil {
				return a.unreached(err)
			}
			diagnosis := struct {
				Worst    inspect.Level     `json:"worst"`
				Findings []inspect.Finding `json:"findings"`
			}{inspect.Worst(findings), findings}
			if err := show(cmd.OutOrStdout(), output, diagnosis, "%sworst: %s", findingLines(findings), diagnosis.Worst); err != nil {
				return err
			}
			switch diagnosis.Worst {
			case inspect.Danger:
				return &exitError{code: exitDanger}
			case inspect.Warning:
				return &exitError{code: exitWarning}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&cfg.SkipCheck, "skip-check", false, "do not read every job: with a large backlog that takes a while")
	outputFlag(cmd, &output)
	return cmd
}

// How wide findings are printed, and where their text begins.
const (
	columns = 80
	margin  = 22
)

// findingLines shows each finding in a paragraph: level, name, and beside them what
// was found, what it means and what to do.
func findingLines(findings []inspect.Finding) string {
	var text strings.Builder
	for _, f := range findings {
		head := fmt.Sprintf("%-9s%-13s", f.Level, f.Name)
		for _, line := range fill(f.What, columns-margin) {
			fmt.Fprintf(&text, "%s%s\n", head, line)
			head = strings.Repeat(" ", margin)
		}
		for _, part := range []struct{ mark, text string }{{"", f.Means}, {"→ ", f.Do}} {
			for i, line := range fill(part.text, columns-margin-2) {
				mark := part.mark
				if i > 0 {
					mark = strings.Repeat(" ", utf8.RuneCountInString(mark))
				}
				fmt.Fprintf(&text, "%s%s%s\n", head, mark, line)
			}
		}
	}
	return text.String()
}

// fill breaks a text between words into lines of at most a width. A longer word has
// a line of its own.
func fill(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

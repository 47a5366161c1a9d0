package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// outputFlag adds -o. What is written to --output is checked as it is read.
func outputFlag(cmd *cobra.Command, output *string) {
	*output = "text"
	cmd.Flags().VarP((*outputFormat)(output), "output", "o", "`FORMAT`: text or json")
	formats := cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc("output", formats) // the flag is there
}

type outputFormat string

func (o *outputFormat) String() string { return string(*o) }
func (o *outputFormat) Type() string   { return "string" }

func (o *outputFormat) Set(text string) error {
	if text != "text" && text != "json" {
		return errors.New("allowed are text and json")
	}
	*o = outputFormat(text)
	return nil
}

// show prints what a command has found or done: as JSON, or as lines of text.
func show(out io.Writer, output string, v any, format string, args ...any) error {
	var err error
	if output == "json" {
		err = writeJSON(out, v)
	} else {
		_, err = fmt.Fprintf(out, format+"\n", args...)
	}
	if err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	return nil
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// noArgs is cobra.NoArgs, which would speak of an unknown command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments: leave out %.80q", shortPath(cmd), args[0])
	}
	return nil
}

// oneArg demands the one argument that the command's Use names.
func oneArg(cmd *cobra.Command, args []string) error {
	_, what, _ := strings.Cut(cmd.Use, " ")
	switch {
	case len(args) == 0:
		return fmt.Errorf("the %s is missing: %s %s", what, cmd.CommandPath(), what)
	case len(args) > 1:
		return fmt.Errorf("%s takes one %s: leave out %.80q", shortPath(cmd), what, args[1])
	}
	return nil
}

// shortPath is the command's words without the program's name, with which every
// error begins.
func shortPath(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "tasuki ") }

// helpTopic demands that help is asked for a command that is there: cobra itself
// would show the usage, and exit with 0.
func helpTopic(cmd *cobra.Command, args []string) error {
	if _, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
		return fmt.Errorf("there is no help for %.80q: tasuki help lists the commands", strings.Join(args, " "))
	}
	return nil
}

// flagError says what is wrong with a flag of the call.
func flagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		return valueError("--"+value.GetFlag().Name, value)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		dashed := "-" + unknown.GetSpecifiedShortnames()
		if cmd.Args == nil || cmd.Args(cmd, []string{dashed}) != nil { // it could be no argument
			return fmt.Errorf("unknown flag %s: %s --help lists those that exist", dashed, cmd.CommandPath())
		}
		return fmt.Errorf("unknown flag %s: an argument that begins with a dash stands behind two: -- %s", dashed, dashed)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: %s --help lists those that exist", err, cmd.CommandPath())
	}
	return err
}

// givenTwice refuses a call that gives a flag two values of which the last would silently count. What else is wrong with the words is said where the command reads them.
func givenTwice(root *cobra.Command, args []string) error {
	cmd, words, err := root.Find(args)
	if err != nil || cmd.DisableFlagParsing {
		return nil
	}
	cmd.InitDefaultHelpFlag()
	cmd.InheritedFlags() // adds them to Flags
	given := map[string]string{}
	var twice error
	_ = cmd.Flags().ParseAll(words, func(f *pflag.Flag, value string) error {
		_, repeatable := f.Value.(pflag.SliceValue)
		if was, again := given[f.Name]; again && was != value && !repeatable && twice == nil {
			twice = fmt.Errorf("--%s is given twice: allowed is one value", f.Name)
		}
		given[f.Name] = value
		return nil
	})
	return twice
}

// allowedNumbers is what the flags that are numbers allow.
var allowedNumbers = map[string]string{
	"concurrency":  "allowed are 1 to 10000",
	"count":        "allowed are 1 to 10000",
	"limit":        "allowed are 1 and more, and 0 for no limit",
	"min-attempt":  "allowed are 0 and more",
	"max-attempts": "allowed are 1 to 1000000, and -1 for no limit",
	"missed-most":  "allowed are 1 to 1000",
	"replicas":     "allowed are 0 to 100",
	"runs":         "allowed are 1 to 100",
}

// valueError says what a flag allows, which was given under a name: its own, or
// that of its variable.
func valueError(name string, err *pflag.InvalidValueError) error {
	flag := err.GetFlag()
	allowed := err.Unwrap().Error()
	switch flag.Value.Type() {
	case "bool":
		allowed = "allowed are true and false"
	case "duration":
		allowed = "allowed is a duration, such as 90s or 1h30m"
	case "duration or -1":
		allowed = "allowed are a duration, such as 90s or 1h30m, and -1 for none"
	case "time or -1":
		allowed = "allowed are a time such as 2030-01-02T15:04:05Z, and -1 for none"
	case "int":
		allowed = allowedNumbers[flag.Name]
	case "time":
		allowed = "allowed is a time such as 2030-01-02T15:04:05Z"
	}
	return fmt.Errorf("%s: %.80q: %s", name, err.GetValue(), allowed)
}

// durationOrNone is a duration that may also be -1, as tasuki.Opts has it for none.
type durationOrNone struct{ to *time.Duration }

// Set implements pflag.Value.
func (d durationOrNone) Set(text string) (err error) {
	if text == "-1" {
		*d.to = -1
		return nil
	}
	*d.to, err = time.ParseDuration(text)
	return err
}

// String implements pflag.Value.
func (d durationOrNone) String() string {
	switch {
	case d.to == nil || *d.to == 0:
		return ""
	case *d.to == -1:
		return "-1"
	}
	return d.to.String()
}

// Type implements pflag.Value.
func (durationOrNone) Type() string { return "duration or -1" }

// timeOrNone is a time that may also be -1: the zero time, which is none.
type timeOrNone struct{ to *time.Time }

// Set implements pflag.Value.
func (t timeOrNone) Set(text string) (err error) {
	*t.to = time.Time{}
	if text != "-1" {
		*t.to, err = time.Parse(time.RFC3339, strings.TrimSpace(text))
	}
	return err
}

// String implements pflag.Value.
func (t timeOrNone) String() string {
	if t.to == nil || t.to.IsZero() {
		return ""
	}
	return t.to.Format(time.RFC3339)
}

// Type implements pflag.Value.
func (timeOrNone) Type() string { return "time or -1" }

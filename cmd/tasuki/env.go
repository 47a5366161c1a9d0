package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envOf is the environment variable of a flag.
func envOf(flag string) string {
	if flag == "redis" {
		return "TASUKI_REDIS_URL"
	}
	return "TASUKI_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagsFromEnv sets the flags that were not given from the environment. A variable
// that is empty is none. One of a flag that can be repeated has a value in each
// line. What tasuki work tells a command of its job in variables with such names is
// no wish of somebody who calls tasuki.
func flagsFromEnv(cmd *cobra.Command) error {
	var err error
	inJob := os.Getenv("TASUKI_ADDRESS") != ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		text := os.Getenv(envOf(f.Name))
		if f.Changed || text == "" || f.Name == "help" || err != nil || inJob && slices.Contains(jobVariables, envOf(f.Name)) {
			return
		}
		values := []string{text}
		if _, repeatable := f.Value.(pflag.SliceValue); repeatable {
			values = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
		}
		for _, value := range values {
			if e := cmd.Flags().Set(f.Name, value); e != nil {
				var invalid *pflag.InvalidValueError
				if errors.As(e, &invalid) {
					e = valueError(envOf(f.Name), invalid)
				}
				err = usageError(e)
				return
			}
		}
	})
	return err
}

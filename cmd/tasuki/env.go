package main

import (
	"fmt"
	"os"
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

// flagsFromEnv sets the flags that were not given from the environment.
func flagsFromEnv(cmd *cobra.Command) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(envOf(f.Name))
		if f.Changed || !ok || f.Name == "help" || err != nil {
			return
		}
		if e := cmd.Flags().Set(f.Name, value); e != nil {
			err = usageError(fmt.Errorf("%s: %w", envOf(f.Name), e))
		}
	})
	return err
}

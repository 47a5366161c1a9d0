package main

import "github.com/spf13/cobra"

func newCron() *cobra.Command {
	return group("cron", "Try out cron expressions", newCronExplain(), newCronNext())
}

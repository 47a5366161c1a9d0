package main

import "github.com/spf13/cobra"

func newCron(a *app) *cobra.Command {
	return group("cron", "Periodic entries and cron expressions",
		newCronExplain(), newCronGet(a), newCronHistory(a), newCronLs(a), newCronNext(), newCronPause(a), newCronResume(a), newCronRm(a), newCronRun(a), newCronSet(a))
}

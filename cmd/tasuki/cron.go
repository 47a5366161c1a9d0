package main

import "github.com/spf13/cobra"

func newCron(a *app) *cobra.Command {
	return group("cron", "Look at periodic entries, set, pause, run and remove them",
		newCronGet(a), newCronHistory(a), newCronLs(a), newCronPause(a), newCronResume(a), newCronRm(a), newCronRun(a), newCronSet(a))
}

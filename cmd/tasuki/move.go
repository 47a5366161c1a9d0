package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// shownMove is what a move has done, as JSON has it.
type shownMove struct {
	Queue string `json:"queue"`
	To    string `json:"to"`
	inspect.Transferred
}

func newMove(a *app) *cobra.Command {
	var output, to string
	var f jobFilter
	var dryRun, yes bool
	there := app{}
	cmd := &cobra.Command{
		Use:   "move [QUERY]",
		Short: "Move jobs to another server, namespace or queue",
		Long: `move takes jobs of a queue to another one, which may be that of another server
(--to-redis) or namespace (--to-namespace): those that wait and the dead, bare ones and
recorded ones with their history. Those that run stay and are counted. docs/moving-jobs.md
tells what is promised.

Each job is set aside here for five minutes, put in there, and taken away here when that is
confirmed. So it is in one of both places at least, whenever the move is cut; the same call
again finishes it, and puts nothing in twice. What nobody finishes is ready here again after
five minutes, and may then run in both places.

Such a call asks before it does anything: --yes says yes, which is needed where nobody can
be asked, and --dry-run counts the jobs and does nothing.`,
		Example: `  tasuki move --queue mail --to-redis redis://new:6379 --yes
  tasuki move --to bulk queue:mail kind:email.newsletter
  tasuki move --queue mail --state dead --to mail-dead --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			usual := slices.DeleteFunc(slices.Clone(inspect.TransferStates), func(s tasuki.State) bool { return s == tasuki.StateParked })
			if err := f.read(strings.Join(args, " "), usual, inspect.TransferStates); err != nil {
				return usageError(err)
			}
			queue := ""
			if len(f.Queues) == 1 {
				queue = f.Queues[0]
			}
			far := there.redis != "" || there.namespace != ""
			switch {
			case queue == "":
				return usageError(errors.New("which queue? tasuki move --queue NAME, or queue:NAME, of one"))
			case !far && (to == "" || to == queue):
				return usageError(errors.New("allowed are --to with another queue, --to-redis and --to-namespace: else the jobs are there"))
			case !yes && !dryRun && !isTerminal(cmd.InOrStdin()):
				return usageError(errAskNobody)
			}
			if to == "" {
				to = queue
			}
			if err := ownQueue("--to", to); err != nil {
				return err
			}
			client, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			i := inspect.New(client).As(whoami())
			if _, err := look(cmd.Context(), i, queue); err != nil {
				return err
			}
			dst := i
			if far {
				if there.redis == "" {
					there.redis = a.redis
				}
				if there.namespace == "" {
					there.namespace = a.namespace
				}
				other, err := there.connect(cmd.Context())
				if err != nil {
					return err
				}
				defer other.Close()
				dst = inspect.New(other).As(whoami())
			}
			if dryRun || !yes {
				n, err := meant(cmd.Context(), i, &f)
				if err != nil {
					return lookFailure(err)
				}
				if dryRun {
					return show(cmd.OutOrStdout(), output, bulkMeant{queue, true, n}, "%s: %d would be moved to %s", queue, n, to)
				}
				if n > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s of %s will be moved to %s. Go on? [y/N] ", count(n, "job"), queue, to)
					if err := confirm(cmd.Context(), cmd); err != nil {
						return err
					}
				}
			}
			q := f.Query
			q.Queues = nil
			tell := progress(cmd, "moved")
			done, err := i.Transfer(cmd.Context(), queue, dst, &inspect.TransferConfig{
				Query: q, To: to, Progress: func(done inspect.Transferred) { tell(done.Moved) },
			})
			tell(-1)
			if err != nil {
				err = failure(fmt.Errorf("%w; the same call again goes on where it was", err))
			} else if done.Refused > 0 {
				err = &exitError{code: exitFailed}
			}
			return errors.Join(show(cmd.OutOrStdout(), output, shownMove{queue, to, done}, "%s", moveText(queue, to, done)), err)
		},
	}
	f.addFlags(cmd, inspect.TransferStates)
	flags := cmd.Flags()
	flags.IntVar(&f.Limit, "limit", 0, "`NUMBER` of jobs at most; 0 is no limit")
	flags.StringVar(&to, "to", "", "`NAME` of the queue that they go to (default the same name)")
	flags.StringVar(&there.redis, "to-redis", "", "`URL` of the server that they go to (default the same server)")
	flags.StringVar(&there.namespace, "to-namespace", "", "`NAME` that begins every key there (default the same)")
	flags.BoolVar(&dryRun, "dry-run", false, "count the jobs that are meant, and do nothing")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	outputFlag(cmd, &output)
	return cmd
}

// ownQueue says what is wrong with a flag that names a queue into which jobs are put as they are.
func ownQueue(flag, name string) error {
	if _, _, err := tasuki.ParseAddress(name + "/x"); err != nil {
		return usageError(fmt.Errorf("%s: %.140q: %w", flag, name, err))
	}
	if strings.HasPrefix(name, "list:") {
		return usageError(fmt.Errorf("%s: %.140q: the list of another program: allowed are queues of tasuki's own", flag, name))
	}
	return nil
}

// meant counts the jobs that a filter means.
func meant(ctx context.Context, i *inspect.Inspector, f *jobFilter) (n int, err error) {
	for _, err := range i.Jobs(ctx, f.Query) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func moveText(queue, to string, done inspect.Transferred) string {
	text := fmt.Sprintf("%s: %d moved to %s", queue, done.Moved, to)
	for _, more := range []struct {
		n    int64
		what string
	}{
		{done.Again, "of these were there already"}, {done.Refused, "refused: their ids or keys are taken there"},
		{done.Missed, "were claimed or moved meanwhile"}, {done.Doubled, "run in both places"}, {done.Running, "ran, and stay"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return text
}

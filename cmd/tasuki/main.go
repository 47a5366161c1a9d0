// Command tasuki tries out, feeds, serves and looks after tasuki's queues.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

func main() {
	// The first signal ends the context; the second, which finds the default
	// handling again, ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:]))
}

// execute runs the command and returns its exit code.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := givenTwice(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	words := append(wordsOf(args), root.PersistentFlags().Lookup("redis").Value.String()) // it may be that of a file
	var coded *exitError
	if !errors.As(err, &coded) {
		coded = &exitError{code: exitUsage, err: err} // cobra's own errors are about the words of the call
	}
	if coded.err != nil {
		text := blank(strings.TrimPrefix(coded.err.Error(), "tasuki: "), words)
		if (coded.code == exitUsage || coded.code == exitNotFound) && hasStrayURL(args) {
			text += "; a URL goes behind --redis or into TASUKI_REDIS_URL"
		}
		fmt.Fprintln(root.ErrOrStderr(), "tasuki:", cleanLines(text)) // it can be an error of a handler
	}
	return coded.code
}

// app is what all subcommands share.
type app struct {
	redis     string
	redisFile string
	namespace string
	replicas  int // of enqueue
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:   "tasuki",
		Short: "Background jobs on Redis lists",
		Long: `tasuki tries out, feeds, serves and looks after job queues on Redis lists.

Every flag can be given by an environment variable: --max-attempts by
TASUKI_MAX_ATTEMPTS, and so on; what can be repeated has a line there for each.
The exception is --redis, which is given by TASUKI_REDIS_URL. A URL with a
password belongs there or into a file that --redis-file names, where it is in no
list of processes. tasuki help exit-codes tells what the exit codes mean.`,
		Version:       readBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			url, file := cmd.Flags().Changed("redis"), cmd.Flags().Changed("redis-file")
			if err := flagsFromEnv(cmd); err != nil {
				return err
			}
			switch { // what is in the call comes before the variable of the other
			case url && !file:
				a.redisFile = ""
			case file && !url:
				a.redis = ""
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.redis, "redis", "", "`URL` of the server: redis://, rediss:// or unix:// [$TASUKI_REDIS_URL] (default "+defaultRedis+", but for bench and demo)")
	flags.StringVar(&a.redisFile, "redis-file", "", "`FILE` that holds that URL, in place of --redis [$TASUKI_REDIS_FILE]")
	flags.StringVar(&a.namespace, "namespace", "tasuki", "`NAME` that begins every key [$TASUKI_NAMESPACE]")
	root.AddCommand(
		newAudit(a),
		newBench(a),
		newCheck(a),
		newCron(a),
		newDemo(a),
		newDoctor(a),
		newEnqueue(a),
		newEvents(a),
		newExitCodes(),
		newExport(a),
		newFailures(a),
		newImport(a),
		newJob(a),
		newMark(a),
		newMove(a),
		newOp(a),
		newQueue(a),
		newStats(a),
		newTop(a),
		newVersion(),
		newWeb(a),
		newWhy(a),
		newWork(a),
		newWorker(a),
	)
	root.Flags().Bool("version", false, "say which tasuki this is, as the command does")
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = helpTopic
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	return root
}

// defaultRedis is where Redis is if nobody says.
const defaultRedis = "redis://localhost:6379"

// open returns a client of the server that was named, or of the default one.
func (a *app) open() (*tasuki.Client, error) {
	if err := a.readRedisFile(); err != nil {
		return nil, err
	}
	client, err := tasuki.Open(cmp.Or(a.redis, defaultRedis), &tasuki.ClientConfig{Namespace: a.namespace, Replicas: a.replicas})
	if err != nil {
		return nil, openError(err)
	}
	return client, nil
}

// connect is open, and sees that Redis answers.
func (a *app) connect(ctx context.Context) (*tasuki.Client, error) {
	client, err := a.open()
	if err != nil {
		return nil, err
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, a.unreached(err)
	}
	return client, nil
}

// inspecting connects, and has f look.
func (a *app) inspecting(cmd *cobra.Command, f func(i *inspect.Inspector) error) error {
	client, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer client.Close()
	return f(inspect.New(client).As(whoami()))
}

// unreached is the failure of a command that did not reach Redis.
func (a *app) unreached(err error) error {
	if a.redis == "" {
		err = fmt.Errorf("%w; --redis or TASUKI_REDIS_URL says where Redis is", err)
	}
	return lookFailure(refusedAt(a.redis, err))
}

// refusedAt adds to an error of the server at a URL what that lacks.
func refusedAt(given string, err error) error {
	u, parseErr := url.Parse(given)
	if parseErr != nil || u.User == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		return err
	}
	if password, _ := u.User.Password(); password != "" {
		return err
	}
	return fmt.Errorf("%w; the URL has a user and no password: allowed are redis://user:password@… and redis://:password@…", err)
}

// group returns a command that only holds others.
func group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // cobra itself would show the help, and exit with 0
				var names []string
				for _, c := range subcommands {
					names = append(names, c.Name())
				}
				return usageError(fmt.Errorf("unknown command %.80q for %q: allowed are %s", args[0], cmd.CommandPath(), strings.Join(names, ", ")))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(subcommands...)
	return cmd
}

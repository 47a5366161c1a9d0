package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tasuki-dev/tasuki/cron"
)

// cronExpr is what the commands that need no server are told of an entry.
type cronExpr struct{ zone, name string }

func (c *cronExpr) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.zone, "tz", "", "`ZONE` of its times, such as Europe/Berlin (default UTC)")
	flags.StringVar(&c.name, "name", "", "`NAME` of the entry, from which H takes its values")
}

// read reads the expression. What is wrong with it is said as the library does.
func (c *cronExpr) read(expr string) (*cron.Schedule, error) {
	s, err := cron.Parse(expr, c.zone, c.name)
	if err == nil {
		return s, nil
	}
	text := strings.TrimPrefix(err.Error(), "cron: ")
	if c.name == "" && strings.Contains(text, "H takes its value") {
		text += ": --name says it"
	}
	return nil, usageError(errors.New(text))
}

// exprArg demands the one argument, which a shell may have taken apart.
func exprArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes one EXPR, and got %d arguments: put it in quotes, '0 9 * * MON-FRI'", shortPath(cmd), len(args))
	}
	return oneArg(cmd, args)
}

// warn writes warnings where they are not taken for the output.
func warn(cmd *cobra.Command, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "tasuki: warning:", clean(w))
	}
}

func newCronNext() *cobra.Command {
	var output string
	var c cronExpr
	var from time.Time
	var count int
	cmd := &cobra.Command{
		Use:   "next EXPR",
		Short: "Show when a cron expression runs next",
		Long: `next shows the next runs of an entry with a cron expression, and warns of what is
often not meant. It needs no server.`,
		Example: `  tasuki cron next '0 9 * * MON-FRI' --tz Europe/Berlin
  tasuki cron next 'H 3 * * *' --name report --from 2030-01-02T15:04:05Z -n 10 -o json`,
		Args: exprArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 1 || count > 10000 {
				return usageError(fmt.Errorf("--count: %d: %s", count, allowedNumbers["count"]))
			}
			s, err := c.read(args[0])
			if err != nil {
				return err
			}
			if from.IsZero() {
				from = time.Now().Truncate(time.Second)
			}
			found := struct {
				Expression string      `json:"expression"`
				Zone       string      `json:"zone"`
				From       time.Time   `json:"from"`
				Next       []time.Time `json:"next"`
				Warnings   []string    `json:"warnings"`
			}{s.String(), s.Zone().String(), from.In(s.Zone()), []time.Time{}, append([]string{}, s.Warnings()...)}
			for at := s.Next(from); !at.IsZero() && len(found.Next) < count; at = s.Next(at) {
				found.Next = append(found.Next, at)
			}
			if output != "json" {
				warn(cmd, found.Warnings)
			}
			return show(cmd.OutOrStdout(), output, found, "%s", table(func(w io.Writer) {
				fmt.Fprintln(w, "TIME\tDAY\tUTC")
				for _, at := range found.Next {
					fmt.Fprintf(w, "%s\t%.3s\t%s\n", at.Format(time.RFC3339), at.Weekday(), at.UTC().Format(time.RFC3339))
				}
			}))
		},
	}
	c.addFlags(cmd)
	outputFlag(cmd, &output)
	flags := cmd.Flags()
	flags.TimeVar(&from, "from", time.Time{}, []string{time.RFC3339}, "`TIME` after which, such as 2030-01-02T15:04:05Z (default now)")
	flags.IntVarP(&count, "count", "n", 5, "`NUMBER` of runs")
	return cmd
}

// language is the flag of one that cron explains in.
type language string

func (l *language) String() string { return string(*l) }
func (l *language) Type() string   { return "string" }

func (l *language) Set(text string) error {
	if text != "en" && text != "ja" {
		return errors.New("allowed are en and ja")
	}
	*l = language(text)
	return nil
}

func newCronExplain() *cobra.Command {
	var output string
	var c cronExpr
	lang := language("en")
	cmd := &cobra.Command{
		Use:   "explain EXPR",
		Short: "Say in words when a cron expression runs",
		Long: `explain says in words when an entry with a cron expression runs, and warns of what
is often not meant. It needs no server.`,
		Example: `  tasuki cron explain '*/15 9-17 * * MON-FRI'
  tasuki cron explain '0 0 L * *' --tz Asia/Tokyo --lang ja`,
		Args: exprArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.read(args[0])
			if err != nil {
				return err
			}
			said := struct {
				Expression  string   `json:"expression"`
				Zone        string   `json:"zone"`
				Explanation string   `json:"explanation"`
				Warnings    []string `json:"warnings"`
			}{s.String(), s.Zone().String(), s.Explain(string(lang)), append([]string{}, s.Warnings()...)}
			if output != "json" {
				warn(cmd, said.Warnings)
			}
			return show(cmd.OutOrStdout(), output, said, "%s", said.Explanation)
		},
	}
	c.addFlags(cmd)
	outputFlag(cmd, &output)
	cmd.Flags().Var(&lang, "lang", "`LANGUAGE`: en or ja")
	languages := cobra.FixedCompletions([]string{"en", "ja"}, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc("lang", languages) // the flag is there
	return cmd
}

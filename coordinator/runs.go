package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/told"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "runs", Short: "list the runs in a database, the newest first, also while they are served",
		Example: examples("coordinator runs", "coordinator runs --task mnist-2nn --state over --json"),
	}
	fs := c.Flags()
	task := fs.String("task", "", "list only the runs of this task")
	state := fs.String("state", "", "list only runs that are going, paused or over")
	dir := dataFlag(fs)
	asJSON := jsonFlag(fs)
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		switch *state {
		case "", "going", "paused", "over":
		default:
			return usageError(fmt.Sprintf("runs: --state is %q, want going, paused or over", *state))
		}
		query := url.Values{"limit": {"10000"}}
		if *task != "" {
			query.Set("task", *task)
		}
		if *state != "" {
			query.Set("state", *state)
		}
		all := []v1.Run{}
		if err := ask(*dir, func(c *admin.Client) error {
			for {
				var page v1.Page[v1.Run]
				if err := c.Do(ctx, http.MethodGet, "/runs?"+query.Encode(), nil, &page); err != nil {
					return err
				}
				if all = append(all, page.Items...); page.Next == "" {
					return nil
				}
				query.Set("cursor", page.Next)
			}
		}); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, all)
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		private := slices.ContainsFunc(all, func(r v1.Run) bool { return r.Privacy != nil })
		column := func(text string) string {
			if private {
				return text + "\t"
			}
			return ""
		}
		fmt.Fprintln(w, "no.\trun\tbegan\tversion\taccuracy\tloss\tstate\t"+column("privacy")+"note")
		for _, r := range all {
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s%s\n", r.Number, r.Run, r.Created.Local().Format("2006-01-02 15:04"), r.Version, figure("%.2f%%", r.TestAccuracy, 100), figure("%.4f", r.TestLoss, 1), printable(stateWords(&r)), column(privacyWords(r.Privacy)), printable(firstLine(r.Note)))
		}
		return w.Flush()
	})
	return c
}

// privacyWords says what a run tells of each participant.
func privacyWords(a *v1.Account) string {
	if a == nil {
		return ""
	}
	return told.Words(a)
}

// stateWords says how a run stands.
func stateWords(r *v1.Run) string {
	switch {
	case r.Finished != "":
		return "over: " + r.Finished
	case r.Paused != "":
		return "paused: " + r.Paused
	case r.Served:
		return "going"
	}
	return "going once it is served"
}

// printable returns a text without the characters that would change a terminal or a table.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// dataFlag adds the flag for the directory of the database.
func dataFlag(fs *pflag.FlagSet) *string {
	return fs.String("data", "fedtab-data", "directory of the database")
}

// runFlag adds the flag for the run that a command is about.
func runFlag(fs *pflag.FlagSet) *string {
	return fs.String("run", "", "identity of the run, its number, or the name of a task for its newest run")
}

// runPath returns the path of a run in the API.
func runPath(name string) string { return "/runs/" + url.PathEscape(name) }

// needRun refuses a command without its run.
func needRun(command, name string) error {
	if name == "" {
		return usageError(command + ": --run is missing, want the identity of a run, its number, or the name of a task")
	}
	return nil
}

// firstLine returns the first line of a text.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

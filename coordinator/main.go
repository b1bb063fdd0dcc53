// Command coordinator serves the page and the WebSocket of federated learning runs,
// or simulates a run without a network. Its other commands export models and records, predict
// with models, back up the database, give runs orders, start native clients, attack a
// coordinator, account for privacy and print tasks.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"fedtab/coordinator/records"
	"fedtab/coordinator/task"

	"github.com/spf13/cobra"
)

// Exit codes, as docs/operating.md lists them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // arguments, environment or the file of settings are wrong
)

func commands() []*cobra.Command {
	return []*cobra.Command{
		serveCommand(), simulateCommand(), compareCommand(), tasksCommand(), exportCommand(), predictCommand(), recordsCommand(), backupCommand(), runsCommand(), beginCommand(), pauseCommand(), resumeCommand(), stopCommand(), extendCommand(),
		rollbackCommand(), pinCommand(), annotateCommand(), deleteCommand(), inviteCommand(), clientCommand(), swarmCommand(), hostileCommand(), epsilonCommand(), identityCommand(), healthCommand(), versionCommand(),
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Main runs the program and returns its exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := execute(ctx, args, stdout, stderr)
	if err == nil {
		return exitDone
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(stderr, "coordinator:", strings.TrimRight(line, "\n"))
	}
	if _, ok := err.(usageError); ok {
		return exitUsage
	}
	return exitFailed
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := shell()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	// A misspelled command is told before its flags, which are none of the program's own.
	if c, _, err := root.Find(args); err == nil && c == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") && !strings.HasPrefix(args[0], "__") {
		return root.Args(root, args[:1])
	}
	return root.ExecuteContext(ctx)
}

// shell returns the program's command line.
func shell() *cobra.Command {
	cobra.EnableCommandSorting = false // the order of commands is that of use
	root := &cobra.Command{
		Use: "coordinator", Short: "fedtab coordinator: federated learning in browser tabs", Version: build(),
		SilenceErrors: true, SilenceUsage: true,
		Example: "  coordinator serve\n  coordinator simulate --task mnist-2nn --json result.json\n  coordinator completion bash > /etc/bash_completion.d/coordinator",
		Args: func(root *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range root.Commands() {
				names = append(names, c.Name())
			}
			hint := ""
			if near := task.Nearest(args[0], names); near != "" {
				hint = ", did you mean " + near + "?"
			}
			return usageError(fmt.Sprintf("unknown command %q%s (coordinator help lists them)", args[0], hint))
		},
		RunE: func(root *cobra.Command, _ []string) error {
			if err := root.Help(); err != nil {
				return err
			}
			return usageError("no command is given, want one of those above")
		},
	}
	root.SetVersionTemplate("fedtab {{.Version}}\n")
	root.PersistentFlags().String(configFlag, "", "`file` of settings in YAML: for each command its flags, as in serve: {addr: 0.0.0.0:8080} (default $FEDTAB_CONFIG)")
	root.AddCommand(commands()...)
	for _, c := range root.Commands() {
		c.Flags().SortFlags = false
		if f := c.Flags().Lookup("task"); f != nil {
			c.RegisterFlagCompletionFunc("task", cobra.FixedCompletions(task.Shipped(), cobra.ShellCompDirectiveDefault))
		}
		formats := []string{"safetensors", "onnx"}
		if c.Name() == "records" {
			formats = records.Formats
		}
		for flag, values := range map[string][]string{"state": {"going", "paused", "over"}, "format": formats, "table": records.Tables, "version": {"newest", "best"}, "accountant": accountants, "adjacency": adjacencies} {
			if c.Flags().Lookup(flag) != nil {
				c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
	root.SetFlagErrorFunc(flagError)
	return root
}

// action makes what a command does of a function. It takes no arguments beside flags, whose values may
// come from the environment or a file of settings.
func action(run func(ctx context.Context, stdout, stderr io.Writer) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError(fmt.Sprintf("%s: argument: %q, want flags only (see coordinator %s --help)", c.Name(), args[0], c.Name()))
		}
		if err := settle(c); err != nil {
			return err
		}
		return run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
	}
}

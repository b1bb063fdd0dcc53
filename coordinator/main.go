// Command coordinator serves the page and the WebSocket of federated learning runs,
// or simulates a run without a network. Its other commands export models, predict with them, start
// native clients, attack a coordinator and print tasks.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// A command is one of the program's subcommands.
type command struct {
	name, args, about string
	run               func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"serve", "[--addr HOST:PORT] [--admin-addr HOST:PORT] [--tls-cert FILE --tls-key FILE | --acme HOST[,HOST]... [--acme-directory URL] [--acme-ca FILE] [--acme-email ADDRESS]] [--http-addr HOST:PORT] [--data DIR] [--task NAME|FILE]... [--fresh] [--public-url URL] [--trusted-proxies CIDR,...] [--per-address N] [--count-loopback] [--verbose]", "serve the page and coordinate runs", serveCommand},
		{"simulate", "--task NAME|FILE [--seed N] [--set KEY=VALUE]... [--json FILE] [--ledger FILE] [--timing FILE]", "run a task without a network, in virtual time", simulateCommand},
		{"export", "--run RUN|TASK [--version N|newest|best] [--format safetensors|onnx] [--data DIR] [--out FILE]", "write a version of a model to a file, and its description beside it", exportCommand},
		{"predict", "--model FILE --data FILE [--out FILE] [--separator S] [--decimal point|comma] [--header present|absent] [--skip-problems]", "predict the rows of a table with a model that export has written", predictCommand},
		{"rollback", "--run RUN|TASK --version N [--data DIR]", "go back to the model of an earlier version, also while the run is served", rollbackCommand},
		{"invite", "--task T [--uses N] [--expires 2d] [--public-url URL] [--data DIR] [--qr|--no-qr] | --list | --revoke ID", "make a link by which participants join a task with join: invited, also while it is served", inviteCommand},
		{"client", "--url http://HOST:PORT/ --data FILE [--labels FILE] [--task NAME] [--invite LINK] [--decimal point|comma] [--layout first|last] [--map FIELD=COLUMN]... [--alias FIELD:TEXT=VALUE]... [--skip-problems]", "take part with data of one's own, which stays in the process", clientCommand},
		{"swarm", "--url http://HOST:PORT/ --clients N [--task NAME] [--invite LINK] [--drop P] [--slow P] [--seed N] [--adversaries KIND [--adversary-fraction F]]", "take part with native clients, for tests and load measurements", swarmCommand},
		{"hostile", "[--url ws://HOST:PORT/ws] [--i-own-this-server] [--only REGEXP] [--list] [--long] [--verbose]", "attack a coordinator and measure what honest participants lose", hostileCommand},
		{"tasks", "[--show NAME|FILE [--set KEY=VALUE]...] [--scheme NAME] [--init FILE.csv [--target COLUMN] [--decimal point|comma]]", "list the tasks that ship, or print one, the settings of a scheme, or a task for a table", tasksCommand},
		{"version", "", "print the version, the protocol, the Go version and the kernels", versionCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Main runs the program and returns its exit code: 0, 1 when a command fails,
// 2 when its arguments are wrong.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(stdout)
		if len(args) == 0 {
			return 2
		}
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], stdout, stderr)
		if err == nil {
			return 0
		}
		if err == errHelp {
			return 0
		}
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(stderr, "coordinator:", strings.TrimRight(line, "\n"))
		}
		if _, ok := err.(usageError); ok {
			return 2
		}
		return 1
	}
	fmt.Fprintf(stderr, "coordinator: unknown command %q, want one of: ", args[0])
	for i, c := range commands() {
		if i > 0 {
			fmt.Fprint(stderr, ", ")
		}
		fmt.Fprint(stderr, c.name)
	}
	fmt.Fprintln(stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "fedtab coordinator: federated learning in browser tabs\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  coordinator %s %s\n        %s\n", c.name, c.args, c.about)
	}
	fmt.Fprint(w, "\nEvery command takes --help.\n")
}

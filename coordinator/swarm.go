package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/swarm"
	"fedtab/learn/data"
	"fedtab/protocol/invite"
	"fedtab/simulation/adversary"

	"github.com/spf13/cobra"
)

func swarmCommand() *cobra.Command {
	var o swarm.Options
	c := &cobra.Command{
		Use: "swarm", Short: "take part with native clients, for tests and load measurements",
		Example: examples("coordinator swarm --url http://127.0.0.1:8080/ --task mnist-2nn --clients 20"),
	}
	fs := c.Flags()
	fs.StringVar(&o.URL, "url", "", "address of the page, http(s)://HOST:PORT/, or of the WebSocket, ws(s)://HOST:PORT/ws")
	fs.StringVar(&o.Task, "task", "mnist-2nn", "name of the task to take part in")
	text := fs.String("invite", "", "`link` of an invite with a use for each client, or the code at its end, for a task that is joined by invite")
	from := fs.String("from", "", "for a task with own data: the same task, by name or file, whose data.from is divided among the clients")
	fs.IntVar(&o.Clients, "clients", 10, "number of clients, 1 to 10000")
	fs.Float64Var(&o.Drop, "drop", 0, "probability that a client loses its socket during an order")
	fs.Float64Var(&o.Slow, "slow", 0, "probability that a client pauses before it works on an order")
	fs.Uint64Var(&o.Seed, "seed", 1, "seed of the faults and of the choice of adversaries")
	fs.StringVar(&o.Adversaries.Kind, "adversaries", "", "kind of the clients that attack the run: "+strings.Join(adversary.Kinds, ", ")+" (docs/simulation.md)")
	fs.Float64Var(&o.Adversaries.Fraction, "adversary-fraction", 0, "share of the clients that are adversaries; with --adversaries, 0 is 0.2")
	fs.Float64Var(&o.Adversaries.Scale, "adversary-scale", 0, "factor of sign-flip, scale, backdoor and inner-product; 0 is the kind's default")
	fs.Float64Var(&o.Adversaries.Noise, "adversary-noise", 0, "norm of the noise over the norm of the honest delta, of kind noise; 0 is its default")
	fs.IntVar(&o.Adversaries.Target, "adversary-target", 0, "class that the trigger of a backdoor stands for")
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		o.Invite = invite.Code(*text)
		if o.Adversaries.Kind != "" && o.Adversaries.Fraction == 0 {
			o.Adversaries.Fraction = 0.2
		}
		if *from != "" {
			var err error
			if o.Own, err = divided(*from, o.Clients, stderr); err != nil {
				return err
			}
		}
		if ps := o.Problems(); len(ps) > 0 {
			return usageError("swarm: " + strings.Join(ps, "\nswarm: "))
		}
		o.Log = newLog(stderr, slog.LevelInfo)
		t, err := swarm.Run(ctx, o)
		fmt.Fprintf(stdout, "%d contributions accepted, %d rejected, %d reconnections\n", t.Accepted, t.Rejected, t.Reconnects)
		if t.Finished != "" {
			fmt.Fprintf(stdout, "the training is finished: %s\n", t.Finished)
		}
		return err
	})
	return c
}

// divided returns what each of a number of clients has of the data of a task with own
// data.
func divided(name string, clients int, stderr io.Writer) ([]*data.Own, error) {
	t, err := flagTask("--from", name, []string{fmt.Sprintf("data.from.partition.clients=%d", clients)})
	if err != nil {
		return nil, err
	}
	d, err := dataset.Open(t)
	if err != nil {
		return nil, err
	}
	if d.Own == nil {
		return nil, fmt.Errorf("--from %s: its clients get their data from the coordinator, want a task with own data", t.Name)
	}
	if err := d.Divide(t); err != nil {
		return nil, err
	}
	for _, note := range d.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", t.Name, note)
	}
	return d.Parts, nil
}

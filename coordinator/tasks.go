package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"fedtab/coordinator/task"
)

func tasksCommand(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := flag.NewFlagSet("tasks", flag.ContinueOnError)
	show := fs.String("show", "", "print this task with all its defaults filled in")
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	if *show != "" {
		t, err := task.Find(*show, nil)
		if err != nil {
			return err
		}
		_, err = stdout.Write(t.YAML())
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, name := range task.Shipped() {
		t, err := task.Find(name, nil)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s, %s\n", t.Name, t.Title, t.Strategy.Kind, t.Data.Source)
	}
	return w.Flush()
}

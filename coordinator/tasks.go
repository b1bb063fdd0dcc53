package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"fedtab/coordinator/dataset"
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
		if _, err = stdout.Write(t.YAML()); err != nil {
			return err
		}
		return describe(stdout, t)
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

// describe adds, as comments below a task, what its model and its data are.
func describe(w io.Writer, t *task.Task) error {
	d, err := dataset.Open(t)
	if err != nil {
		return err
	}
	m, err := d.Model(t)
	if err != nil {
		return err
	}
	c := m.Cost()
	_, err = fmt.Fprintf(w, "\n# model: %v\n# %d parameters; %.3g MFLOP forward and %.3g MFLOP in training for one example\n"+
		"# memory of training, beside the model and its copy: %.2g MB for a batch of 10, %.2g MB for one of 100\n# data: %s\n",
		m.Spec(), c.Parameters, float64(c.Forward)/1e6, float64(c.Training)/1e6,
		float64(c.Numbers)*4*10/1e6, float64(c.Numbers)*4*100/1e6, d.Summary)
	return err
}

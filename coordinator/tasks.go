package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/strategy"

	"github.com/spf13/cobra"
)

func tasksCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "tasks", Short: "list the tasks that ship, or print one, the settings of a scheme, or a task for a table",
		Example: examples("coordinator tasks --show mnist-2nn", "coordinator tasks --scheme dynamic", "coordinator tasks --init patients.csv --target outcome > patients.yaml"),
	}
	fs := c.Flags()
	show := fs.String("show", "", "print this task with all defaults, and a description of its model and data")
	scheme := fs.String("scheme", "", "print the settings of this scheme: defaults, ranges and meanings")
	table := fs.String("init", "", "print a task for this CSV file, with what its columns seem to hold")
	target := fs.String("target", "", "with --init: the predicted column, by name or number from 1 (default the last)")
	decimal := fs.String("decimal", "", "with --init: the decimal sign, point or comma (default what the numbers show)")
	var sets list
	fs.Var(&sets, "set", "with --show: change a field, such as data.partition.clients=10; may be repeated")
	asJSON := jsonFlag(fs)
	c.RunE = action(func(_ context.Context, stdout, _ io.Writer) error {
		if *show == "" && len(sets) > 0 {
			return usageError(fmt.Sprintf("tasks: --set %s: given without --show, want --show NAME|FILE beside it", sets[0]))
		}
		if *table == "" && (*target != "" || *decimal != "") {
			return usageError("tasks: --target or --decimal is given without --init, want --init FILE beside it")
		}
		if given := slices.DeleteFunc([]string{*show, *scheme, *table}, func(s string) bool { return s == "" }); len(given) > 1 {
			return usageError("tasks: want one of --show, --scheme and --init at a time")
		}
		if *asJSON && (*show != "" || *scheme != "" || *table != "") {
			return usageError("tasks: --json is given beside --show, --scheme or --init, want it alone: it is for the list")
		}
		if *table != "" {
			dialect := dataset.Dialect("", *decimal, "")
			if *decimal != "" && dialect.Decimal == 0 {
				return usageError(fmt.Sprintf("tasks: --decimal is %q, want point or comma", *decimal))
			}
			return initTask(stdout, *table, *target, dialect)
		}
		if *scheme != "" {
			return describeScheme(stdout, *scheme)
		}
		if *show != "" {
			t, err := flagTask("--show", *show, sets)
			if err != nil {
				return err
			}
			if _, err := stdout.Write(t.YAML()); err != nil {
				return err
			}
			return describe(stdout, t)
		}
		type listed struct {
			Name     string `json:"name"`
			Title    string `json:"title"`
			Strategy string `json:"strategy"`
			Data     string `json:"data"`
		}
		var all []listed
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		for _, name := range task.Shipped() {
			t, err := task.Find(name, nil)
			if err != nil {
				return err
			}
			all = append(all, listed{t.Name, t.Title.String(), t.Strategy.Kind, t.Data.Source})
			fmt.Fprintf(w, "%s\t%s\t%s, %s\n", t.Name, t.Title, t.Strategy.Kind, t.Data.Source)
		}
		if *asJSON {
			return printJSON(stdout, all)
		}
		return w.Flush()
	})
	return c
}

// initTask writes a task for a CSV file. It is tried before it is printed.
func initTask(w io.Writer, path, target string, dialect data.CSV) error {
	g, err := dataset.Guess(path, dialect)
	if err != nil {
		return fmt.Errorf("--init: %w", err)
	}
	text, err := task.Init(path, g, task.Guessed{Target: target, Participants: task.DefaultParticipants, Simulated: true})
	if err != nil {
		return fmt.Errorf("--init: %w", err)
	}
	if _, err := tried("the task for "+path, text); err != nil {
		return fmt.Errorf("--init: %w", err)
	}
	_, err = w.Write(text)
	return err
}

// describeScheme writes the table of a scheme's settings.
func describeScheme(w io.Writer, name string) error {
	all := strategy.Schemes()
	s, ok := all.Find(name)
	if !ok {
		return fmt.Errorf("scheme: %q, want one of %s", name, strings.Join(all.Names(), ", "))
	}
	_, err := fmt.Fprintf(w, "%s (%s): %s.\n\n%s", s.Title, s.Name, s.Help, s.Table())
	return err
}

// describe writes a task's model and data as comments, so that the output of --show
// is a task file. Missing data is no error.
func describe(w io.Writer, t *task.Task) error {
	var b bytes.Buffer
	d, err := dataset.Open(t)
	if err == nil && t.Data.From.CSV != "" {
		err = d.Divide(t)
	}
	if err != nil {
		fmt.Fprintf(&b, "the data cannot be loaded: %v\n", err)
	} else if err := describeModel(&b, t, d); err != nil {
		return err
	} else if err := describeStrategy(&b, t, d); err != nil {
		return err
	} else if err := describeSecure(&b, t, d); err != nil {
		return err
	} else if err := d.Describe(&b); err != nil {
		return err
	}
	if err := describeClaim(&b, t, d); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprint(w, "# ", line); err != nil {
			return err
		}
	}
	return nil
}

// describeStrategy writes why the strategy rejects the model or the clients, if it
// does.
func describeStrategy(w io.Writer, t *task.Task, d *dataset.Dataset) error {
	m, err := d.Model(t)
	if err != nil {
		return err
	}
	for _, way := range []struct {
		live bool
		word string
	}{{false, "simulated"}, {true, "live"}} {
		if _, err := d.Strategy(t, m, way.live, t.SamplingSeed()); err != nil {
			fmt.Fprintf(w, "rejected when %s: %v\n", way.word, err)
		}
	}
	return nil
}

// describeSecure writes what secure aggregation makes of the settings: neighbours and
// thresholds, what a parameter is rounded to, and what travels.
func describeSecure(w io.Writer, t *task.Task, d *dataset.Dataset) error {
	if !t.Privacy.Secure() {
		return nil
	}
	m, err := d.Model(t)
	if err != nil {
		return err
	}
	of, f, err := t.SecureTerms(m.Layout().Size)
	if err != nil {
		return err
	}
	fewest := of.Fewest(f.Clients)
	fmt.Fprintf(w, "secure: sums of %d to %d participants, %d of which must be left; a round shows only its sums to a coordinator that follows the protocol (docs/privacy.md)\n", fewest, f.Clients, of.Min)
	for _, n := range slices.Compact([]int{fewest, f.Clients}) {
		p, err := of.Parameters(n)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  of %d: %d neighbours, threshold %d; more than the sum shows with probability %s, no sum with %s\n", n, p.Neighbours, p.Threshold, chance(p.Privacy), chance(p.Failure))
	}
	opens := t.Fewest(m.Layout().Size)
	fmt.Fprintf(w, "  a round opens with %d participants or more, and withstands that %d of %d drop out\n", opens, fewest-max(of.Min, fewest-int(of.Dropout*float64(fewest))), fewest)
	if n := t.Privacy.Groups; n > 0 {
		fmt.Fprintf(w, "  groups: of %d to %d participants, %d or more of them, each with a sum of its own\n", n, f.Clients, t.Strategy.Combined(m.Layout().Size))
	}
	fmt.Fprintf(w, "  a parameter: %d levels, %d bits; a round sends %d of %d, %.2f bits a parameter\n", 2*f.Levels()+1, f.Bits, f.Sent(), f.Parameters, float64(f.Bits*f.Length())/float64(f.Parameters))
	return nil
}

// chance writes a probability of which the logarithm to base 2 is given.
func chance(log float64) string {
	if math.IsInf(log, -1) {
		return "0"
	}
	return fmt.Sprintf("2^%.1f", log)
}

func describeModel(w io.Writer, t *task.Task, d *dataset.Dataset) error {
	m, err := d.Model(t)
	if err != nil {
		return err
	}
	c := m.Cost()
	largest := 0 // examples of a client
	if d.Own != nil {
		largest = d.Own.Max
	} else {
		largest = slices.Max(d.Sizes())
	}
	memory := trainingMemory(t, m, largest)
	mb := func(bytes int) float64 { return float64(bytes) / 1e6 }
	_, err = fmt.Fprintf(w, "model: %v\n%d parameters; %.3g MFLOP forward and %.3g MFLOP in training for one example\n"+
		"memory of training: %.3g MB: %.3g MB for the parameters, %.3g MB for gradients, the optimiser and the last finite parameters, %.3g MB of buffers for %d examples at a time\n",
		m.Spec(), c.Parameters, float64(c.Forward)/1e6, float64(c.Training)/1e6,
		mb(memory.Total()), mb(memory.Parameters), mb(memory.Copies), mb(memory.Buffers), memory.Examples)
	return err
}

// trainingMemory returns the memory of training a task's model on a number of examples.
func trainingMemory(t *task.Task, m learn.Model, examples int) learn.Memory {
	fit := learn.FitConfig{
		Batch: t.Strategy.Batch, Optimiser: t.Optimiser.Learn(), Prox: float32(t.Strategy.Prox), SumOnly: t.Strategy.Scheme().Gradients,
	}
	if t.Strategy.Correction == "scaffold" {
		fit.Correction = []float32{}
	}
	return fit.Memory(m, examples)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/dataset"
	"fedtab/learn/export"
	"fedtab/learn/predict"

	"github.com/spf13/cobra"
)

func predictCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "predict", Short: "predict the rows of a table with a model: of a run, also while it is served, or that export has written",
		Example: examples("coordinator predict --run anes96 --data new.csv --out predicted.csv", "coordinator predict --model model.safetensors --data new.csv"),
	}
	fs := c.Flags()
	name := fs.String("model", "", "safetensors file that coordinator export has written, of a model of a table")
	run := fs.String("run", "", "in place of --model, identity of a run, its number, or the name of a task for its newest run that has a version")
	version := fs.String("version", "newest", "version of --run: newest, best, or a number")
	database := fs.String("database", "fedtab-data", "directory of the database that --run is in")
	table := fs.String("data", "", "CSV file of the rows, with the columns that the model was trained with")
	outFile := fs.String("out", "-", "CSV file to write the predictions to, - for standard output")
	skip := fs.Bool("skip-problems", false, "go on after rows with problems, and write the line and the problems of each row")
	written := dialectFlags(fs, "--data")
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		switch {
		case *name == "" && *run == "":
			return usageError("predict: --model is missing, want a file that coordinator export has written, or --run")
		case *name != "" && *run != "":
			return usageError("predict: --model and --run are both given, want one of them")
		case *run == "" && (fs.Changed("version") || fs.Changed("database")):
			return usageError("predict: --version and --database are of --run, which is missing")
		case *table == "":
			return usageError("predict: --data is missing, want a CSV file")
		}
		dialect, err := written.read("predict")
		if err != nil {
			return err
		}
		var m *predict.Model
		if *run != "" {
			if m, err = fetchModel(ctx, *database, *run, *version); err != nil {
				return fmt.Errorf("--run %s: %w", *run, err)
			}
		} else if m, err = loadModel(*name); err != nil {
			return fmt.Errorf("--model %s: %w", *name, err)
		}
		in, err := dataset.OpenFile(*table)
		if err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		defer in.Close()
		rows, err := m.Rows(in, *table, dialect)
		if err != nil {
			return err
		}
		rows.Strict = !*skip
		// A table that is refused has no predictions: they are held until its end.
		var held bytes.Buffer
		w := predict.NewWriter(&held, m, *skip)
		summary, err := m.Table(rows, w.Write)
		if err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		out, err := createWhole("--out", *outFile, stdout)
		if err != nil {
			return err
		}
		defer out.Close()
		_, err = out.Write(held.Bytes())
		if err := errors.Join(err, out.done()); err != nil {
			return fmt.Errorf("--out %s: %w", *outFile, err)
		}
		judge(stderr, m, summary)
		return nil
	})
	return c
}

// loadModel reads a model of a table.
func loadModel(path string) (*predict.Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, export.MaxFile+1)) // Read refuses more than that
	if err != nil {
		return nil, err
	}
	return readModel(text)
}

// fetchModel returns the model of a version of a run.
func fetchModel(ctx context.Context, dir, run, version string) (*predict.Model, error) {
	var text []byte
	if err := ask(dir, func(c *admin.Client) error {
		return c.Do(ctx, http.MethodGet, modelPath(run, version, "safetensors"), nil, &text)
	}); err != nil {
		return nil, err
	}
	return readModel(text)
}

func readModel(text []byte) (*predict.Model, error) {
	m, err := export.Read(text)
	if err != nil {
		return nil, err
	}
	if m.Encoding == nil {
		return nil, errors.New("is a model of images, want one of a table")
	}
	return predict.New(m)
}

// judge writes the figures of the rows that have a target.
func judge(w io.Writer, m *predict.Model, s *predict.Summary) {
	switch n := s.Rejected; {
	case n == 1:
		fmt.Fprintln(w, "1 row with problems has no prediction")
	case n > 1:
		fmt.Fprintf(w, "%d rows with problems have no prediction\n", n)
	}
	known := s.Metrics.Examples
	if known == 0 {
		fmt.Fprintf(w, "%d rows, none with %s\n", s.Rows, m.Encoding.Target.Name)
		return
	}
	without := ""
	if n := s.Rows - known; n > 0 {
		without = fmt.Sprintf("; %d more rows without %s", n, m.Encoding.Target.Name)
	}
	f := s.Metrics.Figures()
	if m.Classes == nil {
		fmt.Fprintf(w, "%d rows: RMSE %.9g, MAE %.9g, R2 %.6f%s\n", f.Examples, f.RMSE, f.MAE, f.R2, without)
		return
	}
	fmt.Fprintf(w, "%d rows: accuracy %.2f%% (%d right), balanced accuracy %.2f%%, F1 %.4f%s\n",
		f.Examples, 100*f.Accuracy, s.Metrics.Correct, 100*f.BalancedAccuracy, f.F1, without)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/models"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/learn/export"

	"github.com/spf13/cobra"
)

func exportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "write a version of a model to a file, and its description beside it",
		Example: examples("coordinator export --run mnist-2nn", "coordinator export --run mnist-2nn --version best --format onnx --out model.onnx"),
	}
	fs := c.Flags()
	name := fs.String("run", "", "identity of the run, or the name of a task for its newest run that has a version")
	want := fs.String("version", "newest", "version to write: newest, best, or a number")
	format := fs.String("format", "safetensors", "format of the file: safetensors or onnx")
	dir := fs.String("data", "fedtab-data", "directory of the database")
	out := fs.String("out", "", "file to write (default RUN-VERSION.FORMAT), - for standard output; the description goes beside it, into a file that ends in .json")
	c.RunE = action(func(_ context.Context, stdout, _ io.Writer) error {
		switch {
		case *name == "":
			return usageError("export: --run is missing, want the identity of a run or the name of a task")
		case *format != "safetensors" && *format != "onnx":
			return usageError(fmt.Sprintf("export: --format is %q, want safetensors or onnx", *format))
		case filepath.Ext(*out) == sidecarExt:
			return usageError(fmt.Sprintf("export: --out is %q, want a name that does not end in %s, where the description goes", *out, sidecarExt))
		}
		if _, err := os.Stat(filepath.Join(*dir, store.File)); err != nil {
			return fmt.Errorf("--data %s: %w", *dir, err) // Open would make one
		}
		s, err := store.Open(*dir, build())
		if errors.Is(err, store.ErrLocked) {
			return fmt.Errorf("%w; a coordinator that runs serves /api/tasks/TASK/models/%s.%s", err, *want, *format)
		}
		if err != nil {
			return err
		}
		defer s.Close()
		r, err := findModel(s, *dir, *name)
		if err != nil {
			return err
		}
		model, _, err := storedModel(s, r, *want)
		if err != nil {
			return err
		}
		file, err := models.File(model, *format)
		if err != nil {
			return err
		}
		if *out == "-" {
			_, err := stdout.Write(file)
			return err
		}
		if *out == "" {
			*out = fmt.Sprintf("%s-%d.%s", r.ID, model.Version, *format)
		}
		sidecar := strings.TrimSuffix(*out, filepath.Ext(*out)) + sidecarExt
		if err := os.WriteFile(*out, file, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(sidecar, model.Sidecar(), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: version %d of run %s, %d parameters; %s describes them\n", *out, model.Version, r.ID, len(model.Params), sidecar)
		return nil
	})
	return c
}

// sidecarExt is the extension of the description beside a file.
const sidecarExt = ".json"

// findModel returns the run of a database that has an identity, or the newest of the task
// that has a name: one with a version, as a run that was begun anew hides no model, if there
// is any.
func findModel(s *store.Store, dir, name string) (store.Run, error) {
	r, ok, err := s.FindRun(name)
	if err == nil && !ok {
		r, ok, err = s.LatestModel(name)
	}
	if err != nil || ok {
		return r, err
	}
	return findRun(s, dir, name)
}

// storedModel returns a version of a run with all that describes it, and the run's data as it
// is now.
func storedModel(s *store.Store, r store.Run, want string) (*export.Model, *dataset.Dataset, error) {
	saved, err := s.Load(r.ID)
	if err != nil {
		return nil, nil, err
	}
	version, err := models.Pick(saved.Rounds, want)
	if err != nil {
		return nil, nil, fmt.Errorf("run %s: %w", r.ID, err)
	}
	params, hash, err := s.Model(r.ID, version)
	if err != nil {
		return nil, nil, err
	}
	t, err := task.Parse("the task of run "+r.ID, r.Spec)
	if err != nil {
		return nil, nil, err
	}
	t.Evaluate.Test = task.Test{} // a model has nothing of it, and the file may not be here
	d, err := dataset.Open(t)
	if err != nil {
		return nil, nil, err
	}
	m, err := d.Model(t)
	if err != nil {
		return nil, nil, err
	}
	if saved.Constants != nil && d.Own != nil {
		if err := d.SetConstants(*saved.Constants); err != nil {
			return nil, nil, fmt.Errorf("run %s: %w", r.ID, err)
		}
	}
	return models.Of(t, d, m.Spec(), r.ID, version, params, hash), d, nil
}

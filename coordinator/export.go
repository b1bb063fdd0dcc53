package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"fedtab/coordinator/admin"
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
	name := fs.String("run", "", "identity of the run, its number, or the name of a task for its newest run that has a version")
	want := fs.String("version", "newest", "version to write: newest, best, or a number")
	format := fs.String("format", "safetensors", "format of the file: safetensors or onnx (default as --out ends)")
	dir := dataFlag(fs)
	out := fs.String("out", "", "file to write (default RUN-VERSION.FORMAT), - for standard output; the description goes beside it, into a file that ends in .json")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if ext := strings.TrimPrefix(filepath.Ext(*out), "."); !fs.Changed("format") && ext == "onnx" {
			*format = ext
		}
		switch {
		case *name == "":
			return needRun("export", *name)
		case *format != "safetensors" && *format != "onnx":
			return usageError(fmt.Sprintf("export: --format is %q, want safetensors or onnx", *format))
		case filepath.Ext(*out) == sidecarExt:
			return usageError(fmt.Sprintf("export: --out is %q, want a name that does not end in %s, where the description goes", *out, sidecarExt))
		}
		var file, description []byte
		var run, version string
		if err := ask(*dir, func(c *admin.Client) error {
			header, err := c.Ask(ctx, http.MethodGet, modelPath(*name, *want, *format), http.Header{}, nil, &file)
			if err != nil {
				return err
			}
			run, version = header.Get("Fedtab-Run"), header.Get("Fedtab-Version")
			_, err = c.Ask(ctx, http.MethodGet, modelPath(run, version, "json"), http.Header{}, nil, &description)
			return err
		}); err != nil {
			return err
		}
		if *out == "-" {
			_, err := stdout.Write(file)
			return err
		}
		if *out == "" {
			*out = run + "-" + version + "." + *format
		}
		sidecar := strings.TrimSuffix(*out, filepath.Ext(*out)) + sidecarExt
		if err := os.WriteFile(*out, file, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(sidecar, description, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: version %s of run %s; %s describes it\n", *out, version, run, sidecar)
		return nil
	})
	return c
}

// modelPath returns the path of a model in the API.
func modelPath(run, version, format string) string {
	return runPath(run) + "/models/" + url.PathEscape(version) + "?format=" + format
}

// sidecarExt is the extension of the description beside a file.
const sidecarExt = ".json"

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

package main

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/records"

	"github.com/spf13/cobra"
)

func recordsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "records", Short: "write what is recorded of a run's rounds to a file: CSV, JSON Lines, or for TensorBoard",
		Example: examples("coordinator records --run mnist-2nn --out rounds.csv", "coordinator records --run mnist-2nn --table traffic --format jsonl --out - | jq .bytes_up", "coordinator records --run mnist-2nn --format tensorboard --out logs"),
	}
	fs := c.Flags()
	name := runFlag(fs)
	format := fs.String("format", "csv", "format of the file: csv, jsonl (JSON Lines) or tensorboard (default as --out ends)")
	table := fs.String("table", "rounds", "what to write: rounds, contributions, or traffic, which is what each participant has sent and was sent")
	withheld := fs.Bool("withheld", false, "of a run with noise write also what is withheld: who has taken part in which round, and bytes. No claim of privacy covers whoever sees the file")
	dir := dataFlag(fs)
	out := fs.String("out", "", "file to write (default RUN-TABLE.FORMAT), - for standard output; for tensorboard the directory of all runs, where RUN/events.out.tfevents.TIME.RUN is written (default .)")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if ext := strings.TrimPrefix(filepath.Ext(*out), "."); !fs.Changed("format") && slices.Contains(records.Formats, ext) {
			*format = ext
		}
		if *name == "" {
			return needRun("records", *name)
		}
		if err := (records.File{Table: *table, Format: *format}).Validate(); err != nil {
			return usageError("records: --" + err.Error())
		}
		query := url.Values{"format": {*format}, "table": {*table}}
		if *withheld {
			query.Set("withheld", "true")
		}
		return save(ctx, *dir, runPath(*name)+"/records?"+query.Encode(), 0o666, stdout, func(run, file string) (string, error) {
			switch {
			case *out == "-":
				return *out, nil
			case *format == "tensorboard":
				logs := filepath.Join(*out, run)
				return filepath.Join(logs, file), os.MkdirAll(logs, 0o777)
			case *out == "":
				return file, nil
			}
			return *out, nil
		})
	})
	return c
}

func backupCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "backup", Short: "copy the database to a file, also while it is served",
		Example: examples("coordinator backup --out /backups/fedtab.db", "coordinator backup --out - | gzip > fedtab.db.gz"),
	}
	fs := c.Flags()
	dir := dataFlag(fs)
	out := fs.String("out", "", "file to write (default fedtab-TIME.db), - for standard output; it has the secret of resume tokens and invites")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if err := isNew("--out", *out); err != nil { // before the coordinator makes a copy
			return err
		}
		return save(ctx, *dir, "/backup", 0o600, stdout, func(_, file string) (string, error) {
			if *out == "" {
				return file, nil
			}
			return *out, nil
		})
	})
	return c
}

// save writes a file of the API to the place that a function has for the run that it is of, and
// for its name. It appears once it is whole.
func save(ctx context.Context, dir, path string, mode os.FileMode, stdout io.Writer, place func(run, file string) (string, error)) error {
	return ask(dir, func(c *admin.Client) error {
		header, body, err := c.Open(ctx, path)
		if err != nil {
			return err
		}
		defer body.Close()
		_, named, err := mime.ParseMediaType(header.Get("Content-Disposition"))
		if err != nil {
			return fmt.Errorf("the coordinator names no file: %w", err)
		}
		name, err := place(header.Get("Fedtab-Run"), filepath.Base(named["filename"]))
		if err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		f, err := createNew("--out", name, mode, stdout)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, body); err != nil {
			return fmt.Errorf("%s cannot be written whole: %w", name, err)
		}
		if err := f.done(); err != nil {
			return fmt.Errorf("%s cannot be written whole: %w", name, err)
		}
		if name != "-" {
			fmt.Fprintln(stdout, name)
		}
		return nil
	})
}

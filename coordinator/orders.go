package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// orderCommand returns a command that gives an order to change a run. flags adds its own
// flags; check finds what is wrong with them; give gives the order and returns what to print.
func orderCommand(c *cobra.Command, check func() error, give func(ctx context.Context, c *admin.Client, path string) (string, error)) *cobra.Command {
	fs := c.Flags()
	name := runFlag(fs)
	dir := dataFlag(fs)
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if err := needRun(c.Name(), *name); err != nil {
			return err
		}
		if check != nil {
			if err := check(); err != nil {
				return err
			}
		}
		var text string
		err := ask(*dir, func(client *admin.Client) (err error) {
			text, err = give(ctx, client, runPath(*name))
			return err
		})
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("%w: a coordinator that has begun to carry the order out goes on with it; its log says how the run stands", err)
		}
		if err == nil {
			_, err = fmt.Fprintln(stdout, text)
		}
		return err
	})
	return c
}

// reasonFlag adds the flag of orders that participants are told.
func reasonFlag(fs *pflag.FlagSet, what string) (reason *string, check func(command string) error) {
	reason = fs.String("reason", "", "what participants read beside '"+what+" by its organiser'")
	return reason, func(command string) error {
		if n := utf8.RuneCountInString(*reason); n > admin.MaxReason {
			return usageError(fmt.Sprintf("%s: --reason has %d characters, want at most %d", command, n, admin.MaxReason))
		}
		return nil
	}
}

func stopCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "stop", Short: "end a run, also while it is served: its model stays, its participants are told why",
		Example: examples("coordinator stop --run mnist-2nn", "coordinator stop --run mnist-2nn-3f2a9c01 --reason 'the lesson is over'"),
	}
	reason, check := reasonFlag(c.Flags(), "stopped")
	return orderCommand(c, func() error { return check("stop") }, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		var done v1.Done
		err := client.Do(ctx, http.MethodPost, path+"/stop", map[string]string{"reason": *reason}, &done)
		return fmt.Sprintf("run %s is over at version %d: %s", done.Run, done.Version, admin.Because("stopped", *reason)), err
	})
}

func pauseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "pause", Short: "have a run open no round until it is resumed, also while it is served: its participants stay, and are told why",
		Example: examples("coordinator pause --run mnist-2nn --reason 'back after lunch'"),
	}
	reason, check := reasonFlag(c.Flags(), "paused")
	return orderCommand(c, func() error { return check("pause") }, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		var done v1.Done
		err := client.Do(ctx, http.MethodPost, path+"/pause", map[string]string{"reason": *reason}, &done)
		return fmt.Sprintf("run %s is paused at version %d", done.Run, done.Version), err
	})
}

func resumeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "resume", Short: "have a paused run go on, also while it is served",
		Example: examples("coordinator resume --run mnist-2nn"),
	}
	return orderCommand(c, nil, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		var done v1.Done
		err := client.Do(ctx, http.MethodPost, path+"/resume", nil, &done)
		return fmt.Sprintf("run %s goes on from version %d", done.Run, done.Version), err
	})
}

func extendCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "extend", Short: "have a run go on for longer, also one that is over, and also while it is served",
		Example: examples("coordinator extend --run mnist-2nn --by 10", "coordinator extend --run mnist-2nn --rounds 200 --accuracy 0.98", "coordinator extend --run mnist-2nn --by 50 --accuracy 0"),
	}
	fs := c.Flags()
	var o v1.Extension
	fs.IntVar(&o.By, "by", 0, "rounds to add: to the newest version of a run that is over, else to those that it was to have")
	fs.IntVar(&o.Rounds, "rounds", 0, "rounds that the run is to have in all")
	accuracy := fs.Float64("accuracy", -1, "accuracy that ends the run, on the validation set or else on the test set, 0 to 1; 0: none does (default as it is)")
	return orderCommand(c, func() error {
		switch {
		case (o.By == 0) == (o.Rounds == 0):
			return usageError("extend: want one of --by and --rounds")
		case o.By < 0 || o.Rounds < 0:
			return usageError("extend: --by or --rounds is negative, want a number of rounds")
		}
		if fs.Changed("accuracy") {
			if !(*accuracy >= 0 && *accuracy <= 1) {
				return usageError(fmt.Sprintf("extend: --accuracy is %v, want 0 to 1", *accuracy))
			}
			o.Accuracy = accuracy
		}
		return nil
	}, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		var done v1.Done
		err := client.Do(ctx, http.MethodPost, path+"/extend", o, &done)
		return fmt.Sprintf("run %s goes on from version %d to %d rounds", done.Run, done.Version, done.Rounds), err
	})
}

func rollbackCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rollback", Short: "go back to the model of an earlier version, also while the run is served",
		Example: examples("coordinator rollback --run mnist-2nn --version 12"),
	}
	version, check := versionFlag(c.Flags(), "version to go back to, whose model is still kept; 0 is the model before training")
	return orderCommand(c, func() error { return check("rollback") }, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		var done v1.Done
		err := client.Do(ctx, http.MethodPost, path+"/rollback", map[string]uint64{"version": *version}, &done)
		return fmt.Sprintf("run %s: version %d is the model of version %d", done.Run, done.Version, *version), err
	})
}

// versionFlag adds the flag of orders about a version.
func versionFlag(fs *pflag.FlagSet, usage string) (version *uint64, check func(command string) error) {
	want := fs.String("version", "", usage)
	version = new(uint64)
	return version, func(command string) (err error) {
		if *version, err = strconv.ParseUint(*want, 10, 64); err != nil {
			return usageError(fmt.Sprintf("%s: --version is %q, want the number of a version", command, *want))
		}
		return nil
	}
}

func pinCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "pin", Short: "keep the model of a version whatever is committed later, also while the run is served",
		Example: examples("coordinator pin --run mnist-2nn --version 12", "coordinator pin --run mnist-2nn --version 12 --off"),
	}
	version, check := versionFlag(c.Flags(), "version to keep, whose model is still there")
	off := c.Flags().Bool("off", false, "keep it no longer than others")
	return orderCommand(c, func() error { return check("pin") }, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		method, is := http.MethodPut, "is pinned"
		if *off {
			method, is = http.MethodDelete, "is no longer pinned"
		}
		var pinned v1.Pinned
		err := client.Do(ctx, method, fmt.Sprintf("%s/versions/%d/pin", path, *version), nil, &pinned)
		return fmt.Sprintf("run %s: version %d %s", pinned.Run, pinned.Version, is), err
	})
}

func annotateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "annotate", Short: "write a note on a run: why it was made, what came out; runs lists its first line",
		Example: examples("coordinator annotate --run mnist-2nn --note 'learning rate .2, as in figure 3'", "coordinator annotate --run mnist-2nn --note ''"),
	}
	fs := c.Flags()
	note := fs.String("note", "", "the note, in place of the one before; empty: none")
	return orderCommand(c, func() error {
		if !fs.Changed("note") {
			return usageError("annotate: --note is missing, want a text, which may be empty")
		}
		return nil
	}, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		header, err := client.Ask(ctx, http.MethodGet, path+"/settings", http.Header{}, nil, nil)
		if err != nil {
			return "", err
		}
		change, err := json.Marshal(map[string]string{"note": *note})
		if err != nil {
			return "", err
		}
		_, err = client.Ask(ctx, http.MethodPatch, path+"/settings", http.Header{"If-Match": {header.Get("ETag")}, "Content-Type": {"application/json"}}, bytes.NewReader(change), nil)
		return "the note is written", err
	})
}

func deleteCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "delete", Short: "delete a run that is over, with its models and all that is recorded of it",
		Example: examples("coordinator delete --run mnist-2nn-3f2a9c01 --confirm mnist-2nn-3f2a9c01"),
	}
	confirm := c.Flags().String("confirm", "", "the identity of the run, once more: it is gone for good")
	return orderCommand(c, nil, func(ctx context.Context, client *admin.Client, path string) (string, error) {
		var r v1.Detail
		if err := client.Do(ctx, http.MethodGet, path, nil, &r); err != nil {
			return "", err
		}
		if *confirm != r.Run.Run {
			return "", fmt.Errorf("run %s is at version %d, with %d bytes of models, and would be gone for good: to delete it, add --confirm %s", r.Run.Run, r.Version, r.KeptBytes, r.Run.Run)
		}
		err := client.Do(ctx, http.MethodDelete, path+"?confirm="+url.QueryEscape(*confirm), nil, nil)
		return fmt.Sprintf("run %s is deleted", r.Run.Run), err
	})
}

func beginCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "start a new run of a task that is served, whose run before is over: open pages come to it by themselves",
		Example: examples("coordinator run --task mnist-2nn", "coordinator run --task mnist-2nn --from mnist-2nn-3f2a9c01@best", "coordinator run --task mnist-2nn --from model.safetensors"),
	}
	fs := c.Flags()
	task := fs.String("task", "", "name of the task")
	from := fs.String("from", "", "model that the run starts from: RUN or RUN@VERSION (a number, newest or best), or a safetensors file of fedtab or PyTorch (default as the seed says)")
	dir := dataFlag(fs)
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if *task == "" {
			return usageError("run: --task is missing, want the name of a task that is served")
		}
		path, file := "/tasks/"+url.PathEscape(*task)+"/runs", isFile(*from)
		switch {
		case file:
			path += "?name=" + url.QueryEscape(filepath.Base(*from))
		case *from != "":
			path += "?from=" + url.QueryEscape(*from)
		}
		var done v1.Done
		if err := ask(*dir, func(c *admin.Client) error {
			if !file {
				return c.Do(ctx, http.MethodPost, path, nil, &done)
			}
			f, err := os.Open(*from) // whoever sends it closes it
			if err != nil {
				return fmt.Errorf("--from: %v", err) // wrapped, it would say that there is no coordinator
			}
			return c.Send(ctx, http.MethodPost, path, "application/octet-stream", f, &done)
		}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "run %s has begun, at version %d\n", done.Run, done.Version)
		return err
	})
	return c
}

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/live"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
	"fedtab/protocol"

	"github.com/spf13/cobra"
)

func rollbackCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rollback", Short: "go back to the model of an earlier version, also while the run is served",
		Example: examples("coordinator rollback --run mnist-2nn --version 12"),
	}
	fs := c.Flags()
	name := fs.String("run", "", "identity of the run, or the name of a task for its newest run")
	want := fs.String("version", "", "version to go back to, whose model is still kept; 0 is the model before training")
	dir := fs.String("data", "fedtab-data", "directory of the database")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if *name == "" {
			return usageError("rollback: --run is missing, want the identity of a run or the name of a task")
		}
		version, err := strconv.ParseUint(*want, 10, 64)
		if err != nil {
			return usageError(fmt.Sprintf("rollback: --version is %q, want the number of a version", *want))
		}
		if _, err := os.Stat(filepath.Join(*dir, store.File)); err != nil {
			return fmt.Errorf("--data %s: %w", *dir, err)
		}
		var done rolledBack
		err = order(ctx, *dir, http.MethodPost, fmt.Sprintf("/runs/%s/rollback/%d", url.PathEscape(*name), version), nil, &done)
		if unserved(err) {
			done, err = rollBackAlone(ctx, *dir, *name, version) // no coordinator serves the directory
		}
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("%w: a coordinator that has begun to go back does so as soon as it can write; its log says which version the run is at", err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "run %s: version %d is the model of version %d\n", done.Run, done.Version, version)
		return nil
	})
	return c
}

// rollBackAlone opens the directory as a coordinator would, serves nobody, and goes
// back.
func rollBackAlone(ctx context.Context, dir, name string, version uint64) (done rolledBack, err error) {
	s := &Server{cfg: Config{Data: dir, Log: slog.New(slog.DiscardHandler), Limits: hub.DefaultLimits()}}
	defer s.close()
	if s.store, err = store.Open(dir, build()); err != nil {
		return done, err
	}
	s.vault = live.NewVault(dir, protocol.MaxBodies)
	r, err := findNewest(s.store, dir, name)
	if err != nil {
		return done, err
	}
	t, err := task.Parse("the task of run "+r.ID, r.Spec)
	if err != nil {
		return done, err
	}
	d, err := dataset.Open(t)
	if err != nil {
		return done, err
	}
	m, err := d.Model(t)
	if err != nil {
		return done, err
	}
	d.Pack() // its hash says whether the data is the run's
	st := &study{Study: web.Study{Task: t, Data: d, Model: m}}
	s.studies = []*study{st}
	if err := s.prepare(st); err != nil {
		return done, err
	}
	if st.Run != r.ID {
		return done, fmt.Errorf("run %s cannot go on: its data has changed", r.ID)
	}
	served, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); st.live.Serve(served) }()
	done.Run, done.Version, err = s.rollBack(ctx, r.ID, version)
	stop()
	<-ended
	return done, err
}

// ranges writes ascending versions in few words: three and more in a row are one range,
// and four and more at equal distances, as in "0 to 950 in steps of 50, 996 to 1000".
func ranges(versions []uint64) string {
	var parts []string
	for len(versions) > 0 {
		n := 1
		for n < len(versions) && versions[n]-versions[n-1] == versions[1]-versions[0] {
			n++
		}
		switch {
		case n < 3, n == 3 && versions[1]-versions[0] > 1:
			n = 1
			parts = append(parts, strconv.FormatUint(versions[0], 10))
		case versions[1]-versions[0] == 1:
			parts = append(parts, fmt.Sprintf("%d to %d", versions[0], versions[n-1]))
		default:
			parts = append(parts, fmt.Sprintf("%d to %d in steps of %d", versions[0], versions[n-1], versions[1]-versions[0]))
		}
		versions = versions[n:]
	}
	return strings.Join(parts, ", ")
}

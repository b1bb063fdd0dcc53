package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"fedtab/coordinator/store"

	"github.com/spf13/cobra"
)

// runListed is a run as runs --json prints it.
type runListed struct {
	Run          string     `json:"run"`
	Task         string     `json:"task"`
	Title        string     `json:"title"`
	Seed         string     `json:"seed"` // decimal
	Created      time.Time  `json:"created"`
	Ended        *time.Time `json:"ended"`    // null while it goes on
	Finished     string     `json:"finished"` // why it ended, empty while it goes on
	Served       bool       `json:"served"`   // by a coordinator that runs
	Version      uint64     `json:"version"`
	Evaluated    uint64     `json:"evaluated"` // version that the figures belong to; 0: none
	TestLoss     *float64   `json:"test_loss"`
	TestAccuracy *float64   `json:"test_accuracy"`
}

func runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "runs", Short: "list the runs in a database, the newest first, also while they are served",
		Example: examples("coordinator runs", "coordinator runs --task mnist-2nn --json"),
	}
	fs := c.Flags()
	task := fs.String("task", "", "list only the runs of this task")
	dir := fs.String("data", "fedtab-data", "directory of the database")
	asJSON := jsonFlag(fs)
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		if _, err := os.Stat(filepath.Join(*dir, store.File)); err != nil {
			return fmt.Errorf("--data %s: %w", *dir, err)
		}
		all := []runListed{}
		err := order(ctx, *dir, http.MethodGet, "/runs?task="+url.QueryEscape(*task), nil, &all)
		if unserved(err) {
			err = alone(*dir, func(s *store.Store) (err error) {
				all, err = listRuns(s, *task, nil)
				return err
			})
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, all)
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "run\tbegan\tversion\taccuracy\tloss\tstate")
		for _, r := range all {
			state := "goes on once it is served"
			switch {
			case r.Finished != "":
				state = "over: " + r.Finished
			case r.Served:
				state = "served"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", r.Run, r.Created.Local().Format("2006-01-02 15:04"), r.Version, figure("%.2f%%", r.TestAccuracy, 100), figure("%.4f", r.TestLoss, 1), state)
		}
		return w.Flush()
	})
	return c
}

// listRuns lists the runs of a task, or of all. served are those that a coordinator serves.
func listRuns(s *store.Store, task string, served map[string]bool) ([]runListed, error) {
	runs, err := s.Runs(store.Filter{Task: task})
	all := []runListed{}
	for _, r := range runs {
		l := runListed{
			Run: r.ID, Task: r.Task, Title: r.Title, Seed: r.Seed, Created: r.Created, Finished: r.Finished, Served: served[r.ID],
			Version: r.Version, Evaluated: r.Evaluated, TestLoss: r.TestLoss, TestAccuracy: r.TestAccuracy,
		}
		if !r.Ended.IsZero() {
			l.Ended = &r.Ended
		}
		all = append(all, l)
	}
	return all, err
}

func (s *Server) serveRuns(w http.ResponseWriter, r *http.Request) {
	served := map[string]bool{}
	for _, st := range s.studies {
		served[st.Run] = true
	}
	all, err := listRuns(s.store, r.FormValue("task"), served)
	answerOrder(w, all, err)
}

// maxReason is the max length of the reason that an organiser gives, in bytes.
const maxReason = 200

func stopCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "stop", Short: "end a run, also while it is served: its model stays, its participants are told why",
		Example: examples("coordinator stop --run mnist-2nn", "coordinator stop --run mnist-2nn-3f2a9c01 --reason 'the lesson is over'"),
	}
	fs := c.Flags()
	name := fs.String("run", "", "identity of the run, or the name of a task for its newest run")
	reason := fs.String("reason", "", "what participants read beside 'stopped by its organiser'")
	dir := fs.String("data", "fedtab-data", "directory of the database")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		switch {
		case *name == "":
			return usageError("stop: --run is missing, want the identity of a run or the name of a task")
		case len(*reason) > maxReason:
			return usageError(fmt.Sprintf("stop: --reason has %d bytes, want at most %d", len(*reason), maxReason))
		}
		if _, err := os.Stat(filepath.Join(*dir, store.File)); err != nil {
			return fmt.Errorf("--data %s: %w", *dir, err)
		}
		text := "stopped by its organiser"
		if *reason != "" {
			text += ": " + *reason
		}
		var done stoppedRun
		err := order(ctx, *dir, http.MethodPost, "/runs/"+url.PathEscape(*name)+"/stop", stopOrder{text}, &done)
		if unserved(err) {
			err = alone(*dir, func(s *store.Store) (err error) {
				done, err = stopAlone(s, *dir, *name, text)
				return err
			})
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "run %s is over at version %d: %s\n", done.Run, done.Version, text)
		return err
	})
	return c
}

// stopOrder is the body of an order to end a run.
type stopOrder struct {
	Reason string `json:"reason"`
}

// stoppedRun is the answer.
type stoppedRun struct {
	Run     string `json:"run"`
	Version uint64 `json:"version"`
}

// findRun returns the run of a database that has an identity, or the newest of the task that
// has a name.
func findRun(s *store.Store, dir, name string) (store.Run, error) {
	r, ok, err := s.FindRun(name)
	if err == nil && !ok {
		r, ok, err = s.LatestRun(name)
	}
	if err == nil && !ok {
		err = fmt.Errorf("--run: %q, want a run or a task in %s", name, dir)
	}
	return r, err
}

// findNewest is findRun for an order by which the run goes on: only the newest one of its
// task does.
func findNewest(s *store.Store, dir, name string) (store.Run, error) {
	r, err := findRun(s, dir, name)
	if err != nil {
		return r, err
	}
	last, _, err := s.LatestRun(r.Task)
	if err == nil && last.ID != r.ID {
		err = fmt.Errorf("--run: %s, want %s, the newest run of task %s: the others do not go on", r.ID, last.ID, r.Task)
	}
	return r, err
}

// stopAlone ends a run that nobody serves.
func stopAlone(s *store.Store, dir, name, reason string) (done stoppedRun, err error) {
	r, err := findRun(s, dir, name)
	if err != nil {
		return done, err
	}
	if r.Finished != "" {
		return done, fmt.Errorf("run %s is over: %s", r.ID, r.Finished)
	}
	saved, err := s.Load(r.ID)
	if err != nil {
		return done, err
	}
	if saved.Last != nil {
		done.Version = saved.Last.Round
	}
	done.Run = r.ID
	return done, s.Finish(r.ID, reason, time.Now())
}

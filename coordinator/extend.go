package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/run"

	"github.com/spf13/cobra"
)

func extendCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "extend", Short: "have a run go on for longer, also one that is over, and also while it is served",
		Example: examples("coordinator extend --run mnist-2nn --by 10", "coordinator extend --run mnist-2nn --rounds 200 --accuracy 0.98", "coordinator extend --run mnist-2nn --by 50 --accuracy 0"),
	}
	fs := c.Flags()
	name := fs.String("run", "", "identity of the run, or the name of a task for its newest run")
	var o extension
	fs.IntVar(&o.By, "by", 0, "rounds to add: to the newest version of a run that is over, else to those that it was to have")
	fs.IntVar(&o.Rounds, "rounds", 0, "rounds that the run is to have in all")
	accuracy := fs.Float64("accuracy", -1, "accuracy on the test set that ends the run, 0 to 1; 0: none does (default as it is)")
	dir := fs.String("data", "fedtab-data", "directory of the database")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		switch {
		case *name == "":
			return usageError("extend: --run is missing, want the identity of a run or the name of a task")
		case (o.By == 0) == (o.Rounds == 0):
			return usageError("extend: want one of --by and --rounds")
		case o.By < 0 || o.Rounds < 0:
			return usageError("extend: --by or --rounds is negative, want a number of rounds")
		}
		if c.Flags().Changed("accuracy") {
			if !(*accuracy >= 0 && *accuracy <= 1) {
				return usageError(fmt.Sprintf("extend: --accuracy is %v, want 0 to 1", *accuracy))
			}
			o.Accuracy = accuracy
		}
		if _, err := os.Stat(filepath.Join(*dir, store.File)); err != nil {
			return fmt.Errorf("--data %s: %w", *dir, err)
		}
		var done extendedRun
		err := order(ctx, *dir, http.MethodPost, "/runs/"+url.PathEscape(*name)+"/extend", o, &done)
		if unserved(err) {
			err = alone(*dir, func(s *store.Store) (err error) {
				done, err = extendAlone(s, *dir, *name, o)
				return err
			})
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "run %s goes on from version %d to %d rounds\n", done.Run, done.Version, done.Rounds)
		return err
	})
	return c
}

// extension is the body of an order to extend a run.
type extension struct {
	By       int      `json:"by"`     // rounds beyond those that it has; 0: Rounds says
	Rounds   int      `json:"rounds"` // in all
	Accuracy *float64 `json:"accuracy"`
}

// extendedRun is the answer.
type extendedRun struct {
	Run     string `json:"run"`
	Version uint64 `json:"version"`
	Rounds  int    `json:"rounds"`
}

// of returns the stop conditions of a run of t that was extended before as r says and stands
// at a version. finished says that it is over.
func (o extension) of(t *task.Task, r store.Run, classes []string, version uint64, finished bool, evaluated *run.Evaluation) (store.Extension, run.Stop, error) {
	var stop run.Stop
	fail := func(format string, args ...any) (store.Extension, run.Stop, error) {
		return store.Extension{}, stop, fmt.Errorf("run "+r.ID+": "+format, args...)
	}
	if t.Strategy.Scheme().Ends {
		return fail("%s ends by itself, want a new run", t.Strategy.Kind)
	}
	e := store.Extension{Rounds: o.Rounds, Accuracy: r.Extended.Accuracy}
	if o.By > 0 {
		e.Rounds = int(version) + o.By
		if before := t.Extended(r.Extended.Rounds, nil, classes).Rounds; !finished && before > 0 {
			e.Rounds = before + o.By
		}
	}
	if o.Accuracy != nil {
		e.Accuracy = o.Accuracy
	}
	stop = t.Extended(e.Rounds, e.Accuracy, classes)
	switch {
	case uint64(e.Rounds) <= version:
		return fail("--rounds is %d and the newest version %d, want more rounds than that", e.Rounds, version)
	case e.Rounds > task.MaxRounds:
		return fail("%d rounds, want at most %d", e.Rounds, task.MaxRounds)
	}
	if evaluated != nil {
		for _, g := range stop.Goals {
			if g.Reached(evaluated.Figures) {
				return fail("%v %.4g was reached at version %d, want --accuracy above it, or 0 for none", g, g.Value(evaluated.Figures), evaluated.Version)
			}
		}
	}
	if finished && stop.Time > 0 && time.Since(r.Created) >= stop.Time {
		return fail("its time of %v is over, want a new run", stop.Time)
	}
	return e, stop, nil
}

// extendAlone extends a run that nobody serves.
func extendAlone(s *store.Store, dir, name string, o extension) (done extendedRun, err error) {
	r, err := findNewest(s, dir, name)
	if err != nil {
		return done, err
	}
	saved, err := s.Load(r.ID)
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
	done.Run = r.ID
	if saved.Last != nil {
		done.Version = saved.Last.Round
	}
	e, _, err := o.of(t, r, d.ClassNames(), done.Version, r.Finished != "", saved.Evaluated)
	if err != nil {
		return done, err
	}
	done.Rounds = e.Rounds
	return done, s.Extend(r.ID, e)
}

func (s *Server) serveExtend(w http.ResponseWriter, r *http.Request) {
	var o extension
	var answer extendedRun
	err := json.NewDecoder(r.Body).Decode(&o)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
		defer cancel()
		answer, err = s.extendRun(ctx, r.PathValue("run"), o)
	}
	answerOrder(w, answer, err)
}

// extendRun extends a run that is served. One that is over goes on in place: participants
// that reconnect find it as they left it.
func (s *Server) extendRun(ctx context.Context, name string, o extension) (done extendedRun, err error) {
	st, err := s.served(name)
	if err != nil {
		return done, err
	}
	s.extending.Lock() // two organisers at once: one after the other
	defer s.extending.Unlock()
	done.Run = st.Run
	state, err := st.State(ctx)
	if err != nil {
		return done, err
	}
	r, ok, err := s.store.FindRun(st.Run)
	if err == nil && !ok {
		err = fmt.Errorf("run %s: %w", st.Run, store.ErrNotFound)
	}
	if err != nil {
		return done, err
	}
	e, stop, err := o.of(st.Task, r, st.Data.ClassNames(), state.Version, state.Finished != "", state.Evaluated)
	if err != nil {
		return done, err
	}
	done.Version, done.Rounds = state.Version, e.Rounds
	if state.Finished == "" {
		extended := false
		if !st.live.Call(func() { extended = st.live.Run.Extend(stop) }) {
			return done, errors.New("the coordinator is stopping")
		}
		if !extended {
			return done, fmt.Errorf("run %s is ending, want the same order once it is over", st.Run)
		}
		st.SetStop(stop)
		return done, s.store.Extend(st.Run, e)
	}
	if r.Finished == "" {
		return done, fmt.Errorf("run %s is being ended, want the same order once that is on disk", st.Run)
	}
	if err := s.store.Extend(st.Run, e); err != nil {
		return done, err
	}
	st.SetStop(stop)
	saved, err := s.store.Load(st.Run)
	if err != nil {
		return done, err
	}
	cfg, err := s.config(st, &saved)
	if err != nil {
		return done, err
	}
	next, err := run.New(cfg, st.live)
	if err != nil {
		return done, err
	}
	if !st.live.Call(func() {
		st.live.Run = next
		next.Start()
		st.Feed.Publish(run.Update{State: next.State()})
	}) {
		return done, errors.New("the coordinator is stopping; the run goes on when it is started again")
	}
	cfg.Log.Info("run extended", "version", done.Version, "rounds", done.Rounds)
	return done, nil
}

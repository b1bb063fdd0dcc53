package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/told"
	"fedtab/run"
	"fedtab/strategy"
)

// Extend implements admin.Backend.
func (d *backend) Extend(ctx context.Context, name string, e v1.Extension) (v1.Done, error) {
	end, err := d.waitFor(ctx, name)
	if err != nil {
		return v1.Done{}, err
	}
	defer end()
	return d.extend(ctx, name, e)
}

func (d *backend) extend(ctx context.Context, name string, o v1.Extension) (done v1.Done, err error) {
	r, err := d.newest(name)
	if err != nil {
		return done, err
	}
	done.Run = r.ID
	t, err := task.Parse("the task of run "+r.ID, r.Spec)
	if err != nil {
		return done, err
	}
	if err := copied(t, r); err != nil {
		return done, err
	}
	if st := d.study(r.ID); st != nil {
		return d.server.extend(ctx, st, r, o)
	}
	saved, err := d.store.Load(r.ID)
	if err != nil {
		return done, err
	}
	data, err := dataset.Open(t)
	if err != nil {
		return done, err
	}
	if saved.Last != nil {
		done.Version = saved.Last.Round
	}
	e, _, err := extension(o, t, r, data.ClassNames(), done.Version, r.Finished != "", saved.Evaluated)
	if err != nil {
		return done, err
	}
	done.Rounds = e.Rounds
	return done, d.store.Extend(r.ID, e)
}

// extension returns the stop conditions of a run of t that was extended before as r says and
// stands at a version. finished says that it is over.
func extension(o v1.Extension, t *task.Task, r store.Run, classes []string, version uint64, finished bool, evaluated *run.Evaluation) (store.Extension, run.Stop, error) {
	var stop run.Stop
	fail := func(format string, args ...any) (store.Extension, run.Stop, error) {
		return store.Extension{}, stop, admin.Refuse(http.StatusConflict, "run "+r.ID+": "+format, args...)
	}
	if t.Strategy.Scheme().Ends {
		return fail("%s ends by itself, want a new run", t.Strategy.Kind)
	}
	if r.Finished == strategy.DiscardedReason {
		return fail("%s: want a new run", r.Finished)
	}
	e := store.Extension{Rounds: o.Rounds, Accuracy: r.Extended.Accuracy}
	if o.By == 0 && o.Rounds == 0 { // only the accuracy changes
		e.Rounds = r.Extended.Rounds
	}
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
	case stop.Rounds > 0 && uint64(stop.Rounds) <= version:
		return fail("%d rounds, and the newest version is %d: want more rounds than that", stop.Rounds, version)
	case e.Rounds > task.MaxRounds:
		return fail("%d rounds, want at most %d", e.Rounds, task.MaxRounds)
	}
	if evaluated != nil {
		for _, g := range stop.Goals {
			if g.Reached(evaluated.For(g)) {
				return fail("%v %.4g was reached at version %d, want an accuracy above it, or 0 for none", g, g.Value(evaluated.For(g)), evaluated.Version)
			}
		}
	}
	if finished && stop.Time > 0 && time.Since(r.Created) >= stop.Time {
		return fail("its time of %v is over, want a new run", stop.Time)
	}
	return e, stop, nil
}

// extend extends a run that is served. One that is over goes on in place: participants
// that reconnect find it as they left it.
func (s *Server) extend(ctx context.Context, st *study, r store.Run, o v1.Extension) (done v1.Done, err error) {
	done.Run = r.ID
	state, err := st.State(ctx)
	if err != nil {
		return done, err
	}
	e, stop, err := extension(o, st.Task, r, st.Data.ClassNames(), state.Version, state.Finished != "", state.Evaluated)
	if err != nil {
		return done, err
	}
	done.Version, done.Rounds = state.Version, e.Rounds
	if state.Finished == "" {
		before := st.Stop()
		if err := st.extend(stop); err != nil {
			return done, err
		}
		if err := s.store.Extend(r.ID, e); err != nil {
			return done, errors.Join(err, st.extend(before)) // a restart would not know of it
		}
		return done, nil
	}
	if r.Finished == "" {
		return done, admin.Refuse(http.StatusConflict, "run %s is being ended, want the same order once that is on disk", r.ID)
	}
	if err := s.store.Extend(r.ID, e); err != nil {
		return done, err
	}
	st.SetStop(stop)
	saved, err := s.store.Load(r.ID)
	if err != nil {
		return done, err
	}
	if err := s.replace(st, r.ID, &saved); err != nil {
		return done, errors.Join(err, s.store.Finish(r.ID, r.Finished, time.Now())) // it is over still
	}
	s.cfg.Log.Info("run extended", "run", r.ID, "version", done.Version, "rounds", done.Rounds)
	return done, nil
}

// extend gives the study's run, which goes on, other stop conditions.
func (st *study) extend(stop run.Stop) error {
	extended := false
	if !st.live.Call(func() {
		if extended = st.live.Run.Extend(stop); extended {
			st.SetStop(stop)
			st.Feed.Publish(run.Update{State: st.live.Run.State()})
		}
	}) {
		return errStopping()
	}
	if !extended {
		return admin.Refuse(http.StatusConflict, "run %s is ending, want the same order once it is over", st.Run())
	}
	return nil
}

// replace has a study's Run, which is over, replaced by the one with an identity, which goes
// on from what is saved, or begins if that is nil.
func (s *Server) replace(st *study, id string, saved *run.Saved) error {
	st.runs.Add(1)
	cfg, err := s.config(st, id, saved)
	if err != nil {
		return err
	}
	next, err := run.New(cfg, st.live)
	if err != nil {
		return err
	}
	earlier, err := told.Before(s.store, st.Task.Name, id)
	if err != nil {
		return err
	}
	if !st.live.Call(func() {
		st.live.Run = next
		if id != st.Run() {
			st.SetRun(id)
			st.SetEarlier(told.Together(earlier))
			st.room.Issue(s.tokens(id))
		}
		st.Feed.Reset(next.State(), next.Rounds())
		if !st.live.Held || s.node.drives(st) {
			next.Start()
		}
		st.Feed.Publish(run.Update{State: next.State()})
	}) {
		return errStopping()
	}
	if lease := st.role.lease.Load(); lease != nil {
		lease.Tell(id)
		st.links.end() // edges connect again, to this run
	}
	return nil
}

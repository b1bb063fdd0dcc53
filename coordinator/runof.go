package main

// Which run a study has: that of an earlier process, a new one, or one that starts from a model.

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/told"
	"fedtab/run"
)

// runOf returns the run of a study: the newest one of its task, if its training settings and
// data equal the present ones, and what it started from is what --from asks for, otherwise a
// new one.
func (s *Server) runOf(st *study) (id string, saved *run.Saved, err error) {
	t, d := st.Task, st.Data
	last, ok, err := s.store.LatestRun(t.Name)
	if err != nil {
		return "", nil, err
	}
	log := s.cfg.Log.With("task", t.Name, "last_run", last.ID)
	switch {
	case !ok:
	case s.cfg.Fresh:
		log.Info("starting a new run: --fresh")
	default:
		why, err := changes(t, d, last)
		if len(why) == 0 && err == nil && s.cfg.From != "" && !st.added {
			why = s.otherOrigin(last)
		}
		if len(why) == 0 && err == nil {
			st.resumed = true
			return s.resume(t, d, last, log)
		}
		if err == nil {
			if err := otherClaim(t, last, why); err != nil {
				return "", nil, err
			}
		}
		if err != nil {
			log.Warn("starting a new run: the task of the last run is invalid", "error", err)
		} else {
			log.Warn("want a new run: what training depends on has changed", "changes", strings.Join(why, "; "))
		}
	}
	if s.cfg.From == "" || st.added {
		id, err = s.begin(st)
		return id, nil, err
	}
	src, err := findSource(s.store, s.cfg.From, "")
	var o *origin
	if err == nil {
		o, err = readOrigin(s.store, src, t, d, st.Model)
	}
	if err != nil {
		return "", nil, fmt.Errorf("--from %s: %w", s.cfg.From, err)
	}
	if id, saved, err = s.beginFrom(o, st); err == nil {
		err = s.store.SetMeta(askedFrom(t.Name), s.cfg.From+"\n"+src.String())
	}
	return id, saved, err
}

// askedFrom is the key under which the database has what --from asked for when a run of a
// task was last begun by it.
func askedFrom(task string) string { return "from " + task }

// otherOrigin says that a run has not started from what --from asks for. Where that is the
// newest run of the task itself, it is the newest before this one.
func (s *Server) otherOrigin(r store.Run) []string {
	asked, err := s.store.Meta(askedFrom(r.Task))
	if err != nil {
		return []string{err.Error()}
	}
	spec, model, _ := strings.Cut(asked, "\n")
	was := cmp.Or(r.Origin, "none: the last run started from the seed")
	src, err := findSource(s.store, s.cfg.From, r.ID)
	switch {
	case err != nil && spec == s.cfg.From: // the source is gone, and the run that has begun from it is here
		return nil
	case err == nil && model == src.String(): // organisers may have begun other runs since
		return nil
	case err != nil: // of another model than r's; a new run may yet start from r's
		return []string{fmt.Sprintf("--from is %s, was %s", s.cfg.From, was)}
	case src.String() != r.Origin:
		return []string{fmt.Sprintf("--from is %v, was %s", src, was)}
	}
	return nil
}

// newRun describes a new run of a task.
func newRun(t *task.Task, d *dataset.Dataset) store.Run {
	var b [4]byte
	rand.Read(b[:])
	return store.Run{
		ID: t.Name + "-" + hex.EncodeToString(b[:]), Task: t.Name, Title: t.Title.String(),
		Spec: t.YAML(), SpecHash: t.Hash(), DataHash: d.Hash, Seed: t.Seed, Created: time.Now(),
	}
}

// begin creates a run.
func (s *Server) begin(st *study) (id string, err error) {
	if err := s.affordable(st); err != nil {
		return "", err
	}
	r := newRun(st.Task, st.Data)
	if err = s.store.CreateRun(r); err == nil {
		err = s.supersede(r)
	}
	s.cfg.Log.Info("run started", "task", r.Task, "run", r.ID)
	return r.ID, err
}

// affordable refuses to begin a run whose budget of privacy its task's earlier runs have spent.
func (s *Server) affordable(st *study) error {
	earlier, err := told.Before(s.store, st.Task.Name, "")
	if err != nil {
		return err
	}
	if err := told.Refuse(st.Task, st.Model.Layout().Size, earlier); err != nil {
		return admin.Refuse(http.StatusConflict, "%v", err)
	}
	return nil
}

// supersede ends the earlier runs of a task, which nothing goes on with.
func (s *Server) supersede(by store.Run) error {
	over := false
	earlier, err := s.store.Runs(store.Filter{Task: by.Task, Over: &over})
	for _, r := range earlier {
		if r.ID != by.ID && err == nil {
			err = s.store.Finish(r.ID, "run "+by.ID+" of its task has begun", time.Now())
		}
	}
	return err
}

// beginFrom creates a run that starts from a model, and returns its state.
func (s *Server) beginFrom(o *origin, st *study) (id string, saved *run.Saved, err error) {
	if err := s.affordable(st); err != nil {
		return "", nil, err
	}
	r := newRun(st.Task, st.Data)
	r.Origin = o.text
	first, err := o.first(r.ID, st.Task, st.Data, st.Model, true, r.Created)
	if err != nil {
		return "", nil, err
	}
	if err := s.store.CreateRunFrom(r, first, o.constants); err != nil {
		return "", nil, err
	}
	if err := s.supersede(r); err != nil {
		return "", nil, err
	}
	s.cfg.Log.Info("run started from a model, its version 1", "task", r.Task, "run", r.ID, "from", o.text)
	loaded, err := s.store.Load(r.ID)
	return r.ID, &loaded, err
}

// changes returns the differences from a recorded run on which training depends. The
// stop conditions of a finished run count too: it cannot continue.
func changes(t *task.Task, d *dataset.Dataset, r store.Run) ([]string, error) {
	recorded := r.DataHash != [32]byte{}
	why, err := t.Changes(r.Spec, recorded && r.DataHash == d.Hash)
	if err != nil {
		return nil, err
	}
	if recorded && r.DataHash != d.Hash && !slices.ContainsFunc(why, task.Redraws) {
		why = append(why, "the content of the training data has changed")
	}
	if r.Finished != "" && !t.SameStop(r.Spec) {
		why = append(why, "stop has changed, and the run is over")
	}
	return why, nil
}

// otherClaim refuses to begin another run silently where that would begin another account of
// privacy: of a task whose run has noise or is to have it, and is not over.
func otherClaim(t *task.Task, last store.Run, why []string) error {
	was, err := task.Parse("the recorded task", last.Spec)
	if err != nil || last.Finished != "" || !was.Privacy.Differential() && !t.Privacy.Differential() {
		return nil // what is not recorded as a task makes no claim
	}
	return fmt.Errorf("task %s: run %s is not over, and what its claim of privacy rests on has changed (%s): want the settings of before, or --fresh for a run with an account of its own, whose budget counts that of this one", t.Name, last.ID, strings.Join(why, "; "))
}

// resume returns the state of a recorded run, which goes on with the task t.
func (s *Server) resume(t *task.Task, d *dataset.Dataset, r store.Run, log *slog.Logger) (string, *run.Saved, error) {
	if err := s.goOn(t, r, log); err != nil {
		return "", nil, err
	}
	saved, err := s.store.Load(r.ID)
	if err != nil {
		return "", nil, err
	}
	if r.SpecHash != t.Hash() {
		was, err := task.Parse("the recorded task", r.Spec)
		if err != nil {
			return "", nil, err
		}
		if was.Join != t.Join {
			log.Warn("join has changed, and the run goes on", "join", t.Join, "was", was.Join)
		}
		if err := s.store.SetTask(store.Run{ID: r.ID, Title: t.Title.String(), Spec: t.YAML(), SpecHash: t.Hash()}); err != nil {
			return "", nil, err
		}
	}
	if r.DataHash == [32]byte{} { // recorded by an older build
		if err := s.store.SetDataHash(r.ID, d.Hash); err != nil {
			return "", nil, err
		}
	}
	version := uint64(0)
	if saved.Last != nil {
		version = saved.Last.Round
	}
	s.cfg.Log.Info("run resumed", "task", t.Name, "run", r.ID, "version", version)
	if saved.Finished != "" {
		s.cfg.Log.Info("run is finished; --fresh starts a new one", "task", t.Name, "run", r.ID, "reason", saved.Finished)
	}
	return r.ID, &saved, nil
}

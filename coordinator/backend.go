package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/models"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
	"fedtab/run"
)

// backend carries out organisers' orders on a database, and on the runs that a server serves.
type backend struct {
	store  *store.Store
	dir    string
	server *Server // nil: no coordinator runs

	mu    sync.Mutex
	turns map[string]chan struct{} // by task: orders come one after the other

	estimating sync.Mutex // one estimate at a time: it may make a model of the largest size
}

// wait waits for the turn of an order on the runs of a task, which ends with done.
func (d *backend) wait(ctx context.Context, task string) (done func(), err error) {
	d.mu.Lock()
	if d.turns == nil {
		d.turns = map[string]chan struct{}{}
	}
	turn := d.turns[task]
	if turn == nil {
		turn = make(chan struct{}, 1)
		d.turns[task] = turn
	}
	d.mu.Unlock()
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("task %s has another order to carry out: %w", task, ctx.Err())
	}
	if ctx.Err() != nil { // who gave it is gone
		<-turn
		return nil, ctx.Err()
	}
	return func() { <-turn }, nil
}

// waitFor is wait for the task of a run.
func (d *backend) waitFor(ctx context.Context, name string) (done func(), err error) {
	r, err := d.Find(name)
	if err != nil {
		return nil, err
	}
	return d.wait(ctx, r.Task)
}

// Page implements admin.Backend.
func (d *backend) Page() string {
	if d.server == nil {
		return ""
	}
	return d.server.page() + "/"
}

// Studies implements admin.Backend.
func (d *backend) Studies() (all []*web.Study) {
	if d.server != nil {
		for _, st := range d.server.studies() {
			all = append(all, &st.Study)
		}
	}
	return all
}

// Find implements admin.Backend.
func (d *backend) Find(name string) (store.Run, error) {
	r, ok, err := findRun(d.store, name)
	if err == nil && !ok {
		r, ok, err = d.store.LatestRun(name)
	}
	if err == nil && !ok {
		err = admin.Refuse(http.StatusNotFound, "run: %q, want a run or a task in %s", name, d.dir)
	}
	return r, err
}

// findRun returns the run that has an identity or a number, and false if none has. What is
// the name of a task, which may have digits only, is no number.
func findRun(s *store.Store, name string) (store.Run, bool, error) {
	r, ok, err := s.FindRun(name)
	n, e := strconv.ParseInt(name, 10, 64)
	if err != nil || ok || e != nil {
		return r, ok, err
	}
	if _, task, err := s.LatestRun(name); err != nil || task {
		return r, false, err
	}
	return s.FindNumber(n)
}

// newest is Find for an order by which the run goes on: only the newest one of its task does.
func (d *backend) newest(name string) (store.Run, error) {
	r, err := d.Find(name)
	if err != nil {
		return r, err
	}
	last, _, err := d.store.LatestRun(r.Task)
	if err == nil && last.ID != r.ID {
		err = admin.Refuse(http.StatusConflict, "run %s is not the newest of task %s, which alone goes on: want %s, or a new run that starts from this one", r.ID, r.Task, last.ID)
	}
	return r, err
}

// study returns the study that serves a run, nil if none does.
func (d *backend) study(run string) *study {
	if d.server != nil {
		for _, st := range d.server.studies() {
			if st.Run() == run {
				return st
			}
		}
	}
	return nil
}

// served returns the study of the task that is served under a name, nil if none is.
func (d *backend) served(name string) *study {
	if d.server == nil {
		return nil
	}
	return d.server.find(name)
}

// unserved answers an order on a task that is not served.
func (d *backend) unserved(name string) error {
	var names []string
	for _, st := range d.server.studies() {
		names = append(names, st.Task.Name)
	}
	return admin.Refuse(http.StatusNotFound, "task: %q, want a task that is served: %s", name, strings.Join(names, ", "))
}

// version returns the newest version of a run on disk.
func (d *backend) version(run string) (uint64, error) {
	all, err := d.store.Runs(store.Filter{ID: run})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[0].Version, nil
}

// unfinished is Find for a run that goes on.
func (d *backend) unfinished(name string) (store.Run, error) {
	r, err := d.Find(name)
	if err == nil && r.Finished != "" {
		err = admin.Refuse(http.StatusConflict, "run %s is over: %s", r.ID, r.Finished)
	}
	return r, err
}

// Stop implements admin.Backend.
func (d *backend) Stop(ctx context.Context, name, reason string) (v1.Done, error) {
	return d.turn(ctx, name,
		func(r *run.Run, then func(uint64, error)) { r.Stop(reason, then) },
		func(r store.Run) error { return d.store.Finish(r.ID, reason, time.Now()) })
}

// Pause implements admin.Backend.
func (d *backend) Pause(ctx context.Context, name, reason string) (v1.Done, error) {
	return d.turn(ctx, name,
		func(r *run.Run, then func(uint64, error)) { r.Pause(reason, then) },
		func(r store.Run) error {
			if r.Paused != "" {
				return admin.Refuse(http.StatusConflict, "run %s is already paused: %s", r.ID, r.Paused)
			}
			return d.store.Pause(r.ID, reason, time.Now())
		})
}

// Resume implements admin.Backend.
func (d *backend) Resume(ctx context.Context, name string) (v1.Done, error) {
	return d.turn(ctx, name,
		func(r *run.Run, then func(uint64, error)) { r.Resume(then) },
		func(r store.Run) error {
			if r.Paused == "" {
				return admin.Refuse(http.StatusConflict, "run %s is not paused", r.ID)
			}
			return d.store.Resume(r.ID)
		})
}

// turn has a run that goes on change its course: served by its owner, or on disk.
func (d *backend) turn(ctx context.Context, name string, served func(r *run.Run, then func(uint64, error)), alone func(store.Run) error) (done v1.Done, err error) {
	end, err := d.waitFor(ctx, name)
	if err != nil {
		return done, err
	}
	defer end()
	r, err := d.unfinished(name)
	if err != nil {
		return done, err
	}
	done.Run = r.ID
	st := d.study(r.ID)
	if st == nil {
		if done.Version, err = d.version(r.ID); err != nil {
			return done, err
		}
		return done, alone(r)
	}
	if done.Version, err = st.order(ctx, served); ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("run %s does as it is told once the database can be written: %w", r.ID, err)
	}
	return done, err
}

// order gives the study's run an order, and waits until it answers with a version. The error
// is a Refusal, or that of ctx, after which the run may carry the order out yet.
func (st *study) order(ctx context.Context, give func(r *run.Run, then func(version uint64, err error))) (uint64, error) {
	type answer struct {
		version uint64
		err     error
	}
	answered := make(chan answer, 1) // it may come when nobody waits any more
	if !st.live.Do(func() { give(st.live.Run, func(v uint64, err error) { answered <- answer{v, err} }) }) {
		return 0, errStopping()
	}
	select {
	case a := <-answered:
		if a.err != nil {
			a.err = admin.Refuse(http.StatusConflict, "%v", a.err)
		}
		return a.version, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// errStopping answers an order to a coordinator that is being stopped.
func errStopping() error {
	return admin.Refuse(http.StatusServiceUnavailable, "the coordinator is stopping")
}

// Delete implements admin.Backend.
func (d *backend) Delete(ctx context.Context, name string) (done v1.Done, err error) {
	end, err := d.waitFor(ctx, name)
	if err != nil {
		return done, err
	}
	defer end()
	r, err := d.Find(name)
	if err != nil {
		return done, err
	}
	if st := d.study(r.ID); st != nil {
		return done, admin.Refuse(http.StatusConflict, "run %s is the one that task %s has now: start the next one first", r.ID, r.Task)
	}
	if done.Version, err = d.version(r.ID); err != nil {
		return done, err
	}
	done.Run = r.ID
	return done, d.store.Delete(r.ID)
}

// Settings implements admin.Backend.
func (d *backend) Settings(name string) (v1.Settings, error) {
	r, err := d.Find(name)
	if err != nil {
		return v1.Settings{}, err
	}
	return d.settings(r)
}

func (d *backend) settings(r store.Run) (v v1.Settings, err error) {
	v = v1.Settings{Note: r.Note, Paused: r.Paused, Finished: r.Finished}
	t, err := task.Parse("the task of run "+r.ID, r.Spec)
	if err != nil {
		return v, err
	}
	stop := t.Extended(r.Extended.Rounds, r.Extended.Accuracy, nil)
	v.StopRounds = stop.Rounds
	for _, g := range stop.Goals {
		if g.Metric == run.Accuracy && g.Class < 0 && v.StopAccuracy == nil {
			v.StopAccuracy = &g.Reach
		}
	}
	return v, nil
}

// Configure implements admin.Backend.
func (d *backend) Configure(ctx context.Context, name string, was, next v1.Settings) (v1.Settings, error) {
	end, err := d.waitFor(ctx, name)
	if err != nil {
		return next, err
	}
	defer end()
	r, err := d.Find(name)
	if err != nil {
		return next, err
	}
	now, err := d.settings(r)
	switch {
	case err != nil:
		return next, err
	case !sameSettings(now, was):
		return next, admin.Refuse(http.StatusPreconditionFailed, "the settings of run %s have been changed since: read them again", r.ID)
	}
	if next.StopRounds != was.StopRounds || !equal(next.StopAccuracy, was.StopAccuracy) {
		if r.Finished != "" {
			return next, admin.Refuse(http.StatusConflict, "run %s is over: %s; extend it", r.ID, r.Finished)
		}
		e := v1.Extension{Accuracy: next.StopAccuracy}
		if next.StopRounds != was.StopRounds {
			e.Rounds = next.StopRounds
		}
		if e.Accuracy == nil {
			e.Accuracy = new(float64)
		}
		if _, err := d.extend(ctx, r.ID, e); err != nil {
			return next, err
		}
	}
	if next.Note != was.Note {
		if err := d.store.Annotate(r.ID, next.Note); err != nil {
			return next, err
		}
	}
	return d.Settings(r.ID)
}

func sameSettings(a, b v1.Settings) bool {
	return a.Note == b.Note && a.StopRounds == b.StopRounds && equal(a.StopAccuracy, b.StopAccuracy) && a.Paused == b.Paused && a.Finished == b.Finished
}

func equal(a, b *float64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// Model implements admin.Backend.
func (d *backend) Model(name, want, format string) (run string, version uint64, content []byte, err error) {
	r, err := d.Find(name)
	if err != nil {
		return "", 0, nil, err
	}
	if last, ok, err := d.store.LatestModel(name); err != nil {
		return "", 0, nil, err
	} else if ok && r.Task == name { // a run that was begun anew hides no model
		r = last
	}
	m, _, err := storedModel(d.store, r, want)
	if err != nil {
		return "", 0, nil, err
	}
	content, err = models.File(m, format)
	return r.ID, m.Version, content, err
}

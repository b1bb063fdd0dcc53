package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
)

// addedDir is the folder in the data directory of the tasks that organisers have added: a
// file NAME.yaml each (docs/adr/0020-tasks-at-run-time.md).
const addedDir = "tasks"

// maxServed bounds the tasks that are served at a time.
const maxServed = 100

// addedFile is the file of an added task.
func (s *Server) addedFile(name string) string {
	return filepath.Join(s.cfg.Data, addedDir, name+".yaml")
}

// added returns the studies of the tasks that were added before. One that cannot be served
// any more keeps no other from being served: the log has why.
func (s *Server) added() (all []*study, err error) {
	files, err := os.ReadDir(filepath.Join(s.cfg.Data, addedDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".yaml")
		if !ok || f.IsDir() {
			continue // a file that was not finished
		}
		if slices.Contains(s.flagged, name) {
			s.cfg.Log.Warn("a task that was added is left out: --task has one of its name", "task", name, "file", s.addedFile(name))
			continue
		}
		st, err := s.readAdded(name)
		if err != nil {
			s.cfg.Log.Error("a task that was added cannot be served: correct or remove its file, and restart", "task", name, "error", err)
			continue
		}
		all = append(all, st)
	}
	return all, err
}

// readAdded opens a task that was added before.
func (s *Server) readAdded(name string) (*study, error) {
	t, err := task.Load(s.addedFile(name))
	if err != nil {
		return nil, err
	}
	if t.Name != name {
		return nil, fmt.Errorf("%s: name is %q, want %s, as the file is called", s.addedFile(name), t.Name, name)
	}
	return s.backend.open(t)
}

// open opens a task of an organiser. The error says why it cannot be served.
func (d *backend) open(t *task.Task) (*study, error) {
	if ps := d.allowed(t); ps != nil {
		return nil, &task.Error{Problems: ps}
	}
	st, err := openStudy(t, d.dir)
	if err == nil {
		st.added = true
	}
	return st, err
}

// openStudy opens the data of a task and makes its model, and checks that they can be
// served. Public data are kept packed in dir.
func openStudy(t *task.Task, dir string) (*study, error) {
	d, err := dataset.Open(t)
	if err != nil {
		return nil, err
	}
	m, err := d.Model(t)
	if err != nil {
		return nil, err
	}
	if _, err := d.Strategy(t, m, true, t.SamplingSeed()); err != nil {
		return nil, err
	}
	if err := d.Pack(dir); err != nil {
		return nil, fmt.Errorf("--data %s: %w", dir, err)
	}
	return &study{Study: web.Study{Task: t, Data: d, Model: m}}, nil
}

// Serve implements admin.Backend.
func (d *backend) Serve(ctx context.Context, text []byte) (v1.Served, error) {
	t, err := task.Parse("task", text)
	if err != nil {
		return v1.Served{}, admin.Refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	s := d.server
	if s == nil {
		return v1.Served{}, admin.Refuse(http.StatusConflict, "no coordinator serves %s: start one with coordinator serve --data %[1]s --task FILE", d.dir)
	}
	if s.node != nil {
		return v1.Served{}, admin.Refuse(http.StatusConflict, "task %s: a cluster serves the tasks of --task, the same at each node: add it there, and restart one node after the other", t.Name)
	}
	end, err := d.wait(ctx, t.Name)
	if err != nil {
		return v1.Served{}, err
	}
	defer end()
	before := s.find(t.Name)
	switch {
	case before != nil:
		if err := s.over(ctx, before); err != nil {
			return v1.Served{}, err
		}
	case len(s.studies()) >= maxServed:
		return v1.Served{}, admin.Refuse(http.StatusConflict, "%d tasks are served, and there is room for %d: withdraw one first", len(s.studies()), maxServed)
	}
	st, err := d.open(t)
	if err != nil {
		return v1.Served{}, admin.Refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	if err := s.add(st, before, text); err != nil {
		return v1.Served{}, err
	}
	return v1.Served{Run: st.Run(), Task: t.Name}, nil
}

// over says why the run of a study must be stopped before its task has another one.
func (s *Server) over(ctx context.Context, st *study) error {
	state, err := st.State(ctx)
	if err != nil {
		return err
	}
	r, err := s.backend.Find(st.Run())
	if err == nil && (state.Finished == "" || r.Finished == "") {
		err = admin.Refuse(http.StatusConflict, "run %s goes on, and task %s has one at a time: stop it first", r.ID, st.Task.Name)
	}
	return err
}

// add begins a run of a study whose task has the given text, and serves it in the place of
// the one before, which may be nil. Where that fails nothing has changed.
func (s *Server) add(st, before *study, text []byte) error {
	if err := s.affordable(st); err != nil {
		return err
	}
	r := newRun(st.Task, st.Data)
	if err := s.store.CreateRun(r); err != nil {
		return err
	}
	undo := func() error { return nil }
	err := s.prepareRun(st, r.ID, nil)
	if err == nil {
		undo, err = replaceFile(s.addedFile(st.Task.Name), text)
	}
	if err == nil && !s.show(st, before) {
		err = errStopping()
	}
	if err != nil {
		return errors.Join(err, undo(), s.discard(r.ID))
	}
	if err := s.supersede(r); err != nil { // of a time when the task was served, too
		s.cfg.Log.Error("an earlier run of the task cannot be ended", "task", st.Task.Name, "error", err)
	}
	s.cfg.Log.Info("task added", "task", st.Task.Name, "run", r.ID)
	return nil
}

// show starts the run of a study and shows it to participants, in the place of the one
// before. It returns false if the server is stopping.
func (s *Server) show(st, before *study) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.web.Prepare(&st.Study)
	if s.lives != nil {
		s.start(st)
	}
	s.hub.Open(st.room)
	s.web.Add(&st.Study)
	all := slices.Clone(s.studies())
	if i := slices.Index(all, before); i >= 0 {
		all[i] = st
	} else {
		all = append(all, st)
	}
	s.list.Store(&all)
	if before != nil {
		before.leave()
	}
	return true
}

// Withdraw implements admin.Backend.
func (d *backend) Withdraw(ctx context.Context, name string) (v1.Done, error) {
	s := d.server
	if s == nil {
		return v1.Done{}, admin.Refuse(http.StatusConflict, "no coordinator serves %s: remove %s there", d.dir, filepath.Join(addedDir, name+".yaml"))
	}
	end, err := d.wait(ctx, name)
	if err != nil {
		return v1.Done{}, err
	}
	defer end()
	st := s.find(name)
	switch {
	case st == nil:
		return v1.Done{}, d.unserved(name)
	case slices.Contains(s.flagged, name):
		return v1.Done{}, admin.Refuse(http.StatusConflict, "task %s is one of --task: remove it from --task, and restart the coordinator", name)
	}
	if err := s.over(ctx, st); err != nil {
		return v1.Done{}, err
	}
	version, err := d.version(st.Run())
	if err != nil {
		return v1.Done{}, err
	}
	if err := removeDurable(s.addedFile(name)); err != nil {
		return v1.Done{}, err
	}
	s.hide(st)
	return v1.Done{Run: st.Run(), Version: version}, nil
}

// hide serves a study no longer.
func (s *Server) hide(st *study) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(s.studies()), func(other *study) bool { return other == st })
	s.list.Store(&all)
	s.web.Remove(&st.Study)
	s.hub.Close(st.room, "task "+st.Task.Name+" is served no longer")
	st.leave()
	s.cfg.Log.Info("task withdrawn", "task", st.Task.Name, "run", st.Run())
}

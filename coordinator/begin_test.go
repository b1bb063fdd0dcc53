package main

import (
	"net/http"
	"strings"
	"testing"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
	"fedtab/run"
)

// over ends the run of a server's first study, and waits until that is on disk.
func (s *testServer) over(t *testing.T) store.Run {
	t.Helper()
	if _, err := s.backend.Stop(t.Context(), s.studies()[0].Run(), "enough"); err != nil {
		t.Fatal(err)
	}
	r, err := s.backend.Find(s.studies()[0].Run())
	if err != nil || r.Finished == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	return r
}

// A run that cannot begin on a full disk leaves nothing behind, and begins once there is room.
func TestBeginOnFullDisk(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t)}})
	first := s.over(t)
	if err := s.store.Limit(1); err != nil {
		t.Fatal(err)
	}
	before := s.studies()[0].Run()
	refused := 0
	for range 200 { // each one that begins takes some room
		done, err := s.backend.Begin(t.Context(), "small", "", admin.File{})
		if err != nil {
			refused++
			break
		}
		before = done.Run
		s.over(t)
	}
	if refused == 0 {
		t.Fatal("200 runs began on a full disk")
	}
	if now := s.studies()[0].Run(); now != before {
		t.Errorf("after a refusal the run is %s, want %s", now, before)
	}
	if err := s.store.Limit(0); err != nil {
		t.Fatal(err)
	}
	done, err := s.backend.Begin(t.Context(), "small", "", admin.File{})
	if err != nil || done.Run == first.ID || s.studies()[0].Run() != done.Run {
		t.Errorf("with room: %+v, %v", done, err)
	}
	over := false
	if all, err := s.store.Runs(store.Filter{Over: &over}); err != nil || len(all) != 1 || all[0].ID != done.Run {
		t.Errorf("%+v go on, %v; want %s alone", all, err, done.Run)
	}
}

// What a run tells after its end, by a timer or an evaluation, is not shown as the next one's.
func TestBeginSilencesTheRunBefore(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t)}})
	st := s.studies()[0]
	cfg, err := s.config(st, st.Run(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.over(t)
	if _, err := s.backend.Begin(t.Context(), "small", "", admin.File{}); err != nil {
		t.Fatal(err)
	}
	cfg.Notify(run.Update{State: run.State{Finished: "of the run before"}, Round: &run.RoundRecord{Round: 7}})
	if state := st.Feed.State(); state.Finished != "" {
		t.Errorf("the next run is shown as %+v", state)
	}
}

// A service that starts with --from again goes on with the run that its organiser has begun
// since, also if the source is gone.
func TestRestartAfterBegin(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t)
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	source := s.studies()[0].Run()
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(source); return err == nil && r.Finished != "" })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	from := Config{Data: dir, Tasks: []string{file}, From: source + "@2"}
	s = serveTest(t, from)
	if id := s.studies()[0].Run(); id == source {
		t.Fatalf("--from goes on with %s", id)
	}
	s.over(t)
	done, err := s.backend.Begin(t.Context(), "small", "", admin.File{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.backend.Delete(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serveTest(t, from)
	if id := s.studies()[0].Run(); id != done.Run {
		t.Errorf("after a restart the run is %s, want %s, which was begun last", id, done.Run)
	}
}

// A task whose name has digits only is meant by its name, not the run with that number.
func TestTaskNamedByDigits(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t), smallTask(t, "name: small", `name: "1"`)}})
	r, err := s.backend.Find("1")
	if err != nil || r.Task != "1" || r.ID != s.studies()[1].Run() {
		t.Errorf("1 is run %s of task %s, %v", r.ID, r.Task, err)
	}
	empty := newCaller(t, s)
	if text := empty.call(http.StatusUnprocessableEntity, "POST", "", "/tasks/1/runs?name=empty.safetensors", nil, nil); !strings.Contains(text, "the body is empty") {
		t.Errorf("an empty model: %q", text)
	}
	if text := empty.call(http.StatusUnprocessableEntity, "GET", "", "/runs/1/participants?cursor=4294967296", nil, nil); !strings.Contains(text, "want the next of the page before") {
		t.Errorf("a cursor beyond all participants: %q", text)
	}
}

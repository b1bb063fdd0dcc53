package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
)

// A run goes on for longer, while it is served and while it is not, whether it is over or
// not; its identity stays, its rounds go on, and a restart knows of it.
func TestExtend(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t)
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	train := func() string {
		t.Helper()
		totals, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3})
		if err != nil {
			t.Fatal(err)
		}
		return totals.Finished
	}
	call := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := Main(t.Context(), append([]string{"extend", "--data", dir}, args...), &out, &errs); got != code {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &errs)
		}
		return out.String() + errs.String()
	}
	if end := train(); end != "3 rounds done" {
		t.Fatalf("the run ends with %q", end)
	}
	id := s.studies()[0].Run()
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(id); return err == nil && r.Finished != "" })
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{2, nil, "--run is missing"},
		{2, []string{"--run", "small"}, "want one of --by and --rounds"},
		{2, []string{"--run", "small", "--by", "1", "--rounds", "5"}, "want one of --by and --rounds"},
		{2, []string{"--run", "small", "--by", "-1"}, "is negative"},
		{2, []string{"--run", "small", "--by", "1", "--accuracy", "2"}, "--accuracy is 2, want 0 to 1"},
		{1, []string{"--run", "none", "--by", "1"}, "want a run or a task in"},
		{1, []string{"--run", "small", "--rounds", "3"}, "3 rounds, and the newest version is 3: want more"},
		{1, []string{"--run", "small", "--rounds", "1000000000"}, "rounds, want at most"},
		{1, []string{"--run", "small", "--by", "1", "--accuracy", "0.01"}, "was reached at version 3, want an accuracy above it, or 0 for none"},
	} {
		if text := call(c.code, c.args...); !strings.Contains(text, c.want) {
			t.Errorf("%v: %q, want %q", c.args, text, c.want)
		}
	}

	// Over, and served.
	if text := call(0, "--run", "small", "--by", "2"); text != "run "+id+" goes on from version 3 to 5 rounds\n" {
		t.Errorf("it prints %q", text)
	}
	if v := s.api(t, "/api/tasks/small"); v.Finished != "" || v.Stop.Rounds != 5 || v.Version != 3 || v.Run != id {
		t.Errorf("extended: %+v", v)
	}
	if end := train(); end != "5 rounds done" {
		t.Errorf("the extended run ends with %q", end)
	}
	rounds := func() (all []uint64) {
		for _, r := range s.api(t, "/api/tasks/small").Rounds {
			all = append(all, r.Round)
		}
		return all
	}
	if got := rounds(); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("it has the rounds %v", got)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	// Over, and not served; the coordinator that is started then has the task of before.
	if text := call(1, "--run", "small", "--rounds", "5"); !strings.Contains(text, "the newest version is 5") {
		t.Errorf("alone: %q", text)
	}
	if text := call(0, "--run", id, "--by", "1"); !strings.Contains(text, "goes on from version 5 to 6 rounds") {
		t.Errorf("alone: %q", text)
	}
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if v := s.api(t, "/api/tasks/small"); v.Run != id || v.Finished != "" || v.Stop.Rounds != 6 {
		t.Fatalf("after a restart: %+v", v)
	}
	// Not over, and served.
	if text := call(0, "--run", "small", "--by", "2"); !strings.Contains(text, "goes on from version 5 to 8 rounds") {
		t.Errorf("before its end: %q", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	if v := s.api(t, "/api/tasks/small"); v.Version != 8 || v.Finished != "8 rounds done" || v.Run != id {
		t.Errorf("after that: %+v", v)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if v := s.api(t, "/api/tasks/small"); v.Run != id || v.Finished != "8 rounds done" {
		t.Errorf("after another restart: %+v", v)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// A newer run of the task hides it from every coordinator.
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}, Fresh: true})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if text := call(1, "--run", id, "--by", "1"); !strings.Contains(text, "is not the newest of task small, which alone goes on") {
		t.Errorf("an older run: %q", text)
	}
}

// A scheme whose run ends by itself cannot go on.
func TestExtendRefused(t *testing.T) {
	dir := t.TempDir()
	name := "mnist-oneshot"
	if _, err := task.Find(name, nil); err != nil {
		t.Fatal(err)
	}
	s := serveTest(t, Config{Data: dir, Tasks: []string{name}})
	var errs bytes.Buffer
	if code := Main(t.Context(), []string{"extend", "--data", dir, "--run", name, "--by", "1"}, &bytes.Buffer{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "oneshot ends by itself, want a new run") {
		t.Errorf("exit code %d, %s", code, &errs)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

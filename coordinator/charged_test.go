package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/api/v1"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
	"fedtab/strategy"
)

// An attempt is in the account as soon as it is open, and stays there when the run is stopped
// within it, extended while it is served and while it is not, and served again.
func TestCharged(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "noised.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(noisedTask, "deadline: 1s", "deadline: 1h", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	own := anyOwn(t, s.studies()[0].Data.Own, 3)
	ended := make(chan error, 1)
	go func() {
		_, err := swarm.Run(context.Background(), swarm.Options{URL: s.socket(), Task: "noised", Clients: 3, Own: own})
		ended <- err
	}()
	charged := func() bool {
		p := s.api(t, "/api/tasks/noised").Claim
		return p != nil && p.Releases == 1 && p.Epsilon != nil && *p.Epsilon > 0
	}
	waitFor(t, "an attempt in the account", charged)
	call := func(args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := Main(t.Context(), append(args, "--data", dir, "--run", "noised"), &out, &errs); code != 0 {
			t.Fatalf("%v: %s%s", args, &out, &errs)
		}
	}
	id := s.studies()[0].Run()
	call("stop")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if !charged() {
		t.Error("a run that was stopped has forgotten its attempt")
	}
	call("extend", "--rounds", "9")
	if v := s.api(t, "/api/tasks/noised"); !charged() || v.Finished != "" || v.Phase != "training" {
		t.Errorf("an extended run is %s, over for %q, with the account %+v", v.Phase, v.Finished, v.Claim)
	}
	call("stop")
	s.stop()
	call("extend", "--rounds", "10")
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if spent, err := s.store.Spent(id); err != nil || spent == nil || spent.Releases != 1 || !charged() {
		t.Errorf("served again: %+v, %v", spent, err)
	}
}

// A run is not extended that ended because a version with noise of a tree was discarded: the
// attempt is not gone back to.
func TestExtendDiscarded(t *testing.T) {
	tk, err := task.Parse("noised.yaml", []byte(noisedTask), "privacy.adapt=false", "privacy.participations=3")
	if err != nil {
		t.Fatal(err)
	}
	for finished, want := range map[string]string{"stopped by its organiser": "", strategy.DiscardedReason: "cannot be drawn for it again: want a new run"} {
		_, _, err := extension(v1.Extension{By: 1}, tk, store.Run{ID: "r", Finished: finished}, nil, 3, true, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", finished, err, want)
		}
	}
}

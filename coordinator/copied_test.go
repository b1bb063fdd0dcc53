package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
)

// numbersTask is limitedTask with limits on numbers, which needs no invites.
var numbersTask = strings.NewReplacer("name: limited", "name: numbers", "join: invited\n", "", "participations: 3", "participations: 9, limits: number").Replace(limitedTask)

// trainTo trains a served task of numbersTask until it has a version.
func trainTo(t *testing.T, s *testServer, version uint64) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: "numbers", Clients: 2, Own: anyOwn(t, s.find("numbers").Data.Own, 2)})
		ended <- err
	}()
	waitFor(t, "a version", func() bool { return s.api(t, "/api/tasks/numbers").Version >= version })
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// refusedServer returns why a coordinator does not start.
func refusedServer(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	cfg.Listen.Addr, cfg.Listen.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	s, err := NewServer(cfg)
	if err == nil {
		s.close()
		return ""
	}
	return err.Error()
}

// A private run goes on after a restart and in a directory with another name, and not in a copy,
// where all else does. Once its organiser vouches that the original does not, it goes on with a new tree.
func TestServeCopies(t *testing.T) {
	private, plain := writeTask(t, "numbers", numbersTask), smallTask(t)
	dir := filepath.Join(t.TempDir(), "data")
	s := serveTest(t, Config{Data: dir, Tasks: []string{private, plain}})
	trainTo(t, s, 3)
	id := s.find("numbers").Run()
	printed(t, 0, "pause", "--data", dir, "--run", id) // a round that is open would be waited for
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "fedtab.db")
	printed(t, 0, "backup", "--data", dir, "--out", saved)
	restored := t.TempDir()
	if err := os.Rename(saved, filepath.Join(restored, store.File)); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-a", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	renamed := filepath.Join(t.TempDir(), "renamed")
	if err := os.Rename(dir, renamed); err != nil {
		t.Fatal(err)
	}
	for range 2 { // under another name, and once more
		s = serveTest(t, Config{Data: renamed, Tasks: []string{private}})
		if got := s.find("numbers").Run(); got != id {
			t.Errorf("the original goes on with run %s, want %s", got, id)
		}
		if cuts, err := s.store.Cuts(id); err != nil || len(cuts) > 0 {
			t.Errorf("the original has cut its tree after %v releases (%v)", cuts, err)
		}
		s.stop()
	}
	want := "task numbers: run " + id + " has noise, and this database is a copy: it was copied, restored from a backup, or moved to another disk, and what the original has released since is not in its account. Want a new run (serve --fresh); or serve --moved once, if the original is not served any more and no version was released after the copy was made"
	for name, dir := range map[string]string{"a backup": restored, "a copy": copied} {
		for range 2 {
			if got := refusedServer(t, Config{Data: dir, Tasks: []string{private}}); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		var out, errs bytes.Buffer
		if code := Main(t.Context(), []string{"extend", "--data", dir, "--run", id, "--rounds", "40"}, &out, &errs); code == 0 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: extend: %s%s", name, &out, &errs)
		}
		serveTest(t, Config{Data: dir, Tasks: []string{plain}}).stop()
	}

	s = serveTest(t, Config{Data: restored, Tasks: []string{private}, Moved: true})
	before, err := s.store.Spent(id)
	if err != nil || s.find("numbers").Run() != id || !s.vouched {
		t.Fatalf("with --moved run %s goes on (%v)", s.find("numbers").Run(), err)
	}
	if cuts, err := s.store.Cuts(id); err != nil || !slices.Equal(cuts, []int{int(before.Releases)}) {
		t.Errorf("its tree is cut after %v releases (%v), want %d", cuts, err, before.Releases)
	}
	printed(t, 0, "resume", "--data", restored, "--run", id)
	trainTo(t, s, before.Releases+2)
	after, err := s.store.Spent(id)
	if err != nil || after.Releases < before.Releases+2 {
		t.Errorf("its account has %+v, %v", after, err)
	}
	claim, err := s.find("numbers").Task.Claim(s.find("numbers").Model.Layout().Size, int(before.Releases))
	if err != nil {
		t.Fatal(err)
	}
	if epsilon, err := claim.Epsilon(int(after.Releases)); err != nil || epsilon != after.Epsilon {
		t.Errorf("epsilon %g, want %g of two trees (%v)", after.Epsilon, epsilon, err)
	}
	s.stop()
	s = serveTest(t, Config{Data: restored, Tasks: []string{private}})
	if cuts, err := s.store.Cuts(id); err != nil || s.find("numbers").Run() != id || len(cuts) != 1 {
		t.Errorf("after a restart without --moved run %s goes on with cuts %v (%v)", s.find("numbers").Run(), cuts, err)
	}
	s.stop()
	s = serveTest(t, Config{Data: copied, Tasks: []string{private}, Fresh: true})
	if s.find("numbers").Run() == id {
		t.Error("--fresh goes on in a copy")
	}
}

// A run with a tree that is over has no seeds: if it is extended, a new tree begins.
func TestExtendTree(t *testing.T) {
	dir := t.TempDir()
	file := writeTask(t, "numbers", strings.Replace(numbersTask, "rounds: 30", "rounds: 3", 1))
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	trainTo(t, s, 3)
	id := s.find("numbers").Run()
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(id); return err == nil && r.Finished != "" })
	s.stop()
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}}) // it is over, and shown
	printed(t, 0, "extend", "--data", dir, "--run", id, "--rounds", "5")
	trainTo(t, s, 5)
	if cuts, err := s.store.Cuts(id); err != nil || !slices.Equal(cuts, []int{3}) {
		t.Errorf("its tree is cut after %v releases (%v), want 3", cuts, err)
	}
}

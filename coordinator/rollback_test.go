package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
)

// A run goes back to an earlier version while it is served and its participants train,
// and while it is not; an error says what would be right.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t, "epochs: 1", "batches: 2", "rounds: 3", "rounds: 100000")
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: "small", Clients: 3})
		done <- err
	}()
	version := func() uint64 { return s.api(t, "/api/tasks/small").Version }
	reach := func(want uint64) {
		t.Helper()
		waitFor(t, fmt.Sprintf("version %d", want), func() bool { return version() >= want })
	}
	order := func(code int, args ...string) string {
		t.Helper()
		var out, errors bytes.Buffer
		if got := Main(t.Context(), append([]string{"rollback", "--data", dir}, args...), &out, &errors); got != code {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &errors)
		}
		return out.String() + errors.String()
	}
	reach(2)
	var made uint64
	text := order(0, "--run", "small", "--version", "0")
	if _, err := fmt.Sscanf(text[strings.Index(text, "version"):], "version %d", &made); err != nil || !strings.Contains(text, "is the model of version 0") {
		t.Fatalf("it prints %q (%v)", text, err)
	}
	got, _, err := s.store.Model(s.studies()[0].Run(), made)
	if err != nil {
		t.Fatal(err)
	}
	initial := make([]float32, len(got))
	s.studies()[0].Model.Init(initial, 1)
	for i := range got {
		if got[i] != initial[i] {
			t.Fatalf("parameter %d of version %d is %g, want %g", i, made, got[i], initial[i])
		}
	}
	reach(max(made+2, store.KeepNewest+3)) // the participants go on from it, and some versions are no longer kept
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--run", "other", "--version", "0"}, "want a run or a task in"},
		{[]string{"--run", "small", "--version", "1000000"}, "model version 1000000: not found, want one of 0"},
	} {
		if text := order(1, c.args...); !strings.Contains(text, c.want) {
			t.Errorf("%v: %q, want an error that says %q", c.args, text, c.want)
		}
	}
	order(2, "--version", "0")
	order(2, "--run", "small", "--version", "first")
	cancel()
	<-done
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	last := durable(t, dir)
	if text := order(0, "--run", "small", "--version", "0"); !strings.Contains(text, fmt.Sprintf("version %d is the model of version 0", last+1)) {
		t.Errorf("alone, after version %d: %q", last, text)
	}
	var v v1.Versions
	if err := ask(dir, func(c *admin.Client) error { return c.Do(t.Context(), http.MethodGet, "/runs/small/versions", nil, &v) }); err != nil {
		t.Fatal(err)
	}
	kept := v.Versions
	gone := uint64(1)
	for slices.Contains(kept, gone) {
		gone++
	}
	if text, want := order(1, "--run", "small", "--version", fmt.Sprint(gone)), "want one of "+ranges(append([]uint64{0}, kept...))+"\n"; gone > last || !strings.Contains(text, want) {
		t.Errorf("alone, to version %d of %d: %q, want %q", gone, last, text, want)
	}
	if text := order(1, "--run", "other", "--version", "0"); !strings.Contains(text, "want a run or a task in") {
		t.Errorf("alone, of another run: %q", text)
	}
}

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		versions []uint64
		want     string
	}{
		{nil, ""},
		{[]uint64{0}, "0"},
		{[]uint64{0, 1}, "0, 1"},
		{[]uint64{0, 1, 2}, "0 to 2"},
		{[]uint64{0, 50, 100, 137, 150, 196, 197, 198, 199, 200}, "0, 50, 100, 137, 150, 196 to 200"},
		{[]uint64{0, 2, 4, 5, 6, 7, 8}, "0, 2, 4 to 8"},
		{[]uint64{0, 50, 100, 150, 196, 197, 198, 199, 200}, "0 to 150 in steps of 50, 196 to 200"},
		{[]uint64{0, 3, 50, 51}, "0, 3, 50, 51"},
	} {
		if got := ranges(test.versions); got != test.want {
			t.Errorf("%v: %q, want %q", test.versions, got, test.want)
		}
	}
}

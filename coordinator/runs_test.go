package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/swarm"
)

// Runs are listed and stopped while they are served and while they are not; an error says
// what would be right.
func TestRunsAndStop(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t, "rounds: 3", "rounds: 100000")
	other := smallTask(t, "name: small", "name: other")
	s := serveTest(t, Config{Data: dir, Tasks: []string{file, other}})
	type ended struct {
		totals swarm.Totals
		err    error
	}
	done := make(chan ended, 1)
	go func() {
		totals, err := swarm.Run(context.Background(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3})
		done <- ended{totals, err}
	}()
	waitFor(t, "version 2", func() bool { return s.api(t, "/api/tasks/small").Version >= 2 })
	call := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := Main(t.Context(), append(args, "--data", dir), &out, &errs); got != code {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &errs)
		}
		return out.String() + errs.String()
	}
	list := func(args ...string) (all []v1.Run) {
		t.Helper()
		if err := json.Unmarshal([]byte(call(0, append([]string{"runs", "--json"}, args...)...)), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := list()
	if len(all) != 2 || all[0].Task != "other" || all[1].Task != "small" || !all[1].Served || all[1].Version < 2 || all[1].Finished != "" || all[1].TestAccuracy == nil {
		t.Errorf("served: %+v", all)
	}
	if all := list("--task", "other"); len(all) != 1 || all[0].Version != 0 || all[0].TestLoss != nil {
		t.Errorf("of one task: %+v", all)
	}
	if text := call(0, "runs"); !strings.HasPrefix(text, "no.  run ") || strings.Count(text, "  going") != 2 {
		t.Errorf("as a table:\n%s", text)
	}

	text := call(0, "stop", "--run", "small", "--reason", "the lesson is over")
	if !strings.Contains(text, ": stopped by its organiser: the lesson is over") {
		t.Errorf("it prints %q", text)
	}
	end := <-done
	if end.err != nil || end.totals.Finished != "stopped by its organiser: the lesson is over" {
		t.Errorf("participants are told %+v", end)
	}
	v := s.api(t, "/api/tasks/small")
	if r := list("--task", "small")[0]; v.Finished != r.Finished || uint64(v.Version) != r.Version || r.Ended == nil || !strings.Contains(text, r.Run+" is over at version ") {
		t.Errorf("listed as %+v, in the API %+v, after %q", r, v, text)
	}
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{1, []string{"--run", "small"}, "is over: stopped by its organiser: the lesson is over"},
		{1, []string{"--run", "none"}, "want a run or a task in"},
		{2, nil, "--run is missing"},
		{2, []string{"--run", "small", "--reason", strings.Repeat("x", admin.MaxReason+1)}, "--reason has 201 characters, want at most 200"},
	} {
		if text := call(c.code, append([]string{"stop"}, c.args...)...); !strings.Contains(text, c.want) {
			t.Errorf("%v: %q, want %q", c.args, text, c.want)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	if text := call(1, "stop", "--run", "none"); !strings.Contains(text, "want a run or a task in") {
		t.Errorf("alone, of no run: %q", text)
	}
	if text := call(0, "stop", "--run", "other"); !strings.Contains(text, "is over at version 0: stopped by its organiser\n") {
		t.Errorf("alone: %q", text)
	}
	if text := call(1, "stop", "--run", "other"); !strings.Contains(text, "is over: stopped by its organiser") {
		t.Errorf("alone, twice: %q", text)
	}
	for _, r := range list() {
		if r.Served || r.Finished == "" {
			t.Errorf("%+v, want a run that is over and not served", r)
		}
	}
	s = serveTest(t, Config{Data: dir, Tasks: []string{file, other}})
	if v := s.api(t, "/api/tasks/other"); v.Finished != "stopped by its organiser" {
		t.Errorf("after a restart: %+v", v)
	}
	var errs bytes.Buffer
	if code := Main(t.Context(), []string{"runs", "--data", t.TempDir()}, &bytes.Buffer{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "no such file") {
		t.Errorf("without a database: exit code %d, %s", code, &errs)
	}
}

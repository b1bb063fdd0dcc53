package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"fedtab/api"
	"fedtab/coordinator/swarm"
)

// known is a figure, -1 for none.
func known(x *float64) float64 {
	if x == nil {
		return -1
	}
	return *x
}

// A live run goes by the validation set: participants get none of it, its figures stand in
// rounds and in the evaluation, a goal on it ends the run, and after a restart both the set
// and the figures are the same.
func TestServeValidates(t *testing.T) {
	dir, file := t.TempDir(), smallTask(t, "source: mnist,", "source: mnist, first: 4000, validation: 0.25,", "rounds: 3", "rounds: 30, accuracy: 0.6")
	state := func(s *testServer) (v api.Task) {
		if err := json.Unmarshal([]byte(s.body(t, s.Addr(), "/api/tasks/small", http.StatusOK)), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if sizes := s.studies()[0].Data.Sizes(); len(sizes) != 100 || sizes[0] != 30 {
		t.Errorf("%d shards of %d examples, want 100 of 30", len(sizes), sizes[0])
	}
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: "http://" + s.Addr(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	was := state(s)
	v := was.Evaluation.Validation
	if v == nil || v.Examples != 1000 || v.Accuracy == nil || *v.Accuracy < .6 || was.Finished == "" || was.Evaluated == 30 {
		t.Fatalf("the run ended (%s) at version %d with %+v on the validation set", was.Finished, was.Evaluated, v)
	}
	if g := was.Stop.Goals; len(g) != 1 || g[0].Words != "validation accuracy" {
		t.Errorf("goals %+v", g)
	}
	best, most := 0, 0.
	rounds := was.Rounds[:was.Evaluated] // another may be committed while the goal is found reached
	for _, r := range rounds {
		evaluated := r.TestAccuracy != nil // the newest version is, when there is time
		if (r.ValidationAccuracy != nil) != evaluated || (r.ValidationLoss != nil) != evaluated {
			t.Fatalf("round %+v", r)
		}
		if evaluated && *r.ValidationAccuracy > most {
			best, most = r.Round, *r.ValidationAccuracy
		}
	}
	if best != was.Evaluated {
		t.Errorf("version %d is the first that reaches the goal, and %d the best", was.Evaluated, best)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := state(serveTest(t, Config{Data: dir, Tasks: []string{file}}))
	if a := again.Evaluation; again.Run != was.Run || a == nil || a.Validation == nil || *a.Validation.Accuracy != *v.Accuracy || *a.Validation.Loss != *v.Loss || a.Validation.Examples != v.Examples {
		t.Errorf("after a restart run %s with %+v, was %s with %+v", again.Run, again.Evaluation, was.Run, v)
	}
	for i, r := range rounds {
		if got, want := known(again.Rounds[i].ValidationAccuracy), known(r.ValidationAccuracy); got != want {
			t.Errorf("round %d: %v after a restart, was %v", r.Round, got, want)
		}
	}
}

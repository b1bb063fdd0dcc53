package main

import (
	"strings"
	"testing"

	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/run"
)

// A run with noise that is over is not extended if that would forget what its account is charged.
func TestCharged(t *testing.T) {
	noised := &task.Task{Privacy: task.Privacy{Noise: 1}}
	over, open := store.Run{ID: "r", Finished: "the budget is spent"}, &run.OpenRound{Round: 4}
	for name, c := range map[string]struct {
		task *task.Task
		run  store.Run
		open *run.OpenRound
		want bool
	}{
		"charged attempts": {noised, over, open, true},
		"none":             {noised, over, nil, false},
		"goes on":          {noised, store.Run{ID: "r"}, open, false},
		"without noise":    {&task.Task{}, over, open, false},
	} {
		err := charged(c.task, c.run, c.open)
		if (err != nil) != c.want || c.want && !strings.Contains(err.Error(), "attempts at round 4 are charged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

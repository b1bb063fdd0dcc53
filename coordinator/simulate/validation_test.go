package simulate

import (
	"math"
	"strings"
	"testing"
)

// A result has the figures on the validation set beside those on the test set, in rounds
// that are evaluated and at the end, and says what selects.
func TestValidation(t *testing.T) {
	small := []string{"data.first=600", "data.partition.clients=6", "model.hidden=[10]", "strategy.fraction=1"}
	for _, c := range []struct {
		name string
		task string
		sets []string
		on   string // selected_on
		figures,
		numbers bool // there are validation figures; of numbers
	}{
		{"classes", "mnist-2nn", append(small, "data.validation=0.2", "eval_every=2", "stop={rounds: 3, accuracy: 0}"), "validation", true, false},
		{"numbers", "mnist-2nn", []string{"model=", "model.kind=linear", "data=", "data={source: synthetic, generator: {kind: linear}, partition: {clients: 4}, validation: 0.2}", "stop={rounds: 2, accuracy: 0}"}, "validation", true, true},
		{"drift", "mnist-dynamic", append(small[:3:3], "data.validation=0.2", "strategy.delta=.05", "data.drift=20", "stop=", "stop.steps=60", "eval_every=1"), "validation", true, false},
		{"a goal on the test set", "mnist-2nn", append(small, "stop={rounds: 1, accuracy: 0.99}"), "test", false, false},
		{"nothing selects", "mnist-2nn", append(small, "stop={rounds: 1, accuracy: 0}"), "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := simulate(t, c.task, c.sets...)
			if res.SelectedOn != c.on {
				t.Errorf("selected on %q, want %q", res.SelectedOn, c.on)
			}
			for _, r := range res.Rounds {
				if (r.ValidationLoss != nil) != (c.figures && r.TestLoss != nil) || (r.ValidationAccuracy != nil) != (c.figures && r.TestAccuracy != nil) || (r.ValidationRMSE != nil) != (c.figures && c.numbers) {
					t.Errorf("round %d: %+v", r.Round, r.Test)
				}
			}
			for _, k := range res.Checks {
				if k.ValidationLoss == nil || k.TestLoss == nil {
					t.Errorf("check after %d mini-batches: %+v", k.Steps, k.Test)
				}
			}
			f, last := res.Final, res.Rounds[len(res.Rounds)-1]
			if c.figures && (f.ValidationLoss == nil || *f.ValidationLoss != *last.ValidationLoss) {
				t.Errorf("at the end %v, want %v", figure(f.ValidationLoss), figure(last.ValidationLoss))
			}
			// Both sets are of one distribution, also after a drift.
			if c.figures && !(math.Abs(*f.ValidationLoss-*f.TestLoss) < .5**f.TestLoss) {
				t.Errorf("validation loss %v, test loss %v", *f.ValidationLoss, *f.TestLoss)
			}
		})
	}
}

// A run that is stopped by an accuracy goes by the validation set, and says so.
func TestStopsByValidation(t *testing.T) {
	res := simulate(t, "mnist-2nn", "data.first=600", "data.partition.clients=6", "model.hidden=[10]", "strategy.fraction=1", "data.validation=0.5", "stop={rounds: 40, accuracy: 0.5}")
	n := len(res.Rounds) - 1
	if !strings.HasPrefix(res.Final.Reason, "validation accuracy") || *res.Rounds[n].ValidationAccuracy < .5 || n > 0 && *res.Rounds[n-1].ValidationAccuracy >= .5 {
		t.Errorf("%d rounds: %s", n+1, res.Final.Reason)
	}
}

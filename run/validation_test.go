package run

import (
	"strings"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// of100 are the figures of a version that recognises some of 97 healthy and 3 ill.
func of100(healthy, ill int64) learn.Metrics {
	return learn.Metrics{
		Sums:      learn.Sums{Examples: 100, Loss: float64(100 - healthy - ill), Correct: int(healthy + ill)},
		Confusion: []int64{healthy, 97 - healthy, 3 - ill, ill},
	}
}

// Goals of the validation set go by it alone, whatever the test set says, and others by the
// test set.
func TestValidationStops(t *testing.T) {
	good, bad := of100(97, 3), of100(50, 0)
	goal := func(m Metric, class int, reach float64, validation bool) Goal {
		return Goal{Metric: m, Class: class, Name: map[int]string{1: "ill"}[class], Reach: reach, Validation: validation}
	}
	for _, test := range []struct {
		name             string
		goal             Goal
		validation, test learn.Metrics
		want             string
	}{
		{"validation reaches it", goal(Accuracy, -1, .9, true), good, bad, "validation accuracy 1 reached at version 1"},
		{"only the test set reaches it", goal(Accuracy, -1, .9, true), bad, good, "2 rounds done"},
		{"a class", goal(Recall, 1, .9, true), good, bad, "validation recall of ill 1 reached at version 1"},
		{"a class on the test set", goal(Recall, 1, .9, true), bad, good, "2 rounds done"},
		{"a loss", goal(Loss, -1, .1, true), good, bad, "validation loss 0 reached at version 1"},
		{"a goal of the test set", goal(Accuracy, -1, .9, false), bad, good, "test accuracy 1 reached at version 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			configure := func(c *Config, s *strategy.Config) {
				s.Deadline, c.Stop = time.Second, Stop{Goals: []Goal{test.goal}, Rounds: 2}
				c.Evaluate = func([]float32) learn.Metrics { return test.test }
				c.Validate = func([]float32) learn.Metrics { return test.validation }
			}
			f := newFixture(t, configure)
			a, pa := f.join(t)
			b, pb := f.join(t)
			for range 2 {
				if f.State().Finished != "" {
					break
				}
				f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
				f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
				f.env.advance(0)
			}
			if got := f.State().Finished; got != test.want {
				t.Errorf("finished with %q, want %q", got, test.want)
			}
			e := f.State().Evaluated
			if e.Accuracy != test.test.Figures().Accuracy || e.Validation == nil || e.Validation.Accuracy != test.validation.Figures().Accuracy || len(e.ValidationConfusion) != 4 {
				t.Errorf("evaluation %+v", e)
			}
			if rec := f.Rounds()[0]; rec.Test == nil || rec.Validation == nil || rec.Validation.Classes != nil || rec.Validation.Loss != e.Validation.Loss || rec.Test.Loss != e.Loss {
				t.Errorf("record %+v", rec)
			}
			// A process that dies between the evaluation and the end finds the goal reached.
			saved := f.journal.saved()
			if g := newFixture(t, func(c *Config, s *strategy.Config) {
				configure(c, s)
				c.Saved = saved
			}); g.State().Finished != test.want {
				t.Errorf("after a restart finished with %q, want %q", g.State().Finished, test.want)
			}
		})
	}
}

// A goal of a validation set that a version was not evaluated on is not reached.
func TestValidationUnknown(t *testing.T) {
	for _, g := range []Goal{{Metric: Accuracy, Class: -1, Validation: true}, {Metric: Loss, Class: -1, Reach: 1e9, Validation: true}, {Metric: Recall, Class: 0, Validation: true}} {
		e := Evaluation{Figures: of100(97, 3).Figures()}
		if g.Reached(e.For(g)) {
			t.Errorf("%v is reached without figures", g)
		}
	}
}

// The guard calls neither the evaluator of the test set nor that of the validation set.
func TestGuardJudgesAlone(t *testing.T) {
	var judgements, evaluated int
	f, _, _, offer, _ := judged(t, 3, func(c *Config, _ *strategy.Config) {
		judge := c.Judge
		c.Judge = func(p []float32) learn.Metrics { judgements++; return judge(p) }
		c.EvalEvery = 1000
		c.Evaluate = func([]float32) learn.Metrics { evaluated++; return measured(1) }
		c.Validate = c.Evaluate
	})
	for i := range 3 {
		offer(i, 60)
	}
	f.env.advance(0)
	if judgements == 0 || evaluated != 0 {
		t.Errorf("%d judgements, %d evaluations: want only judgements", judgements, evaluated)
	}
	for _, e := range f.journal.entries {
		if strings.Contains(e.Detail, "test") {
			t.Errorf("entry %q tells of the test set", e.Detail)
		}
	}
}

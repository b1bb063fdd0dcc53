package web

import (
	"math"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/workload"
)

// A study takes the place of the one of its task, which ends; who has read the list keeps
// what it was.
func TestStudies(t *testing.T) {
	first, _ := studyOf(t, "anes96")
	next, _ := studyOf(t, "anes96")
	other, _ := studyOf(t, "own-vote")
	ended := func(st *Study) bool {
		select {
		case <-st.Ended():
			return true
		default:
			return false
		}
	}
	s := NewStudies(first, other)
	s.built("build")
	before := s.All()
	s.Prepare(next)
	s.Add(next)
	if all := s.All(); len(all) != 2 || all[0] != next || all[1] != other || before[0] != first || next.fixed.Build != "build" || other.fixed.Build != "build" {
		t.Errorf("replaced: %v, before %v", all, before)
	}
	if !ended(first) || ended(next) || ended(other) {
		t.Error("the study that was replaced goes on, or another has ended")
	}
	s.Remove(next)
	if s.Find("anes96") != nil || s.Find("own-vote") != other || !ended(next) || len(s.All()) != 1 {
		t.Errorf("removed: %v", s.All())
	}
	if new(Studies).All() != nil {
		t.Error("an empty list has studies")
	}
}

// An estimate of a recorded model is what was recorded; it grows with operations and
// examples.
func TestTrainingSeconds(t *testing.T) {
	model := func(name string) learn.Model {
		j, err := workload.NewJob(name, "dense", 10)
		if err != nil {
			t.Fatal(err)
		}
		m, err := learn.New(j.Spec)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	rate := func(model, input string, batch int) float64 {
		for _, r := range recorded().Results {
			if r.Engine == "fedtab" && r.Model == model && r.Input == input && r.Batch == batch {
				return r.Rate
			}
		}
		t.Fatalf("no rate of %s %s %d", model, input, batch)
		return 0
	}
	for _, test := range []struct {
		model string
		batch int
		want  float64
	}{
		{"2nn", 10, 1000 / rate("2nn", "dense", 10)},
		{"2nn", 1, 1000 / rate("2nn", "dense", 10)},
		{"2nn", 50, 1000 / rate("2nn", "dense", 32)},
		{"2nn", 0, 1000 / rate("2nn", "dense", 128)},
		{"cnn", 32, 1000 / rate("cnn", "mnist", 32)},
	} {
		if got := TrainingSeconds(model(test.model), test.batch, 1000); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s in mini-batches of %d: %v s, want %v", test.model, test.batch, got, test.want)
		}
	}
}

// A round's bytes are those of the packed model.
func TestRoundBytes(t *testing.T) {
	for codec, want := range map[string]int64{"float32": 4*199_210 + smallMessages, "float16": 2*199_210 + smallMessages} {
		tk, err := task.Find("mnist-2nn", []string{"compress={up: {codec: " + codec + "}, down: {codec: " + codec + "}}"})
		if err != nil {
			t.Fatal(err)
		}
		if up, down := RoundBytes(tk, 199_210); up != want || down != want {
			t.Errorf("%s: %d up, %d down, want %d", codec, up, down, want)
		}
	}
	// With secure aggregation it is about the masked vector, of 12 bits for a parameter.
	tk, err := task.Find("mnist-2nn", []string{"privacy={aggregation: secure}", "compress={down: {codec: float16}}"})
	if err != nil {
		t.Fatal(err)
	}
	const masked = 12 * 199_210 / 8
	if up, down := RoundBytes(tk, 199_210); up < masked || up > masked+5000 || down < 2*199_210 || down > 2*199_210+5000 {
		t.Errorf("secure: %d up, %d down, want a little over %d and %d", up, down, masked, 2*199_210)
	}
}

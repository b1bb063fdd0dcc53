package workload

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
)

// A job gives the same curve in every pass, and its order has every example once in an
// epoch.
func TestTrainer(t *testing.T) {
	set, err := Dense([]int{20}, 120, 1)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(set.Values, 0) {
		t.Error("dense inputs have a zero")
	}
	j := Job{Spec: learn.MLP([]int{20}, []int{30}, 10), Batch: 10, LR: .1, Steps: 24, Every: 6, Seed: 3}
	m, err := learn.New(j.Spec)
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	m.Init(params, 1)
	reference, order, err := Reference(j, params, set)
	if err != nil {
		t.Fatal(err)
	}
	first := slices.Sorted(slices.Values(order[:120]))
	if len(order) != 240 || first[0] != 0 || first[119] != 119 || len(slices.Compact(first)) != 120 {
		t.Errorf("%d examples in all, in the first epoch %v", len(order), first)
	}
	trainer, err := NewTrainer(j, params, set)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		curve, err := trainer.Pass()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(curve, reference) {
			t.Errorf("curve %v, want %v", curve, reference)
		}
	}
	large := Job{Spec: j.Spec, Batch: 600, LR: .1, Steps: 4, Every: 2, Seed: 3} // more than fit into a piece
	if set, err = Dense([]int{20}, 1200, 1); err != nil {
		t.Fatal(err)
	}
	if curve, order, err := Reference(large, params, set); err != nil || len(curve) != 2 || len(order) != 2400 {
		t.Errorf("large mini-batches: curve %v of %d examples, %v; want 2 points of 2400", curve, len(order), err)
	}
	if set, err = Dense([]int{20}, 120, 1); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]Job{
		"read too seldom":    {Spec: j.Spec, Batch: 10, LR: .1, Steps: 24, Every: 7},
		"short mini-batches": {Spec: j.Spec, Batch: 7, LR: .1, Steps: 24, Every: 6},
		"no such model":      {Spec: learn.Spec{}, Batch: 10, LR: .1, Steps: 24, Every: 6},
	} {
		if _, err := NewTrainer(wrong, params, set); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Every job of the table trains: its parameters are there, its mini-batches divide the
// examples, and a step changes the loss.
func TestNewJob(t *testing.T) {
	set, err := Dense(shape, Whole, Seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"2nn", "cnn"} {
		for _, batch := range []int{10, 32, 128} {
			t.Run(fmt.Sprint(model, batch), func(t *testing.T) {
				j, err := NewJob(model, "dense", batch)
				if err != nil {
					t.Fatal(err)
				}
				if j.Steps < 2 || j.Every != j.Steps {
					t.Errorf("%d steps, the loss is read every %d", j.Steps, j.Every)
				}
				j.Steps, j.Every = 2, 1
				params, err := j.Params()
				if err != nil {
					t.Fatal(err)
				}
				trainer, err := NewTrainer(j, params, set)
				if err != nil {
					t.Fatal(err)
				}
				if curve, err := trainer.Pass(); err != nil || len(curve) != 2 || curve[0] == curve[1] {
					t.Errorf("curve %v, %v, want two points", curve, err)
				}
			})
		}
	}
	for name, wrong := range map[string]struct {
		model, input string
		batch        int
	}{
		"no such model": {"3nn", "dense", 10}, "no such input": {"2nn", "sparse", 10}, "no mini-batch": {"2nn", "dense", 0},
	} {
		if _, err := NewJob(wrong.model, wrong.input, wrong.batch); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTake(t *testing.T) {
	images := func(n int, first uint8) *data.Set {
		x := make([]uint8, n*28*28)
		for i := range n {
			x[i*28*28] = first + uint8(i)
		}
		s, err := data.NewSet(data.Array{Dims: []int{n, 28, 28}, Data: x}, data.Array{Dims: []int{n}, Data: make([]uint8, n)}, classes)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, err := Take(5, images(3, 0), images(4, 3))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got := s.X[i*28*28]; s.Len() != 5 || int(got) != i {
			t.Errorf("example %d of %d begins with %d, want %d", i, s.Len(), got, i)
		}
	}
	if _, err := Take(8, images(3, 0), images(4, 3)); err == nil {
		t.Error("too few examples: no error")
	}
	table, err := Dense([]int{20}, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(5, table); err == nil {
		t.Error("no images: no error")
	}
}

func TestAgainst(t *testing.T) {
	for _, c := range []struct {
		name           string
		rate, recorded float64
		times          float64
		is             Standing
	}{
		{"faster", 130, 100, 1.3, Faster},
		{"slower", 100, 130, 1.3, Slower},
		{"equal", 100, 100, 1, Even},
		{"a little faster", 104, 100, 1, Even},
		{"a little slower", 96, 100, 1, Even},
		{"just faster", 106, 100, 1.1, Faster},
		{"tenfold", 1234, 100, 12, Faster},
		{"a tenth", 100, 1234, 12, Slower},
		{"rounds to ten", 996, 100, 10, Faster},
		{"a thousandth", 1, 1234, 1200, Slower},
		{"not recorded", 100, 0, 0, Unknown},
		{"not measured", 0, 100, 0, Unknown},
		{"NaN", math.NaN(), 100, 0, Unknown},
		{"infinite", math.Inf(1), 100, 0, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			if times, is := Against(c.rate, c.recorded); times != c.times || is != c.is {
				t.Errorf("got %v, %s, want %v, %s", times, is, c.times, c.is)
			}
		})
	}
}

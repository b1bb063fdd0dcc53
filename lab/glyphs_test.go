package lab

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// Every digit is drawn, with ink from nothing to all; the same seed draws the same pictures.
func TestGlyphs(t *testing.T) {
	const n = 500
	x, y := glyphs(n, rng.Stream(1, "glyphs"))
	if len(x) != n*glyphSide*glyphSide || len(y) != n || slices.Min(x) != 0 || slices.Max(x) != 1 {
		t.Fatalf("%d numbers from %g to %g for %d labels, want %d from 0 to 1 for %d", len(x), slices.Min(x), slices.Max(x), len(y), n*glyphSide*glyphSide, n)
	}
	var counts [glyphClasses]int
	for i, digit := range y {
		counts[digit]++
		var all float32
		for _, v := range x[i*glyphSide*glyphSide:][:glyphSide*glyphSide] {
			all += v
		}
		if all < 8 || all > 100 {
			t.Errorf("picture %d of a %d has ink for %g pixels, want 8 to 100", i, digit, all)
		}
	}
	if slices.Min(counts[:]) < n/glyphClasses/2 {
		t.Errorf("the digits are drawn %v times, want each about as often", counts)
	}
	if again, _ := glyphs(n, rng.Stream(1, "glyphs")); !slices.Equal(x, again) {
		t.Error("the same seed draws other pictures")
	}
}

// The digits can be learned from 1,000 of them, though not without mistakes; a network is
// better than a linear model.
func TestGlyphsAreLearned(t *testing.T) {
	const train, test = 1000, 2000
	for seed := range uint64(2) {
		var accuracy []float64
		for _, hidden := range [][]int{nil, {64}} {
			x, y := glyphs(train+test, rng.Stream(seed, "glyphs"))
			set := func(from, n int) *data.Set {
				s, err := data.NewLabelled([]int{glyphSide, glyphSide}, x[from*glyphSide*glyphSide:][:n*glyphSide*glyphSide], y[from:][:n], glyphClasses)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			m, err := learn.New(learn.MLP([]int{glyphSide, glyphSide}, hidden, glyphClasses))
			if err != nil {
				t.Fatal(err)
			}
			params, fit := make([]float32, m.Layout().Size), learn.NewFit(m)
			m.Init(params, seed)
			if err := fit.Start(params, set(0, train), learn.FitConfig{Epochs: 20, Batch: 10, LR: .1, Seed: seed}); err != nil {
				t.Fatal(err)
			}
			if _, err := fit.Run(math.MaxInt32); err != nil {
				t.Fatal(err)
			}
			metrics, err := learn.Evaluate(m, params, set(train, test), 1)
			if err != nil {
				t.Fatal(err)
			}
			got := metrics.Figures().Accuracy
			accuracy = append(accuracy, got)
			if name := fmt.Sprintf("seed %d, hidden layers %v", seed, hidden); got < .92 || got > .975 {
				t.Errorf("%s: accuracy %.3f, want 0.92 to 0.975", name, got)
			}
		}
		t.Logf("seed %d: accuracy %.3f of a linear model, %.3f of a network", seed, accuracy[0], accuracy[1])
		if accuracy[1] <= accuracy[0] {
			t.Errorf("seed %d: a network has accuracy %.3f, want more than a linear model's %.3f", seed, accuracy[1], accuracy[0])
		}
	}
}

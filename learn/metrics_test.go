package learn

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"fedtab/learn/data"

	"pgregory.net/rapid"
)

// Figures are checked against values computed by hand from
// 97 + 3 examples: 96 and 1 right.
func TestFigures(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		name string
		m    Metrics
		want Figures
	}{
		{"a rare class", Metrics{Sums: Sums{Examples: 100, Loss: 25, Correct: 97}, Confusion: []int64{96, 1, 2, 1}}, Figures{
			Examples: 100, Loss: .25, Accuracy: .97, BalancedAccuracy: (96./97 + 1./3) / 2, F1: (192./195 + 2./5) / 2,
			Classes: []ClassFigures{{97, 96. / 98, 96. / 97, 192. / 195}, {3, 1. / 2, 1. / 3, 2. / 5}}, RMSE: nan, MAE: nan, R2: nan,
		}},
		{"a class without examples or predictions, and one that is never found", Metrics{
			Sums: Sums{Examples: 4, Loss: 4, Correct: 3}, Confusion: []int64{3, 0, 0, 1, 0, 0, 0, 0, 0},
		}, Figures{
			Examples: 4, Loss: 1, Accuracy: .75, BalancedAccuracy: .5, F1: (6. / 7) / 2,
			Classes: []ClassFigures{{3, .75, 1, 6. / 7}, {1, nan, 0, 0}, {0, nan, nan, nan}}, RMSE: nan, MAE: nan, R2: nan,
		}},
		// Targets 1, 2, 3, 6, predictions 2, 2, 2, 4.
		{"a regression", Metrics{Sums: Sums{Examples: 4, Loss: 3}, AbsoluteError: 4, SquaredError: 6, TargetMean: 3, TargetSquares: 14}, Figures{
			Examples: 4, Loss: .75, Accuracy: nan, BalancedAccuracy: nan, F1: nan, RMSE: math.Sqrt(1.5), MAE: 1, R2: 1 - 6./14,
		}},
		{"equal targets", Metrics{Sums: Sums{Examples: 1}, AbsoluteError: 1, SquaredError: 1, TargetMean: 3}, Figures{
			Examples: 1, Accuracy: nan, BalancedAccuracy: nan, F1: nan, RMSE: 1, MAE: 1, R2: nan,
		}},
	} {
		if got, want := printed(test.m.Figures()), printed(test.want); got != want {
			t.Errorf("%s: got %s, want %s", test.name, got, want)
		}
	}
}

// printed prints figures: NaN equals NaN then, and the last digits of a division do
// not matter.
func printed(f Figures) string {
	s := fmt.Sprintf("%d %.12g", f.Examples, []float64{f.Loss, f.Accuracy, f.BalancedAccuracy, f.F1, f.RMSE, f.MAE, f.R2})
	for _, c := range f.Classes {
		s += fmt.Sprintf(" (%d %.12g)", c.Examples, []float64{c.Precision, c.Recall, c.F1})
	}
	return s
}

// The metrics of any division of the examples add up to those of all: counts exactly,
// sums to 1e-9.
func TestMetricsAddUp(t *testing.T) {
	models := map[string]Model{
		"softmax": must(t, MLP([]int{2, 2}, []int{8}, 3)),
		"binary":  must(t, Spec{Input: []int{2, 2}, Layers: []Layer{{Kind: Dense, Units: 1}}, Loss: Logistic}),
		"numbers": must(t, Spec{Input: []int{2, 2}, Layers: []Layer{{Kind: Dense, Units: 1}}, Loss: Squared}),
	}
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			spec := m.Spec()
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(2, 300).Draw(t, "examples")
				offset := rapid.Float32Range(-1e4, 1e4).Draw(t, "offset")
				x, labels, targets := make([]float32, 4*n), make([]uint8, n), make([]float32, n)
				for i := range x {
					x[i] = rapid.Float32Range(-2, 2).Draw(t, "x")
				}
				for i := range n {
					labels[i] = uint8(rapid.IntRange(0, max(spec.Classes(), 1)-1).Draw(t, "label"))
					targets[i] = offset + rapid.Float32Range(-1, 1).Draw(t, "target")
				}
				var set *data.Set
				var err error
				if spec.Loss.Regression() {
					set, err = data.NewMeasured([]int{2, 2}, x, targets)
				} else {
					set, err = data.NewLabelled([]int{2, 2}, x, labels, spec.Classes())
				}
				if err != nil {
					t.Fatal(err)
				}
				params := version0(m, 3)
				want, err := Evaluate(m, params, set, 1)
				if err != nil {
					t.Fatal(err)
				}
				right := int64(0)
				for c := range want.Classes() {
					right += want.Confusion[c*want.Classes()+c]
				}
				if int(right) != want.Correct {
					t.Fatalf("%d examples on the diagonal, want the %d that the loss finds correct", right, want.Correct)
				}
				parts := make([][]int32, rapid.IntRange(1, 5).Draw(t, "parts"))
				for i := range n {
					k := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
					parts[k] = append(parts[k], int32(i))
				}
				var got Metrics
				for _, part := range parts {
					one, err := Evaluate(m, params, data.NewSubset(set, part), 1)
					if err != nil {
						t.Fatal(err)
					}
					got.Add(one)
				}
				if got.Examples != want.Examples || got.Correct != want.Correct || !reflect.DeepEqual(got.Confusion, want.Confusion) {
					t.Fatalf("got %+v, want %+v", got, want)
				}
				for _, v := range [][2]float64{
					{got.Loss, want.Loss}, {got.AbsoluteError, want.AbsoluteError}, {got.SquaredError, want.SquaredError},
					{got.TargetMean, want.TargetMean}, {got.TargetSquares, want.TargetSquares},
				} {
					if math.Abs(v[0]-v[1]) > 1e-9*max(math.Abs(v[1]), 1) {
						t.Fatalf("got %+v, want %+v", got, want)
					}
				}
			})
		})
	}
}

// Metrics of standardised targets become those of the targets in their own unit.
func TestMetricsInUnits(t *testing.T) {
	m := Metrics{Sums: Sums{Examples: 4, Loss: 3}, AbsoluteError: 4, SquaredError: 6, TargetMean: -1, TargetSquares: 14}
	got, was := m.InUnits(2000, 128), m.Figures()
	f := got.Figures()
	if f.RMSE != 128*was.RMSE || f.MAE != 128*was.MAE || math.Abs(f.R2-was.R2) > 1e-15 || f.Loss != was.Loss || got.TargetMean != 1872 {
		t.Errorf("got %+v and a mean of %v, want the errors of %+v times 128 and a mean of 1872", f, got.TargetMean, was)
	}
}

// An example of a class of weight 3 counts as three of weight 1; accuracy counts it once.
func TestClassWeights(t *testing.T) {
	for _, l := range []Loss{Softmax, Logistic, Hinge} {
		spec := Spec{Input: []int{2}, Layers: []Layer{{Kind: Dense, Units: 3}}, Loss: l}
		plain := must(t, spec)
		spec.ClassWeights = []float32{1, 3, 2}
		weighted := must(t, spec)
		params := version0(plain, 5)
		x, y := []float32{1, -.5, .25, 2, -1, 1}, []float32{0, 1, 2}
		repeated := func(v []float32, n int) (out []float32) {
			for i, times := range []int{1, 3, 2} {
				for range times {
					out = append(out, v[n*i:n*i+n]...)
				}
			}
			return out
		}
		got, want := make([]float32, len(params)), make([]float32, len(params))
		a := weighted.NewWorker(3).Gradient(got, params, x, y)
		b := plain.NewWorker(6).Gradient(want, params, repeated(x, 2), repeated(y, 1))
		if math.Abs(a.Loss-b.Loss) > 1e-6 || a.Examples != 3 || a.Correct > 3 {
			t.Errorf("%v: got %+v, want the loss of %+v", l, a, b)
		}
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Errorf("%v: gradient %d is %v, want %v", l, i, got[i], want[i])
			}
		}
	}
	for want, spec := range map[string]Spec{
		"class weights: 2, want one for each of the 3 classes": {Input: []int{2}, Layers: []Layer{{Kind: Dense, Units: 3}}, ClassWeights: []float32{1, 1}},
		"weight of class 1: 0, want 0 < weight":                {Input: []int{2}, Layers: []Layer{{Kind: Dense, Units: 2}}, ClassWeights: []float32{1, 0}},
		"weight of class 0: NaN":                               {Input: []int{2}, Layers: []Layer{{Kind: Dense, Units: 2}}, ClassWeights: []float32{float32(math.NaN()), 1}},
		"class weights: 1, want one for each of the 0 classes": {Input: []int{2}, Layers: []Layer{{Kind: Dense, Units: 1}}, Loss: Squared, ClassWeights: []float32{1}},
	} {
		if _, err := New(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

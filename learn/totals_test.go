package learn

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"

	"fedtab/learn/data"
)

// randomModel returns a small model of a loss with its parameters and examples.
func randomModel(t *testing.T, loss Loss, classes, n int) (Model, []float32, data.Examples) {
	t.Helper()
	units := max(classes, 1)
	m, err := New(Spec{Input: []int{3}, Layers: []Layer{{Kind: Dense, Units: units}}, Loss: loss})
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	m.Init(params, 3)
	x := make([]float32, 3*n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)))
	}
	var s *data.Set
	if classes > 0 {
		y := make([]uint8, n)
		for i := range y {
			y[i] = uint8(i * i % classes)
		}
		s, err = data.NewLabelled([]int{3}, x, y, classes)
	} else {
		y := make([]float32, n)
		for i := range y {
			y[i] = float32(math.Cos(float64(i)))
		}
		s, err = data.NewMeasured([]int{3}, x, y)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, params, s
}

// An evaluation by pieces, by participants and over the wire has the figures of one of
// all examples: counts exactly, sums to 1e-9.
func TestFederatedMetrics(t *testing.T) {
	for _, c := range []struct {
		loss    Loss
		classes int
	}{{Softmax, 4}, {Squared, 0}} {
		m, params, ex := randomModel(t, c.loss, c.classes, 5000)
		want, err := Evaluate(m, params, ex, 1)
		if err != nil {
			t.Fatal(err)
		}
		var total Metrics
		var e Evaluator
		for _, part := range [][2]int32{{0, 10}, {10, 3000}, {3000, 5000}} {
			var index []int32
			for i := part[0]; i < part[1]; i++ {
				index = append(index, i)
			}
			if err := e.Start(m, params, data.NewSubset(ex, index)); err != nil {
				t.Fatal(err)
			}
			for !e.Run(1) {
			}
			b := e.Metrics().Append(nil)
			if len(b) != MetricsSize(c.classes) {
				t.Errorf("%d bytes, want %d", len(b), MetricsSize(c.classes))
			}
			got, err := ParseMetrics(b, c.classes, len(index))
			if err != nil {
				t.Fatal(err)
			}
			total.Add(got)
		}
		if !reflect.DeepEqual(total.Confusion, want.Confusion) || total.Examples != want.Examples || total.Correct != want.Correct {
			t.Errorf("counts %v, want %v", total, want)
		}
		for _, pair := range [][2]float64{{total.Loss, want.Loss}, {total.AbsoluteError, want.AbsoluteError}, {total.SquaredError, want.SquaredError}, {total.TargetSquares, want.TargetSquares}} {
			if math.Abs(pair[0]-pair[1]) > 1e-9*math.Abs(pair[1]) {
				t.Errorf("a sum is %v, want %v", pair[0], pair[1])
			}
		}
	}
}

// Totals that cannot be are refused.
func TestLyingMetrics(t *testing.T) {
	set := func(at int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[8*at:], v) }
	}
	float := func(at int, v float64) func([]byte) { return set(at, math.Float64bits(v)) }
	for _, c := range []struct {
		classes int
		want    string
		lie     func([]byte)
	}{
		{3, "101 examples, want 1 to 100", set(0, 101)},
		{3, "0 examples", set(0, 0)},
		{3, "loss NaN", float(1, math.NaN())},
		{3, "loss -1", float(1, -1)},
		{3, "loss 1e+07", float(1, 1e7)},
		{3, "more than 100 examples", set(4, 1<<62)},
		{3, "want 100", set(2, 0)},
		{0, "sum of errors or targets is NaN", float(2, math.NaN())},
		{0, "sum of errors or targets is +Inf", float(3, math.Inf(1))},
		{0, "absolute errors of 900000", float(2, 9e5)},
	} {
		loss := Softmax
		if c.classes == 0 {
			loss = Squared
		}
		m, params, ex := randomModel(t, loss, c.classes, 100)
		metrics, err := Evaluate(m, params, ex, 1)
		if err != nil {
			t.Fatal(err)
		}
		b := metrics.Append(nil)
		if _, err := ParseMetrics(b, c.classes, 100); err != nil {
			t.Fatalf("honest totals: %v", err)
		}
		c.lie(b)
		if _, err := ParseMetrics(b, c.classes, 100); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// Who has many more examples counts as one with fewer.
func TestScaleMetrics(t *testing.T) {
	m, params, ex := randomModel(t, Softmax, 3, 1000)
	full, err := Evaluate(m, params, ex, 1)
	if err != nil {
		t.Fatal(err)
	}
	half := full.Scale(0.5).Figures()
	if all := full.Figures(); math.Abs(half.Accuracy-all.Accuracy) > 0.002 || math.Abs(half.Loss-all.Loss) > 1e-9 || half.Examples < 498 || half.Examples > 502 {
		t.Errorf("figures %+v, want about half the examples of %+v", half, all)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add(make([]byte, 8*6), 2)
	f.Fuzz(func(t *testing.T, b []byte, classes int) {
		m, err := ParseMetrics(b, min(max(classes, 0), 256), 1000)
		if err != nil {
			return
		}
		if again, err := ParseMetrics(m.Append(nil), m.Classes(), 1000); err != nil || again.Examples != m.Examples {
			t.Errorf("what was read is refused: %v", err)
		}
		m.Scale(0.3).Figures()
	})
}

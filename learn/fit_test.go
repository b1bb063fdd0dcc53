package learn

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"fedtab/learn/data"
)

// blobs returns n images of 2x2 pixels in 3 linearly separable classes.
func blobs(t testing.TB, n int) *data.Set {
	t.Helper()
	x := make([]uint8, 0, 4*n)
	y := make([]uint8, n)
	state := uint32(1)
	for i := range y {
		y[i] = uint8(i % 3)
		for p := range 4 {
			state = state*1664525 + 1013904223
			v := uint8(state >> 26)
			if p == int(y[i]) {
				v += 150
			}
			x = append(x, v)
		}
	}
	s, err := data.NewSet(data.Array{Dims: []int{n, 2, 2}, Data: x}, data.Array{Dims: []int{n}, Data: y}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fitAll(t testing.TB, f *Fit, params []float32, ex data.Examples, cfg FitConfig, slice int) {
	t.Helper()
	if err := f.Start(params, ex, cfg); err != nil {
		t.Fatal(err)
	}
	for {
		done, err := f.Run(slice)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
	}
}

func TestFitLearns(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 300)
	p := version0(m, 1)
	before, err := Evaluate(m, p, set, 1)
	if err != nil {
		t.Fatal(err)
	}
	fitAll(t, NewFit(m), p, set, FitConfig{Epochs: 20, Batch: 10, LR: 0.2, Seed: 1}, 7)
	after, err := Evaluate(m, p, set, 1)
	if err != nil {
		t.Fatal(err)
	}
	if after.Correct < 297 || after.Loss > before.Loss/4 {
		t.Errorf("after training %+v, before %+v, want 99%% correct and a quarter of the loss", after, before)
	}
}

// The result depends neither on the slices nor on an earlier use of the Fit.
func TestFitIsDeterministic(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 100)
	for _, cfg := range []FitConfig{
		{Epochs: 3, Batch: 7, LR: 0.1, Seed: 5},
		{Epochs: 3, LR: 0.1, Seed: 5},
		{Steps: 31, Batch: 30, LR: 0.1, Seed: 5},
	} {
		f := NewFit(m)
		a, b := version0(m, 1), version0(m, 1)
		fitAll(t, f, a, set, cfg, 1000)
		total := f.TotalExamples()
		if got := f.Sums().Examples; got != total {
			t.Errorf("%+v: saw %d examples, planned %d", cfg, got, total)
		}
		if err := f.Start(b, set, FitConfig{Epochs: 1, Batch: 3, LR: 0.5}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Run(5); err != nil {
			t.Fatal(err)
		}
		m.Init(b, 1)
		fitAll(t, f, b, set, cfg, 1)
		if Hash(a) != Hash(b) {
			t.Errorf("%+v: slices change the result", cfg)
		}
		cfg.Seed++
		m.Init(b, 1)
		fitAll(t, f, b, set, cfg, 100)
		if cfg.Batch > 0 && Hash(a) == Hash(b) {
			t.Errorf("%+v: the seed changes nothing", cfg)
		}
	}
}

func TestFitLargeBatchInPieces(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	const n = 1000 // several pieces, the last one short
	set := blobs(t, n)
	a, b := version0(m, 1), version0(m, 1)
	f := NewFit(m)
	if n <= f.piece || n%f.piece == 0 {
		t.Fatalf("piece: %d examples, want less than the batch", f.piece)
	}
	fitAll(t, f, a, set, FitConfig{Epochs: 1, LR: 0.5}, 1)
	if f.Steps() != 1 || f.Sums().Examples != n {
		t.Errorf("%d steps, %d examples, want 1 and %d", f.Steps(), f.Sums().Examples, n)
	}
	x, y, index := make([]float32, 4*n), make([]float32, n), make([]int32, n)
	for i := range index {
		index[i] = int32(i)
	}
	set.Fill(x, y, index)
	want := m.NewWorker(n).Step(b, x, y, 0.5)
	if math.Abs(f.Sums().Loss-want.Loss) > 1e-4*want.Loss || f.Sums().Correct != want.Correct {
		t.Errorf("sums are %+v, want %+v", f.Sums(), want)
	}
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-6 {
			t.Fatalf("parameter %d is %v, want %v", i, a[i], b[i])
		}
	}
	// With an epoch of 1000 and batches of 600, a batch of 400 follows.
	fitAll(t, f, a, set, FitConfig{Epochs: 2, Batch: 600, LR: 0.5}, 1)
	if f.Steps() != 4 || f.Sums().Examples != 2*n {
		t.Errorf("%d steps, %d examples, want 4 and %d", f.Steps(), f.Sums().Examples, 2*n)
	}
}

// recorder records the indices of the examples that are read.
type recorder struct {
	*data.Set
	batches [][]int32
}

func (r *recorder) Fill(x, y []float32, index []int32) {
	r.batches = append(r.batches, slices.Clone(index))
	r.Set.Fill(x, y, index)
}

func TestFitTakesEveryExampleOncePerEpoch(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, nil, 3))
	r := &recorder{Set: blobs(t, 25)}
	fitAll(t, NewFit(m), version0(m, 1), r, FitConfig{Epochs: 2, Batch: 10, LR: 0.1, Seed: 1}, 4)
	if len(r.batches) != 6 {
		t.Fatalf("%d batches, want 6", len(r.batches))
	}
	var orders [2][]int32
	for i, b := range r.batches {
		if want := []int{10, 10, 5}[i%3]; len(b) != want {
			t.Errorf("batch %d has %d examples, want %d", i, len(b), want)
		}
		orders[i/3] = append(orders[i/3], b...)
	}
	if slices.Equal(orders[0], orders[1]) {
		t.Error("two epochs in the same order")
	}
	for e, o := range orders {
		slices.Sort(o)
		for i, v := range o {
			if int(v) != i {
				t.Fatalf("epoch %d: examples are %v", e, o)
			}
		}
	}
}

func TestFitTotalExamples(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, nil, 3))
	set := blobs(t, 25)
	for _, c := range []struct {
		cfg   FitConfig
		total int
	}{
		{FitConfig{Epochs: 2, Batch: 10}, 50},
		{FitConfig{Epochs: 2}, 50},
		{FitConfig{Epochs: 9, Steps: 4, Batch: 10}, 35},
		{FitConfig{Steps: 3, Batch: 10}, 25},
		{FitConfig{Steps: 2, Batch: 1000}, 50},
		{FitConfig{Steps: 7, Batch: 1}, 7},
	} {
		c.cfg.LR = 0.01
		f := NewFit(m)
		fitAll(t, f, version0(m, 1), set, c.cfg, 3)
		if got := f.TotalExamples(); got != c.total || f.Sums().Examples != c.total {
			t.Errorf("%+v: planned %d, saw %d, want %d", c.cfg, got, f.Sums().Examples, c.total)
		}
	}
}

func TestFitDiverges(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 100)
	f := NewFit(m)
	for _, cfg := range []FitConfig{{Steps: 1, LR: 3e38}, {Epochs: 50, Batch: 10, LR: 1e30}} {
		p := version0(m, 1)
		for i := range p {
			p[i] *= 1e3 // the first step overflows
		}
		if err := f.Start(p, set, cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Run(1000); !errors.Is(err, ErrDiverged) {
			t.Errorf("%+v: got %v, want ErrDiverged", cfg, err)
		}
		if _, err := f.Run(1); !errors.Is(err, ErrDiverged) {
			t.Errorf("%+v: once more got %v, want ErrDiverged", cfg, err)
		}
	}
	fitAll(t, f, version0(m, 1), set, FitConfig{Epochs: 1, Batch: 10, LR: 0.1}, 100) // the next order is fine
}

func TestFitRefuses(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, nil, 3))
	set := blobs(t, 10)
	p := version0(m, 1)
	two := must(t, MLP([]int{2, 2}, nil, 2))
	wide := must(t, MLP([]int{5}, nil, 3))
	good := FitConfig{Epochs: 1, LR: 0.1}
	for name, c := range map[string]struct {
		m   Model
		p   []float32
		ex  data.Examples
		cfg FitConfig
	}{
		"nothing to do":      {m, p, set, FitConfig{LR: 0.1}},
		"negative epochs":    {m, p, set, FitConfig{Epochs: -1, LR: 0.1}},
		"negative steps":     {m, p, set, FitConfig{Steps: -1, LR: 0.1}},
		"negative batch":     {m, p, set, FitConfig{Epochs: 1, Batch: -1, LR: 0.1}},
		"no rate":            {m, p, set, FitConfig{Epochs: 1}},
		"rate not a number":  {m, p, set, FitConfig{Epochs: 1, LR: float32(math.NaN())}},
		"too few parameters": {m, p[1:], set, good},
		"too many classes":   {two, version0(two, 1), set, good},
		"wrong features":     {wide, version0(wide, 1), set, good},
		"no examples":        {m, p, data.NewSubset(set, nil), good},
	} {
		f := NewFit(c.m)
		if err := f.Start(c.p, c.ex, c.cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v, want ErrConfig", name, err)
		}
		if _, err := f.Run(1); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: Run got %v, want ErrConfig", name, err)
		}
	}
}

// allocations returns the number of allocations of a Fit after its start, over
// more than an epoch.
func allocations(t *testing.T, f *Fit, params []float32, ex data.Examples, cfg FitConfig) float64 {
	t.Helper()
	cfg.Epochs = 1000
	if err := f.Start(params, ex, cfg); err != nil {
		t.Fatal(err)
	}
	steps := 2
	if cfg.Batch > 0 {
		steps = ex.Len()/cfg.Batch + 2
	}
	return testing.AllocsPerRun(3, func() {
		if _, err := f.Run(steps); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFitAllocatesNothing(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 1000)
	halves := data.NewUnion(data.NewSubset(set, []int32{1, 2, 3}), set)
	f := NewFit(m)
	for kind := SGD; kind <= AdamW; kind++ {
		for schedule := Constant; schedule <= Inverse; schedule++ {
			for _, batch := range []int{10, 0} {
				o := Optimiser{Kind: kind, WeightDecay: .01, Clip: .5, Schedule: schedule, Every: 10, Factor: .5, Warmup: 3}
				if n := allocations(t, f, version0(m, 1), halves, FitConfig{Batch: batch, LR: .001, Optimiser: o}); n != 0 {
					t.Errorf("%v, %v, batch %d: %v allocations, want 0", kind, schedule, batch, n)
				}
			}
		}
	}
}

// Every kind of layer, activation, loss and penalty, and FedAvg's CNN.
func TestLayersAllocateNothing(t *testing.T) {
	specs := gradientSpecs()
	specs["FedAvg's CNN"] = fedavgCNN
	for name, spec := range specs {
		m := must(t, spec)
		const n = 24
		ex := examples{spec: spec, n: n}
		for _, kind := range []OptimiserKind{SGD, AdamW} {
			cfg := FitConfig{Batch: 10, LR: 1e-4, Optimiser: Optimiser{Kind: kind}}
			if got := allocations(t, NewFit(m), version0(m, 1), ex, cfg); got != 0 {
				t.Errorf("%s, %v: %v allocations, want 0", name, kind, got)
			}
		}
		w, p := m.NewWorker(n), version0(m, 1)
		x, y := make([]float32, n*spec.Features()), make([]float32, n)
		grad := make([]float32, len(p))
		// The mean over several runs is rounded down: one allocation by the runtime,
		// which happens on a busy machine, is none for each.
		if got := testing.AllocsPerRun(5, func() { w.Gradient(grad, p, x, y); w.Evaluate(p, x, y) }); got != 0 {
			t.Errorf("%s: gradient and evaluation make %v allocations, want 0", name, got)
		}
	}
}

// examples returns n random examples for a model.
type examples struct {
	spec Spec
	n    int
}

func (e examples) Len() int      { return e.n }
func (e examples) Features() int { return e.spec.Features() }
func (e examples) Classes() int  { return e.spec.Classes() }

func (e examples) Fill(x, y []float32, index []int32) {
	features := e.Features()
	for i, n := range index {
		state := uint32(n)
		for j := range features {
			state = state*1664525 + 1013904223
			x[i*features+j] = float32(state>>8) / (1 << 24)
		}
		y[i] = float32(int(n) % max(e.Classes(), 2))
	}
}

func TestEvaluateDoesNotDependOnGoroutines(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 1000)
	p := version0(m, 1)
	want, err := Evaluate(m, p, set, 1)
	if err != nil || want.Examples != 1000 {
		t.Fatalf("got %+v, %v", want, err)
	}
	for _, n := range []int{0, 2, 3, 100} {
		if got, err := Evaluate(m, p, set, n); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("%d goroutines: got %+v, %v, want %+v", n, got, err, want)
		}
	}
	if _, err := Evaluate(m, p[1:], set, 1); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v, want ErrConfig", err)
	}
}

func TestGradientOfAll(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 600)
	p := version0(m, 1)
	grad := make([]float32, len(p))
	sums, err := Gradient(m, grad, p, set)
	if err != nil || sums.Examples != 600 {
		t.Fatalf("got %+v, %v", sums, err)
	}
	x, y, index := make([]float32, 4*600), make([]float32, 600), make([]int32, 600)
	for i := range index {
		index[i] = int32(i)
	}
	set.Fill(x, y, index)
	_, _, want := reference(m, doubles(p), x, y)
	for i := range want {
		if math.Abs(float64(grad[i])-want[i]) > 1e-4*(1+math.Abs(want[i])) {
			t.Fatalf("gradient %d is %v, want %v", i, grad[i], want[i])
		}
	}
}

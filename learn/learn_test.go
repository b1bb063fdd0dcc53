package learn

import (
	"encoding/hex"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"fedtab/learn/rng"
)

func must(t testing.TB, s Spec) Model {
	t.Helper()
	m, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// version0 returns the parameters of version 0.
func version0(m Model, seed uint64) []float32 {
	p := make([]float32, m.Layout().Size)
	m.Init(p, seed)
	return p
}

// batch draws n examples.
func batch(s Spec, n int, seed uint64) (x, y []float32) {
	r := rand.New(rand.NewPCG(seed, 1))
	x = make([]float32, n*s.Features())
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	y = make([]float32, n)
	for i := range y {
		y[i] = float32(r.IntN(s.Classes()))
	}
	return x, y
}

// reference computes the results of a Worker in float64, by the definition: the
// summed loss, the number of correct answers and the summed gradient.
func reference(m Model, params []float64, x, y []float32) (loss float64, correct int, grad []float64) {
	spec, tensors := m.Spec(), m.Layout().Tensors
	grad = make([]float64, len(params))
	features := spec.Features()
	for n := range y {
		label := int(y[n])
		acts := [][]float64{make([]float64, features)}
		for i := range acts[0] {
			acts[0][i] = float64(x[n*features+i])
		}
		for l, layer := range spec.Layers {
			w, b := tensors[2*l].Offset, tensors[2*l+1].Offset
			out := make([]float64, layer.Units)
			for o := range out {
				out[o] = params[b+o]
				for i, v := range acts[l] {
					out[o] += v * params[w+i*layer.Units+o]
				}
				if layer.Activation == ReLU {
					out[o] = math.Max(out[o], 0)
				}
			}
			acts = append(acts, out)
		}
		z := acts[len(acts)-1]
		sum, top := 0.0, 0
		for c, v := range z {
			sum += math.Exp(v)
			if v > z[top] {
				top = c
			}
		}
		if top == label {
			correct++
		}
		loss += math.Log(sum) - z[label]
		delta := make([]float64, len(z))
		for c, v := range z {
			delta[c] = math.Exp(v) / sum
		}
		delta[label]--
		for l := len(spec.Layers) - 1; l >= 0; l-- {
			units := spec.Layers[l].Units
			w, b := tensors[2*l].Offset, tensors[2*l+1].Offset
			back := make([]float64, len(acts[l]))
			for o, d := range delta {
				grad[b+o] += d
				for i, v := range acts[l] {
					grad[w+i*units+o] += v * d
					back[i] += params[w+i*units+o] * d
				}
			}
			if l > 0 && spec.Layers[l-1].Activation == ReLU {
				for i, v := range acts[l] {
					if v <= 0 {
						back[i] = 0
					}
				}
			}
			delta = back
		}
	}
	return loss, correct, grad
}

func doubles(x []float32) []float64 {
	d := make([]float64, len(x))
	for i, v := range x {
		d[i] = float64(v)
	}
	return d
}

var nets = map[string]Spec{
	"softmax regression": MLP([]int{5}, nil, 3),
	"one hidden layer":   MLP([]int{3, 4}, []int{17}, 4),
	"two hidden layers":  MLP([]int{7}, []int{33, 9}, 10),
	"identity between":   {Input: []int{6}, Layers: []Layer{{Kind: Dense, Units: 5, Activation: Identity}, {Kind: Dense, Units: 2, Activation: Identity}}},
}

// The reference itself is checked by central differences, away from the kinks
// of the ReLU (a draw of normal numbers does not come near one).
func TestReferenceGradientByDifferences(t *testing.T) {
	for name, spec := range nets {
		t.Run(name, func(t *testing.T) {
			m := must(t, spec)
			params := doubles(version0(m, 3))
			x, y := batch(spec, 6, 4)
			_, _, grad := reference(m, params, x, y)
			const h = 1e-6
			for i, p := range params {
				params[i] = p + h
				up, _, _ := reference(m, params, x, y)
				params[i] = p - h
				down, _, _ := reference(m, params, x, y)
				params[i] = p
				if want := (up - down) / (2 * h); math.Abs(grad[i]-want) > 1e-6*(1+math.Abs(want)) {
					t.Fatalf("gradient %d is %v, by differences %v", i, grad[i], want)
				}
			}
		})
	}
}

func TestWorkerAgainstReference(t *testing.T) {
	all := maps.Clone(nets)
	all["2NN"] = MLP([]int{28, 28}, []int{200, 200}, 10)
	for name, spec := range all {
		t.Run(name, func(t *testing.T) {
			m := must(t, spec)
			params := version0(m, 3)
			for i := range params { // biases that are not zero, too
				params[i] += 0.01
			}
			w := m.NewWorker(20)
			for _, n := range []int{1, 10, 20} {
				x, y := batch(spec, n, uint64(n))
				loss, correct, want := reference(m, doubles(params), x, y)
				check := func(what string, s Sums) {
					t.Helper()
					if s.Examples != n || s.Correct != correct || math.Abs(s.Loss-loss) > 1e-5*loss {
						t.Errorf("%s of %d: %+v, want loss %v, %d correct", what, n, s, loss, correct)
					}
				}
				check("Evaluate", w.Evaluate(params, x, y))
				grad := make([]float32, len(params))
				grad[0] = 99 // must be overwritten
				check("Gradient", w.Gradient(grad, params, x, y))
				after := append([]float32(nil), params...)
				check("Step", w.Step(after, x, y, 0.1))
				for i := range want {
					if math.Abs(float64(grad[i])-want[i]) > 2e-5*(1+math.Abs(want[i])) {
						t.Fatalf("batch of %d: gradient %d is %v, want %v", n, i, grad[i], want[i])
					}
					step := float64(params[i]) - 0.1*want[i]/float64(n)
					if math.Abs(float64(after[i])-step) > 1e-5 {
						t.Fatalf("batch of %d: parameter %d is %v after a step, want %v", n, i, after[i], step)
					}
				}
			}
		})
	}
}

func TestWorkerEmptyBatch(t *testing.T) {
	m := must(t, nets["one hidden layer"])
	p := version0(m, 1)
	before, grad := Hash(p), make([]float32, len(p))
	w := m.NewWorker(1)
	for _, s := range []Sums{w.Step(p, nil, nil, 1), w.Gradient(grad, p, nil, nil), w.Evaluate(p, nil, nil)} {
		if s != (Sums{}) {
			t.Errorf("got %+v, want zeros", s)
		}
	}
	if Hash(p) != before {
		t.Error("an empty step changed the parameters")
	}
}

func TestWorkerPanicsOnWrongShapes(t *testing.T) {
	m := must(t, MLP([]int{2}, nil, 2))
	p, w := version0(m, 1), m.NewWorker(2)
	for name, f := range map[string]func(){
		"too many examples":   func() { w.Evaluate(p, make([]float32, 6), make([]float32, 3)) },
		"too few numbers":     func() { w.Evaluate(p, make([]float32, 3), make([]float32, 2)) },
		"too few parameters":  func() { w.Evaluate(p[1:], make([]float32, 4), make([]float32, 2)) },
		"label out of range":  func() { w.Evaluate(p, make([]float32, 2), []float32{2}) },
		"gradient too short":  func() { w.Gradient(p[1:], p, make([]float32, 2), []float32{0}) },
		"parameters too long": func() { m.Init(append(p, 0), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestLayout(t *testing.T) {
	m := must(t, MLP([]int{28, 28}, []int{200, 200}, 10))
	l := m.Layout()
	if l.Size != 199210 { // the 2NN of the federated averaging paper
		t.Errorf("%d parameters, want 199210", l.Size)
	}
	at := 0
	for _, tensor := range l.Tensors {
		if tensor.Offset != at {
			t.Errorf("%s begins at %d, want %d", tensor.Name, tensor.Offset, at)
		}
		at += tensor.Size()
	}
	if at != l.Size {
		t.Errorf("tensors end at %d, want %d", at, l.Size)
	}
}

// The values come from a Python program written after the package
// documentation (hashlib, struct, fractions), which shares no code with this.
func TestVersion0KnownValues(t *testing.T) {
	m := must(t, MLP([]int{4}, []int{3}, 2))
	got := version0(m, 1)
	for i, want := range version0Want {
		if math.Float32bits(got[i]) != want {
			t.Errorf("parameter %d is %#08x (%v), want %#08x", i, math.Float32bits(got[i]), got[i], want)
		}
	}
	if len(got) != len(version0Want) {
		t.Errorf("%d parameters, want %d", len(got), len(version0Want))
	}
	hash := Hash(got)
	if got := hex.EncodeToString(hash[:]); got != version0Hash {
		t.Errorf("hash is %s, want %s", got, version0Hash)
	}
}

func TestInitSpread(t *testing.T) {
	m := must(t, MLP([]int{784}, []int{200}, 10))
	w := m.Layout().Tensors[0].Of(version0(m, 9))
	bound := math.Sqrt(6.0 / 784)
	var sum, squares float64
	for _, v := range w {
		if math.Abs(float64(v)) > bound*(1+1e-6) {
			t.Fatalf("weight %v beyond %v", v, bound)
		}
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(w))
	// Five standard errors of the mean and of the mean square of a uniform
	// distribution.
	if got, tol := sum/n, 5*bound/math.Sqrt(3*n); math.Abs(got) > tol {
		t.Errorf("mean is %v, want 0 +- %v", got, tol)
	}
	if got, want := squares/n, 2.0/784; math.Abs(got-want) > 5*want*math.Sqrt(0.8/n) {
		t.Errorf("mean square is %v, want %v", got, want)
	}
	if rng.Derive(9, "init", 0) == rng.Derive(9, "init", 2) {
		t.Error("two tensors share a stream")
	}
}

func TestHashOfLongVectors(t *testing.T) {
	// SHA-256 of 4100 zero bytes, by Python's hashlib.
	hash := Hash(make([]float32, 1025))
	if got := hex.EncodeToString(hash[:]); got != zeros1025 {
		t.Errorf("hash is %s, want %s", got, zeros1025)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		want []string // parts of the message; none for a valid spec
	}{
		{"valid", MLP([]int{28, 28}, []int{200, 200}, 10), nil},
		{"no input", Spec{Layers: []Layer{{Kind: Dense, Units: 2, Activation: Identity}}}, []string{"0 dimensions"}},
		{"negative side", MLP([]int{3, -1}, nil, 2), []string{"[3 -1]"}},
		{"overflowing input", MLP([]int{1 << 16, 1 << 16, 1 << 16, 1 << 16}, nil, 2), []string{"input: shape"}},
		{"no layers", Spec{Input: []int{1}}, []string{"layers: 0"}},
		{"too many layers", MLP([]int{1}, make([]int, 100), 2), []string{"layers: 101"}},
		{"kind", Spec{Input: []int{1}, Layers: []Layer{{Kind: 77, Units: 2}}}, []string{"layer 0, LayerKind(77): no such kind"}},
		{"activation", Spec{Input: []int{1}, Layers: []Layer{{Kind: Dense, Units: 2, Activation: 9}, {Kind: Dense, Units: 2, Activation: Identity}}}, []string{"layer 0, dense: activation Activation(9)"}},
		{"relu at the end", Spec{Input: []int{1}, Layers: []Layer{{Kind: Dense, Units: 2, Activation: ReLU}}}, []string{"layer 0, the last: activation relu"}},
		{"one class", MLP([]int{1}, nil, 1), []string{"layer 0, the last: 1 units"}},
		{"too large", MLP([]int{1 << 16}, []int{1 << 16}, 10), []string{"layer 0, dense, input shape [65536]"}},
		{"several", MLP([]int{0}, []int{0, 1 << 20}, 1), []string{"shape [0]", "layer 0, dense: 0 units", "layer 1, dense: 1048576", "layer 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.spec)
			if len(c.want) == 0 {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			if !errors.Is(err, ErrSpec) {
				t.Fatalf("got %v, want ErrSpec", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
		})
	}
}

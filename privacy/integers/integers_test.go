package integers

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// sum adds the vectors modulo 2^bits, as the coordinator does.
func sum(vectors [][]uint32, bits int) []uint32 {
	total := make([]uint32, len(vectors[0]))
	for _, v := range vectors {
		for i, x := range v {
			total[i] += x
		}
	}
	for i := range total {
		total[i] &= uint32(uint64(1)<<bits - 1)
	}
	return total
}

// No sum wraps: not with the largest number of clients, each of them at every limit.
func TestSumsDoNotWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Format{
			Parameters: rapid.IntRange(1, 40).Draw(t, "parameters"), Clients: rapid.IntRange(1, 200).Draw(t, "clients"),
			Subset: rapid.Float64Range(.05, 1).Draw(t, "subset"), Examples: rapid.IntRange(1, 100).Draw(t, "examples"),
		}
		f.Bits = rapid.IntRange(BitsFor(f.Clients), 32).Draw(t, "bits")
		if err := f.Validate(); err != nil {
			t.Fatal(err)
		}
		turn := Turn{Seed: 3, Round: rapid.Uint64Range(1, 9).Draw(t, "round"), Bound: rapid.Float64Range(1e-3, 1e3).Draw(t, "bound")}
		r := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		var vectors [][]uint32
		want := make([]float64, f.Parameters)
		var weights, losses float64
		below := 0
		for range f.Clients {
			u := Update{Values: make([]float32, f.Parameters), Examples: 1 + r.IntN(2*f.Examples), Loss: maxLoss * r.Float64()}
			scale := turn.Bound * math.Exp(4*r.Float64()-3)
			for i := range u.Values {
				u.Values[i] = float32(scale * (2*r.Float64() - 1))
			}
			before := append([]float32(nil), u.Values...)
			w := math.Max(math.Round(math.Min(float64(u.Examples)/float64(f.Examples), 1)*weightUnits), 1) / weightUnits
			norm := 0.0
			f.chosen(turn, func(_, p int) { norm += math.Pow(w*float64(before[p]), 2) })
			factor := math.Min(1, turn.Bound/math.Sqrt(norm))
			v := f.Encode(&u, turn, r)
			if v[len(v)-1] == 1 {
				below++
			}
			// What is sent and what is left are what there was, without what was clipped.
			f.chosen(turn, func(at, p int) {
				sent := float64(int32(v[at])) * f.step(turn.Bound)
				want[p] += sent
				if got := sent + float64(u.Values[p]); math.Abs(got-w*float64(before[p])*factor) > 1e-4*turn.Bound {
					t.Fatalf("parameter %d: %g sent and %g left of %g", p, sent, u.Values[p], w*float64(before[p])*factor)
				}
			})
			weights += w
			losses += w * u.Loss
			vectors = append(vectors, v)
		}
		total, err := f.Decode(sum(vectors, f.Bits), turn)
		if err != nil {
			t.Fatal(err)
		}
		for p, x := range want {
			if got := float64(total.Mean[p]) * weights; math.Abs(got-x) > 1e-5*math.Abs(x)+1e-9 {
				t.Fatalf("parameter %d: %g, want %g", p, got, x)
			}
		}
		if math.Abs(total.Weight-weights) > 1e-9 || total.Below != below {
			t.Errorf("weight %g and %d below, want %g and %d", total.Weight, total.Below, weights, below)
		}
		if math.Abs(total.Loss*weights-losses) > float64(f.Clients)*maxLoss/lossUnits {
			t.Errorf("loss %g, want %g", total.Loss, losses/weights)
		}
	})
}

// In every cycle each parameter has its turn.
func TestTurns(t *testing.T) {
	f := Format{Parameters: 1003, Clients: 10, Bits: 12, Subset: .25, Examples: 1}
	for cycle := range uint64(3) {
		times := make([]int, f.Parameters)
		for turn := range uint64(4) {
			n := 0
			f.chosen(Turn{Seed: 5, Round: 4*cycle + turn + 1}, func(at, p int) {
				if at != n {
					t.Fatalf("place %d, want %d", at, n)
				}
				n++
				times[p]++
			})
			if n != f.Sent() || n != 251 {
				t.Fatalf("%d parameters in a turn, want %d", n, f.Sent())
			}
		}
		for p, n := range times {
			if n == 0 {
				t.Fatalf("cycle %d: parameter %d has no turn", cycle, p)
			}
		}
	}
}

// What rounding leaves over comes later: over many rounds of one update the sums are its
// multiple, without bias.
func TestFeedback(t *testing.T) {
	f := Format{Parameters: 50, Clients: 100, Bits: 12, Subset: .3, Examples: 10}
	r := rand.New(rand.NewPCG(1, 2))
	update := make([]float32, f.Parameters)
	for i := range update {
		update[i] = float32(r.NormFloat64()) / 50
	}
	got := make([]float64, f.Parameters)
	var residual []float32
	const rounds = 400
	for round := range uint64(rounds) {
		turn := Turn{Seed: 1, Round: round + 1, Bound: 2}
		u := Update{Values: append([]float32(nil), update...), Residual: residual, Examples: 5}
		v := f.Encode(&u, turn, r)
		f.chosen(turn, func(at, p int) { got[p] += float64(int32(v[at])) * f.step(turn.Bound) })
		residual = u.Values
	}
	for i, x := range got {
		want := rounds * float64(update[i]) / 2
		if left := float64(residual[i]); math.Abs(x+left-want) > 1e-3 || math.Abs(left) > f.step(2)+4*math.Abs(float64(update[i])) {
			t.Errorf("parameter %d: %g sent in %d rounds and %g left, want %g in all", i, x, rounds, left, want)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Format{Parameters: 10, Clients: 100, Bits: 12, Subset: 1, Examples: 600}
	if err := good.Validate(); err != nil || good.Levels() != 20 {
		t.Errorf("%v, %d levels, want none and 20", err, good.Levels())
	}
	for name, change := range map[string]func(*Format){
		"parameters": func(f *Format) { f.Parameters = 0 }, "clients": func(f *Format) { f.Clients = 0 },
		"bits": func(f *Format) { f.Bits = 7 }, "wide": func(f *Format) { f.Bits = 33 },
		"subset": func(f *Format) { f.Subset = 0 }, "all": func(f *Format) { f.Subset = 1.1 },
		"not a number": func(f *Format) { f.Subset = math.NaN() }, "examples": func(f *Format) { f.Examples = 0 },
	} {
		f := good
		change(&f)
		if err := f.Validate(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

// A sum of something else is refused, or decoded to finite numbers.
func TestDecodeAnything(t *testing.T) {
	f := Format{Parameters: 20, Clients: 10, Bits: 12, Subset: 1, Examples: 600}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Uint32Max(1<<12-1), f.Length(), f.Length()).Draw(t, "sum")
		total, err := f.Decode(v, Turn{Round: 1, Bound: 1})
		if err != nil {
			return
		}
		for _, x := range append([]float32{float32(total.Loss), float32(total.Weight)}, total.Mean...) {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("%g is not finite", x)
			}
		}
	})
	if _, err := f.Decode(make([]uint32, f.Length()-1), Turn{Round: 1, Bound: 1}); !errors.Is(err, ErrFormat) {
		t.Errorf("%v, want ErrFormat", err)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, subset := range []float64{1, .25} {
		f := Format{Parameters: 199210, Clients: 100, Bits: 12, Subset: subset, Examples: 600}
		b.Run(map[float64]string{1: "all", .25: "subset"}[subset], func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			values := make([]float32, f.Parameters)
			for i := range values {
				values[i] = float32(r.NormFloat64())
			}
			u := Update{Values: values, Examples: 600}
			for b.Loop() {
				f.Encode(&u, Turn{Round: 1, Bound: 100}, r)
			}
		})
	}
}

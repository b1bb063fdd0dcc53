package compress

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"fedtab/protocol"
)

// update is made up to be like an update of the 2NN on MNIST: heavy tails, rows
// that move a hundred times as much as others, and in the first layer a quarter of
// the rows zero, as those of dark pixels are.
func update() ([]Tensor, []float32) {
	tensors := []Tensor{
		{Size: 784 * 200, Row: 200}, {Size: 200, Row: 200}, {Size: 200 * 200, Row: 200},
		{Size: 200, Row: 200}, {Size: 200 * 10, Row: 10}, {Size: 10, Row: 10},
	}
	r := rand.New(rand.NewPCG(1, 2))
	var v []float32
	for i, t := range tensors {
		for row := range t.Size / t.Row {
			scale := math.Exp(2*r.NormFloat64() - 7)
			if i == 0 && (row%28 < 4 || row%28 > 24) {
				scale = 0
			}
			for range t.Row {
				x := r.NormFloat64()
				v = append(v, float32(scale*x*math.Abs(x)))
			}
		}
	}
	return tensors, v
}

// The speed at 1 bit on what needs no data set, which is why a browser can run it
// too: package e2e does. It is the best of many short stretches, because machines
// are shared.
func TestSpeed(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it measures")
	}
	tensors, u := update()
	out := make([]float32, len(u))
	for _, id := range []protocol.Codec{protocol.CodecDeadzone, protocol.CodecDither} {
		c := lookup(t, id)
		enc, dec := c.NewEncoder(tensors), c.NewDecoder()
		o := Options{Bits: 1, Seed: 1}
		var block []byte
		speed := func(do func() error) float64 {
			t.Helper()
			best := math.Inf(1)
			for begun := time.Now(); time.Since(begun) < time.Second; {
				const times = 5
				start := time.Now()
				for range times {
					if err := do(); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(start).Seconds(); took > 0 {
					best = min(best, took/times)
				}
			}
			return float64(len(u)) / best / 1e6
		}
		encode := speed(func() (err error) { block, err = enc.Append(block[:0], u, o); return err })
		decode := speed(func() error { return DecodeWith(dec, out, block, o) })
		add := speed(func() error { return AddWith(dec, out, 1e-9, block, o) })
		bits := 8 * float64(len(block)) / float64(len(u))
		t.Logf("%s: encode %.0f, decode %.0f, add %.0f Mparam/s, at %.3f bits", c.Name, encode, decode, add, bits)
		if bits < .9 || bits > 1.05 {
			t.Errorf("%s takes %.3f bits per parameter, want about 1", c.Name, bits)
		}
	}
}

package compress

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"fedtab/learn/rng"
	"fedtab/protocol"
)

// The mean of what is decoded, over many seeds, is what was packed: every
// coordinate within five standard errors.
func TestDitherIsUnbiased(t *testing.T) {
	if raced {
		t.Skip("20,000 blocks take a minute with the race detector")
	}
	const d, draws = 1024, 10_000
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, d)
	for i := range v {
		// Rows from zero to large, so that both kinds of reading occur.
		if row := i / 128; row > 0 {
			v[i] = float32(r.NormFloat64() * math.Exp2(float64(row)))
		}
	}
	c := lookup(t, protocol.CodecDither)
	enc, dec := c.NewEncoder([]Tensor{{Size: d, Row: 128}}), c.NewDecoder()
	for _, bits := range []float64{.5, 2} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			var sum, square [d]float64
			got := make([]float32, d)
			var block []byte
			var kinds [2]int
			var step float64
			for seed := range uint64(draws) {
				o := Options{Bits: bits, Seed: seed}
				var err error
				if block, err = enc.Append(block[:0], v, o); err != nil {
					t.Fatal(err)
				}
				if err := DecodeWith(dec, got, block, o); err != nil {
					t.Fatal(err)
				}
				for i, x := range got {
					e := float64(x) - float64(v[i])
					sum[i] += e
					square[i] += e * e
				}
				dd := dec.(*ditherDecoder)
				step = float64(dd.step)
				for _, k := range dd.s.class {
					if k > 0 && dd.subtract[k] {
						kinds[1]++
					} else if k > 0 {
						kinds[0]++
					}
				}
			}
			for i := range sum {
				mean := sum[i] / draws
				variance := square[i]/draws - mean*mean
				// Of a value that is seldom rounded up, the draws may not show the
				// variance; then it is what rounding at random gives.
				y := math.Abs(float64(v[i])) / step
				y -= math.Floor(y)
				deviation := math.Sqrt(max(variance, step*step*min(y*(1-y), 1./12)) / draws)
				if math.Abs(mean) > 5*deviation {
					t.Errorf("element %d, %g: mean error %g, standard error %g", i, v[i], mean, deviation)
				}
				if v[i] == 0 && square[i] != 0 {
					t.Errorf("element %d is 0 and has an error", i)
				}
			}
			if kinds[0] == 0 || kinds[1] == 0 {
				t.Errorf("%d stochastic rows and %d subtractive ones, want some of both", kinds[0], kinds[1])
			}
		})
	}
}

// docs/protocol.md has these, for clients in other languages.
func TestDitherSeed(t *testing.T) {
	for i, want := range []uint64{0xf5750e4d57daeb9e, 0x7135d3b589eb1fd8} {
		if got := DitherSeed(1, 2, 3, i); got != want {
			t.Errorf("vector %d has seed %#x, want %#x", i, got, want)
		}
	}
}

// The dither of a value depends on its number and on nothing else.
func TestNoise(t *testing.T) {
	const n = 1000
	want := make([]float32, n)
	state := rng.Derive(7, "dither")
	src := rng.New(state)
	for i := 0; i < n; i += 4 {
		x := src.Uint64()
		for j := range 4 {
			want[i+j] = float32((float64(uint16(x>>(16*j)))+.5)/65536 - .5)
		}
	}
	for from := range 9 {
		got := make([]float32, n-from)
		noise(got, state, from)
		for i, u := range got {
			if u != want[from+i] {
				t.Fatalf("from %d: element %d is %g, want %g", from, i, u, want[from+i])
			}
		}
	}
}

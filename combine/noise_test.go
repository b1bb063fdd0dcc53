package combine

import (
	"errors"
	"io"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

func seeded(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// The moments of normal variables, and their tails against the exact probability.
func TestNormal(t *testing.T) {
	const draws = 1_000_000
	n, err := NewNormal(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	var moments [5]float64
	beyond := 0
	for range draws {
		x, err := n.Next()
		if err != nil {
			t.Fatal(err)
		}
		p := 1.0
		for k := range moments {
			moments[k] += p / draws
			p *= x
		}
		if math.Abs(x) > 3 {
			beyond++
		}
	}
	for k, want := range []float64{1, 0, 1, 0, 3} {
		// Five standard deviations of the mean of x^k, whose variance is at most E x^8 = 105.
		if bound := 5 * math.Sqrt(105./draws); math.Abs(moments[k]-want) > bound {
			t.Errorf("mean of x^%d: %g, want %g within %g", k, moments[k], want, bound)
		}
	}
	if want := draws * math.Erfc(3/math.Sqrt2); math.Abs(float64(beyond)-want) > 5*math.Sqrt(want) {
		t.Errorf("%d variables beyond 3, want about %.0f", beyond, want)
	}
}

// The noise of a sum has the deviation that is asked for, also of an empty sum, and the divisor
// is the fixed one.
func TestNoised(t *testing.T) {
	const d, sigma, divisor = 100_000, .25, 50
	for _, c := range []struct {
		name string
		adds int
	}{{"empty", 0}, {"three", 3}} {
		t.Run(c.name, func(t *testing.T) {
			sum, err := NewSum(d, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			ones := make([]float32, d)
			for i := range ones {
				ones[i] = 1
			}
			for range c.adds {
				sum.Add(ones, 1)
			}
			noise, _ := NewNormal(seeded(2))
			dst := make([]float32, d)
			if err := sum.Noised(dst, sigma, divisor, noise); err != nil {
				t.Fatal(err)
			}
			var mean, square float64
			for _, x := range dst {
				mean += float64(x) / d
			}
			for _, x := range dst {
				square += (float64(x) - mean) * (float64(x) - mean) / d
			}
			if want := float64(c.adds) / divisor; math.Abs(mean-want) > 5*sigma/divisor/math.Sqrt(d) {
				t.Errorf("mean %g, want %g", mean, want)
			}
			if got, want := math.Sqrt(square), sigma/divisor; math.Abs(got/want-1) > .01 {
				t.Errorf("deviation %g, want %g", got, want)
			}
			before := sum.counts[0]
			if err := sum.Noised(dst, 0, divisor, noise); err != nil || sum.counts[0] != before {
				t.Errorf("the sum has changed, or %v", err)
			}
			if want := float32(c.adds) / divisor; dst[0] != want {
				t.Errorf("without noise %g, want %g", dst[0], want)
			}
		})
	}
}

// A Private step without random bytes makes no version, and one with them is the noised mean.
func TestPrivate(t *testing.T) {
	sum, err := NewSum(2, 64)
	if err != nil {
		t.Fatal(err)
	}
	sum.Add([]float32{4, -8}, 1)
	plan := Private{Divisor: 4, Server: Server{Kind: SGD, LR: .5}, Count: &Count{Halves: 6}}
	v := &Vectors{Base: []float32{1, 1}, Next: make([]float32, 2), Sums: []*Sum{sum}}
	if err := plan.Combine(v); !errors.Is(err, ErrNoise) {
		t.Errorf("without a source: %v, want ErrNoise", err)
	}
	v.Noise = io.LimitReader(seeded(3), 100)
	if err := plan.Combine(v); !errors.Is(err, ErrNoise) {
		t.Errorf("with a source that ends: %v, want ErrNoise", err)
	}
	v.Noise = seeded(3)
	if err := plan.Combine(v); err != nil {
		t.Fatal(err)
	}
	if v.Next[0] != 1.5 || v.Next[1] != 0 || len(v.Noised) != 1 || v.Noised[0] != 3 {
		t.Errorf("next %v and count %v, want [1.5 0] and [3]", v.Next, v.Noised)
	}
	plan.Distributed, v.Noise = true, nil
	if err := plan.Combine(v); err != nil || v.Next[0] != 1.5 || v.Next[1] != 0 {
		t.Errorf("with the noise in the sum: next %v, %v, want [1.5 0] without a source", v.Next, err)
	}
	plan.Distributed, v.Noise = false, seeded(3)
	plan.Sigma = math.Inf(1)
	if err := plan.Combine(v); err == nil {
		t.Error("infinite noise: no error")
	}
}

// The noise of a count is a number of steps of its grid, and the same whatever is counted: its
// last digits tell nothing of the count. It has the deviation that is asked for.
func TestCount(t *testing.T) {
	const draws, sigma = 100_000, 2.5
	counts := []int64{-5, 0, 1, 6, 1 << 30}
	var noise []*Normal
	for range counts {
		n, _ := NewNormal(seeded(5))
		noise = append(noise, n)
	}
	square := 0.0
	for range draws {
		first := 0.0
		for i, halves := range counts {
			x, err := (&Count{Halves: halves, Sigma: sigma}).noised(noise[i])
			if err != nil {
				t.Fatal(err)
			}
			steps := (x - float64(halves)/2) * countGrid // exact
			if i == 0 {
				first = steps
			}
			if steps != math.Trunc(steps) || steps != first {
				t.Fatalf("a noise of %v steps of %d halves, want a whole number, %v as of %d", steps, halves, first, counts[0])
			}
		}
		square += first / countGrid * first / countGrid / draws
	}
	if got := math.Sqrt(square); math.Abs(got/sigma-1) > .02 {
		t.Errorf("deviation %g, want %g", got, sigma)
	}
	empty, _ := NewNormal(io.LimitReader(seeded(5), 0))
	if _, err := (&Count{Sigma: sigma}).noised(empty); !errors.Is(err, ErrNoise) {
		t.Errorf("without random bytes: %v, want ErrNoise", err)
	}
}

// The sum of the steps of a tree has the noise of the nodes that it is made of, exactly: with
// three nodes after seven steps, one after eight.
func TestTree(t *testing.T) {
	const d = 8
	var stack []Seed
	var total [d]float64
	source := seeded(4)
	for step := 1; step <= 8; step++ {
		sum, err := NewSum(d, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		keep := len(stack) - bits.TrailingZeros(uint(step))
		v := &Vectors{Base: make([]float32, d), Next: make([]float32, d), Sums: []*Sum{sum}, Noise: source}
		plan := Private{Sigma: 1, Divisor: 1, Server: Server{Kind: SGD, LR: 1}, Tree: &Tree{Drop: stack[keep:]}}
		if err := plan.Combine(v); err != nil {
			t.Fatal(err)
		}
		stack = append(stack[:keep:keep], *v.Seed)
		for i, x := range v.Next {
			total[i] += float64(x)
		}
		if len(stack) != bits.OnesCount(uint(step)) {
			t.Fatalf("%d nodes after %d steps", len(stack), step)
		}
		for i := range d {
			want := 0.0
			for _, s := range stack {
				n := grown(s)
				for range i {
					n.Next()
				}
				x, _ := n.Next()
				want += x
			}
			if math.Abs(total[i]-want) > 1e-5 { // versions are float32
				t.Fatalf("after %d steps parameter %d has the noise %g, want %g: that of its nodes", step, i, total[i], want)
			}
		}
	}
}

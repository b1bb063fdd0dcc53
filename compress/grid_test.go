package compress

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A coordinator trains and sometimes halves its step; a client that holds any
// version gets the newest, bit for bit, directly or through others.
func TestGridVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2000).Draw(t, "n")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		base := make([]float32, n)
		for i := range base {
			base[i] = float32(r.NormFloat64())
		}
		layout := []Tensor{{Size: n, Row: 40}}
		coordinator, err := NewGrid(layout, base)
		if err != nil {
			t.Fatal(err)
		}
		client, err := NewGrid(nil, base) // decoding needs no layout
		if err == nil {
			t.Fatal("a layout that does not fit is taken")
		}
		type version struct {
			step   float32
			levels []int32
			p      []float32
		}
		versions := []version{{.5, make([]int32, n), base}}
		w := slices.Clone(base)
		step := float32(.5)
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for i := range w {
				w[i] += float32(r.NormFloat64() * r.NormFloat64())
			}
			for range rapid.IntRange(0, 3).Draw(t, "halvings") {
				step /= 2
			}
			v := version{step, make([]int32, n), make([]float32, n)}
			if err := coordinator.Round(v.levels, v.p, w, step); err != nil {
				t.Fatal(err)
			}
			for i, x := range v.p {
				if d := math.Abs(float64(x) - float64(w[i])); d > float64(step)/2*1.0001 {
					t.Fatalf("element %d is %g, %g steps from %g", i, x, d/float64(step), w[i])
				}
			}
			again := make([]int32, n)
			if err := coordinator.Levels(again, v.p, step); err != nil || !slices.Equal(again, v.levels) {
				t.Fatalf("levels are lost: %v", err)
			}
			versions = append(versions, v)
		}
		for range 5 {
			i := rapid.IntRange(0, len(versions)-2).Draw(t, "held")
			j := rapid.IntRange(i+1, len(versions)-1).Draw(t, "new")
			from, to := versions[i], versions[j]
			halvings := int(math.Log2(float64(from.step / to.step)))
			levels := from.levels
			if i == 0 && rapid.Bool().Draw(t, "from nothing") {
				levels, halvings = nil, 0
			}
			block, err := coordinator.Append(nil, levels, to.levels, to.step, halvings)
			if err != nil {
				t.Fatal(err)
			}
			p := slices.Clone(from.p)
			got, err := client.Apply(p, block)
			if err != nil || got != to.step {
				t.Fatalf("Apply: %v, step %g, want %g", err, got, to.step)
			}
			if !slices.Equal(p, to.p) {
				t.Fatal("another version comes out")
			}
		}
	})
}

func TestGridExtremes(t *testing.T) {
	base := []float32{0, 0, 0, 0, 1}
	g, err := NewGrid(Flat(5), base)
	if err != nil {
		t.Fatal(err)
	}
	from := []int32{MaxLevel - 1, -MaxLevel + 1, 0, 63, 64}
	to := []int32{-MaxLevel + 1, MaxLevel - 1, 64, -1, 0}
	block, err := g.Append(nil, from, to, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, want := make([]float32, 5), make([]float32, 5)
	g.Points(p, from, 1)
	g.Points(want, to, 1)
	if _, err := g.Apply(p, block); err != nil || !slices.Equal(p, want) {
		t.Errorf("got %v, %v, want %v", p, err, want)
	}
}

func TestGridRefuses(t *testing.T) {
	g, err := NewGrid(Flat(2), []float32{0, 1000})
	if err != nil {
		t.Fatal(err)
	}
	k, p := make([]int32, 2), make([]float32, 2)
	for _, test := range []struct {
		name string
		w    []float32
		step float32
		want error
	}{
		{"nan", []float32{float32(math.NaN()), 0}, 1, ErrNotFinite},
		{"far", []float32{MaxLevel, 0}, 1, ErrRange},
		{"no step", []float32{0, 1000}, 0, ErrRange},
		{"step is nan", []float32{0, 1000}, float32(math.NaN()), ErrNotFinite},
	} {
		if err := g.Round(k, p, test.w, test.step); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if _, err := g.Append(nil, nil, []int32{maxLevel, 0}, 1, 0); !errors.Is(err, ErrRange) {
		t.Errorf("got %v", err)
	}
	if _, err := g.Append(nil, nil, k, 1, 30); !errors.Is(err, ErrOptions) {
		t.Errorf("got %v", err)
	}
	if err := g.Levels(k, []float32{.3, 0}, 1); !errors.Is(err, ErrRange) {
		t.Errorf("got %v", err)
	}
}

func TestGridDamage(t *testing.T) {
	const n = 800
	r := rand.New(rand.NewPCG(1, 2))
	levels := make([]int32, n)
	for i := range levels {
		levels[i] = int32(r.NormFloat64() * 30)
	}
	base := make([]float32, n)
	g, err := NewGrid([]Tensor{{Size: n, Row: 100}}, base)
	if err != nil {
		t.Fatal(err)
	}
	block, err := g.Append(nil, nil, levels, .25, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]float32, n)
	try := func(b []byte) error {
		clear(p)
		_, err := g.Apply(p, b)
		if err == nil {
			checkFinite(t, p)
		} else if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrRange) {
			t.Fatal(err)
		}
		return err
	}
	for i := range 8 * len(block) {
		block[i/8] ^= 1 << (i % 8)
		try(block)
		block[i/8] ^= 1 << (i % 8)
	}
	for i := range block {
		if try(block[:i]) == nil {
			t.Errorf("taken without its last %d bytes", len(block)-i)
		}
	}
	if try(append(block, 0)) == nil {
		t.Error("a byte too many is taken")
	}
}

func ExampleGrid() {
	base := []float32{0, 1, 2} // version 0, which every client makes from the seed
	coordinator, _ := NewGrid(Flat(3), base)
	client, _ := NewGrid(Flat(3), base)

	w := []float32{.26, 1.1, 1.4} // what training has made of it
	const step = .25
	levels, version1 := make([]int32, 3), make([]float32, 3)
	if err := coordinator.Round(levels, version1, w, step); err != nil {
		panic(err)
	}
	block, err := coordinator.Append(nil, nil, levels, step, 0)
	if err != nil {
		panic(err)
	}

	p := []float32{0, 1, 2}
	if _, err := client.Apply(p, block); err != nil {
		panic(err)
	}
	fmt.Println(levels, version1, p)
	// Output: [1 0 -2] [0.25 1 1.5] [0.25 1 1.5]
}

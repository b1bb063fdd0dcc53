package combine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fedtab/learn/rng"
)

// ordinary draws models of several kinds: spread out, with many ties, with
// zeros of both signs.
func ordinary(t *rapid.T, minModels int) [][]float32 {
	r := random(t)
	n := rapid.IntRange(minModels, 40).Draw(t, "models")
	d := rapid.IntRange(1, 700).Draw(t, "values")
	models := gaussian(r, n, d, 1)
	if rapid.Bool().Draw(t, "ties") {
		for _, m := range models {
			for j := range m {
				m[j] = float32(math.Copysign(math.Round(math.Abs(float64(m[j]))), float64(m[j])))
			}
		}
	}
	if rapid.Bool().Draw(t, "twins") {
		copy(models[r.IntN(n)], models[r.IntN(n)])
	}
	return models
}

// column returns the models' values of coordinate j, ascending.
func column(models [][]float32, j int) []float64 {
	var c []float64
	for _, m := range models {
		c = append(c, float64(m[j]))
	}
	slices.Sort(c)
	return c
}

func TestMedian(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := ordinary(t, 1)
		got := make([]float32, len(models[0]))
		if err := Median(got, models); err != nil {
			t.Fatal(err)
		}
		n := len(models)
		for j := range got {
			c := column(models, j)
			if want := float32((c[(n-1)/2] + c[n/2]) / 2); got[j] != want {
				t.Fatalf("coordinate %d: got %g, want %g of %v", j, got[j], want, c)
			}
		}
	})
}

func TestTrimmedMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := ordinary(t, 1)
		share := rapid.Float64Range(0, .499).Draw(t, "share")
		got := make([]float32, len(models[0]))
		if err := TrimmedMean(got, models, share); err != nil {
			t.Fatal(err)
		}
		k := Trimmed(len(models), share)
		for j := range got {
			var want float64
			kept := column(models, j)[k : len(models)-k]
			for _, x := range kept {
				want += x
			}
			if want /= float64(len(kept)); !near(float64(got[j]), want, 1e-7) {
				t.Fatalf("coordinate %d: got %g, want %g", j, got[j], want)
			}
		}
	})
	for _, test := range []struct {
		n     int
		share float64
		want  int
	}{{10, .2, 2}, {100, .29, 29}, {30, .1, 3}, {9, .2, 1}, {4, .2, 0}, {2, .499, 0}, {5, .2, 1}} {
		if got := Trimmed(test.n, test.share); got != test.want {
			t.Errorf("Trimmed(%d, %g) = %d, want %d", test.n, test.share, got, test.want)
		}
	}
}

// By the zero-one principle a network that sorts all rows of zeros and ones
// sorts everything.
func TestSortRows(t *testing.T) {
	for n := range 15 {
		rows := make([][]int32, n)
		for i := range rows {
			rows[i] = make([]int32, 1<<n)
			for j := range rows[i] {
				rows[i][j] = int32(j >> i & 1)
			}
		}
		sortRows(rows)
		for i := 1; i < n; i++ {
			for j := range rows[i] {
				if rows[i-1][j] > rows[i][j] {
					t.Fatalf("%d rows: column %d is not sorted", n, j)
				}
			}
		}
	}
}

// bruteKrum returns Krum's scores, computed as the definition is written.
func bruteKrum(models [][]float32, f int) []float64 {
	scores := make([]float64, len(models))
	for i := range models {
		var ds []float64
		for j := range models {
			if j != i {
				ds = append(ds, distance2(models[i], models[j]))
			}
		}
		slices.Sort(ds)
		for _, d := range ds[:len(models)-f-2] {
			scores[i] += d
		}
	}
	return scores
}

func TestKrum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n := rapid.IntRange(3, 20).Draw(t, "models")
		f := rapid.IntRange(0, (n-3)/2).Draw(t, "f")
		models := gaussian(r, n, rapid.IntRange(1, 600).Draw(t, "values"), 1)
		got := make([]float32, len(models[0]))
		chosen, err := Krum(got, models, f, 1)
		if err != nil {
			t.Fatal(err)
		}
		// Two models nearest to each other can have one score.
		scores := bruteKrum(models, f)
		sorted := slices.Sorted(slices.Values(scores))
		if len(chosen) != 1 || !near(scores[chosen[0]], sorted[0], 1e-12) || !sameBits(got, models[chosen[0]]) {
			t.Fatalf("chose %v with score %g, want %g", chosen, scores[chosen[0]], sorted[0])
		}

		keep := rapid.IntRange(2, n-f).Draw(t, "keep")
		chosen, err = Krum(got, models, f, keep)
		if err != nil {
			t.Fatal(err)
		}
		mean := make([]float32, len(got))
		var kept [][]float32
		for _, i := range chosen {
			kept = append(kept, models[i])
		}
		if _, err := Mean(mean, kept, nil); err != nil {
			t.Fatal(err)
		}
		if len(kept) != keep || !sameBits(got, mean) {
			t.Fatalf("Multi-Krum of %d is not the mean of %v", keep, chosen)
		}
		for place, i := range chosen {
			if !near(scores[i], sorted[place], 1e-12) {
				t.Fatalf("place %d of Multi-Krum has score %g, want %g", place+1, scores[i], sorted[place])
			}
		}
	})
}

// objective is what the geometric median minimises.
func objective(z []float32, models [][]float32, weights []float64) (s float64) {
	for i, m := range models {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		s += w * math.Sqrt(distance2(z, m))
	}
	return s
}

// In one dimension the geometric median is the weighted median.
func TestGeometricMedianLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n := rapid.IntRange(1, 30).Draw(t, "models")
		models := gaussian(r, n, 1, 1)
		var weights []float64
		if rapid.Bool().Draw(t, "weighted") {
			for range n {
				weights = append(weights, float64(1+r.IntN(600)))
			}
		}
		got := []float32{0}
		if _, err := GeometricMedian(got, models, weights); err != nil {
			t.Fatal(err)
		}
		best := math.Inf(1)
		for _, m := range models { // a smallest value lies at a model
			best = min(best, objective(m, models, weights))
		}
		if o := objective(got, models, weights); o > best*(1+1e-5) {
			t.Fatalf("sum of distances %.9g at %g, want %.9g", o, got[0], best)
		}
	})
}

// No step of a pattern search finds anything better by a thousandth, which
// is where 200 steps may end among few models.
func TestGeometricMedianIsLeast(t *testing.T) {
	maxSteps := 0
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n := rapid.IntRange(1, 20).Draw(t, "models")
		d := rapid.IntRange(2, 10).Draw(t, "values")
		models := gaussian(r, n, d, 1)
		for range rapid.IntRange(0, n/2).Draw(t, "twins") {
			copy(models[r.IntN(n)], models[r.IntN(n)])
		}
		for _, m := range models[:rapid.IntRange(0, (n-1)/2).Draw(t, "far")] {
			for j := range m {
				m[j] *= 1e3
			}
		}
		var weights []float64
		if rapid.Bool().Draw(t, "weighted") {
			for range n {
				weights = append(weights, float64(1+r.IntN(600)))
			}
		}
		got := make([]float32, d)
		steps, err := GeometricMedian(got, models, weights)
		if err != nil {
			t.Fatal(err)
		}
		maxSteps = max(maxSteps, steps)
		o := objective(got, models, weights)
		trial := slices.Clone(got)
		for step := float32(1); step > 1e-4; step /= 4 {
			for j := range trial {
				for _, by := range []float32{-step, step} {
					trial[j] = got[j] + by
					if p := objective(trial, models, weights); p < o*(1-1e-3) {
						t.Fatalf("after %d steps the sum of distances is %.9g, but %.9g at %g from there", steps, o, p, by)
					}
					trial[j] = got[j]
				}
			}
		}
	})
	t.Logf("at maxSteps %d steps", maxSteps)
}

func TestGeometricMedianKnown(t *testing.T) {
	for _, test := range []struct {
		name    string
		models  [][]float32
		weights []float64
		want    []float32
	}{
		{"one", [][]float32{{3, 4}}, nil, []float32{3, 4}},
		{"square", [][]float32{{0, 0}, {2, 0}, {2, 2}, {0, 2}}, nil, []float32{1, 1}},
		// A triangle without an angle of 120 degrees: every side is seen at 120 degrees.
		{"Fermat point", [][]float32{{-1, 0}, {1, 0}, {0, 3}}, nil, []float32{0, float32(1 / math.Sqrt(3))}},
		{"corner of 120 degrees or more", [][]float32{{0, 0}, {10, 1}, {-10, 1}}, nil, []float32{0, 0}},
		{"half in one point", [][]float32{{5, 5}, {5, 5}, {0, 9}, {1, 0}}, nil, []float32{5, 5}},
		{"half of the weight in one point", [][]float32{{5, 5}, {0, 9}, {1, 0}, {9, 1}}, []float64{3, 1, 1, 1}, []float32{5, 5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make([]float32, 2)
			if _, err := GeometricMedian(got, test.models, test.weights); err != nil {
				t.Fatal(err)
			}
			for j := range got {
				if !near(float64(got[j]), float64(test.want[j]), 1e-5) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}

// f bad models far out, wherever they are, leave the coordinate-wise rules
// and Krum within the range of the good ones, and the geometric median within
// Minsker's bound.
func TestRobustBreakdown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n := rapid.IntRange(5, 40).Draw(t, "models")
		d := rapid.IntRange(1, 300).Draw(t, "values")
		models := gaussian(r, n, d, 1)
		attack := func(f int) (good [][]float32) {
			size := rapid.SampledFrom([]float64{1e6, -1e6, 1e30}).Draw(t, "size")
			together := rapid.Bool().Draw(t, "together")
			models = gaussian(r, n, d, 1)
			for i, m := range models[:f] {
				for j := range m {
					m[j] = float32(size * (1 + r.Float64()))
					if together && i > 0 {
						m[j] = models[0][j]
					} else if r.IntN(2) == 0 {
						m[j] = -m[j]
					}
				}
			}
			return models[f:]
		}
		got := make([]float32, d)

		good := attack(rapid.IntRange(0, (n-1)/2).Draw(t, "f of the median"))
		if err := Median(got, models); err != nil {
			t.Fatal(err)
		}
		if !inRange(got, good) {
			t.Fatal("the median left the range of the good models")
		}

		share := rapid.SampledFrom([]float64{.1, DefaultTrim, .4}).Draw(t, "share")
		good = attack(rapid.IntRange(0, Trimmed(n, share)).Draw(t, "f of the trimmed mean"))
		if err := TrimmedMean(got, models, share); err != nil {
			t.Fatal(err)
		}
		if !inRange(got, good) {
			t.Fatal("the trimmed mean left the range of the good models")
		}

		f := rapid.IntRange(0, (n-3)/2).Draw(t, "f of Krum")
		good = attack(f)
		// Twins among the bad are near each other, but f of them are fewer
		// than the n-f-2 neighbours that count.
		chosen, err := Krum(got, models, f, n-2*f-2)
		if err != nil {
			t.Fatal(err)
		}
		if !inRange(got, good) || slices.Min(chosen) < f {
			t.Fatalf("Krum chose %v, where the first %d are bad", chosen, f)
		}

		f = rapid.IntRange(0, (n-1)/2).Draw(t, "f of the geometric median")
		good = attack(f)
		if _, err := GeometricMedian(got, models, nil); err != nil {
			t.Fatal(err)
		}
		centre := make([]float32, d)
		var radius float64
		for _, m := range good {
			radius = max(radius, math.Sqrt(distance2(m, centre)))
		}
		a := float64(f) / float64(n)
		bound := radius * (1 - a) / math.Sqrt(1-2*a)
		if from := math.Sqrt(distance2(got, centre)); from > bound*(1+1e-4) {
			t.Fatalf("the geometric median is %g from the centre, want at most %g", from, bound)
		}
	})
}

// No rule depends on the order in which the models come, in no bit.
func TestRobustAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := ordinary(t, 3)
		n, d := len(models), len(models[0])
		r := random(t)
		weights := make([]float64, n)
		for i := range weights {
			weights[i] = 600 * (1 - r.Float64())
		}
		others, otherWeights := permuted(r, models, weights)
		f := rapid.IntRange(0, (n-3)/2).Draw(t, "f")
		keep := rapid.IntRange(1, n-f).Draw(t, "keep")
		for name, rule := range map[string]func(dst []float32, models [][]float32, weights []float64) error{
			"median":       func(dst []float32, models [][]float32, _ []float64) error { return Median(dst, models) },
			"trimmed mean": func(dst []float32, models [][]float32, _ []float64) error { return TrimmedMean(dst, models, .3) },
			"Krum": func(dst []float32, models [][]float32, _ []float64) error {
				_, err := Krum(dst, models, f, keep)
				return err
			},
			"geometric median": func(dst []float32, models [][]float32, _ []float64) error {
				_, err := GeometricMedian(dst, models, nil)
				return err
			},
			"weighted geometric median": func(dst []float32, models [][]float32, weights []float64) error {
				_, err := GeometricMedian(dst, models, weights)
				return err
			},
		} {
			one, two := make([]float32, d), make([]float32, d)
			if err := errors.Join(rule(one, models, weights), rule(two, others, otherWeights)); err != nil {
				t.Fatal(err)
			}
			if !sameBits(one, two) {
				t.Fatalf("%s: another order gave other bits", name)
			}
		}
	})
}

// A model that is not finite, should it ever get here, is one bad model.
func TestRobustNotFinite(t *testing.T) {
	r := rng.Stream(8, "not finite")
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		models := gaussian(r, 7, 3, 1)
		for j := range models[2] {
			models[2][j] = float32(x)
		}
		good := slices.Concat(models[:2], models[3:])
		got := make([]float32, 3)
		if err := Median(got, models); err != nil || !inRange(got, good) {
			t.Errorf("%g: median %v (%v)", x, got, err)
		}
		if err := TrimmedMean(got, models, .2); err != nil || !inRange(got, good) {
			t.Errorf("%g: trimmed mean %v (%v)", x, got, err)
		}
		if _, err := Krum(got, models, 2, 3); err != nil || !inRange(got, good) {
			t.Errorf("%g: Krum %v (%v)", x, got, err)
		}
	}
}

func TestRobustRefuses(t *testing.T) {
	r := rng.Stream(9, "refuses")
	models := gaussian(r, 6, 2, 1)
	dst := make([]float32, 2)
	krum := func(n, f, keep int) error { _, err := Krum(dst, models[:n], f, keep); return err }
	geometric := func(n int, weights ...float64) error {
		_, err := GeometricMedian(dst, models[:n], weights)
		return err
	}
	for _, test := range []struct {
		name string
		got  error
		want error
	}{
		{"median of none", Median(dst, nil), ErrTooFew},
		{"trimmed mean of none", TrimmedMean(dst, nil, .2), ErrTooFew},
		{"half trimmed", TrimmedMean(dst, models, .5), ErrParameter},
		{"share below 0", TrimmedMean(dst, models, -.1), ErrParameter},
		{"a share of NaN", TrimmedMean(dst, models, math.NaN()), ErrParameter},
		{"Krum of 2f+2", krum(6, 2, 1), ErrTooFew},
		{"Krum of 2f+3", krum(5, 1, 1), nil},
		{"Krum of none", krum(0, 0, 1), ErrTooFew},
		{"Krum of two", krum(2, 0, 1), ErrTooFew},
		{"Krum of three", krum(3, 0, 1), nil},
		{"Krum with a great f", krum(6, math.MaxInt, 1), ErrTooFew},
		{"Krum with f below 0", krum(6, -1, 1), ErrParameter},
		{"Krum of nothing kept", krum(6, 1, 0), ErrParameter},
		{"Krum with the bad ones kept", krum(6, 1, 6), ErrParameter},
		{"geometric median of none", geometric(0), ErrTooFew},
		{"weight 0", geometric(2, 1, 0), ErrParameter},
		{"weight infinite", geometric(2, math.Inf(1), 1), ErrParameter},
		{"a weight of NaN", geometric(2, math.NaN(), 1), ErrParameter},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

// A hundred models of the 2NN.
func BenchmarkRobust(b *testing.B) {
	const n, d = 100, 199_210
	models := gaussian(rng.Stream(10, "robust benchmark"), n, d, .01)
	dst := make([]float32, d)
	for _, rule := range []struct {
		name string
		run  func() error
	}{
		{"median", func() error { return Median(dst, models) }},
		{"trimmed mean", func() error { return TrimmedMean(dst, models, DefaultTrim) }},
		{"Krum", func() error { _, err := Krum(dst, models, 20, 1); return err }},
		{"geometric median", func() error { _, err := GeometricMedian(dst, models, nil); return err }},
		{"mean", func() error { _, err := Mean(dst, models, nil); return err }},
	} {
		b.Run(fmt.Sprintf("%s/n=%d,d=%d", rule.name, n, d), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := rule.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package combine

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fedtab/learn/rng"
)

func TestRadonPointKnown(t *testing.T) {
	big := math.Ldexp(1, 40)
	for _, test := range []struct {
		name   string
		points [][]float64
		want   []float64
	}{
		{"three on a line and one beside it", [][]float64{{5, 7}, {0, 0}, {1, 0}, {2, 0}}, []float64{1, 0}},
		{"corners of a square", [][]float64{{0, 0}, {2, 2}, {0, 2}, {2, 0}}, []float64{1, 1}},
		{"one inside a triangle", [][]float64{{0, 0}, {9, 0}, {0, 9}, {2, 3}}, []float64{2, 3}},
		{"all equal", [][]float64{{3, -4}, {3, -4}, {3, -4}, {3, -4}}, []float64{3, -4}},
		{"two equal", [][]float64{{3, -4}, {1, 1}, {3, -4}, {0, 0}}, []float64{3, -4}},
		{"the middle of three", [][]float64{{7}, {-1}, {3}}, []float64{3}},
		{"no dimension", [][]float64{{}, {}}, []float64{}},
		{"far from the origin", [][]float64{{big, big}, {big + 2, big + 2}, {big, big + 2}, {big + 2, big}}, []float64{big + 1, big + 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make([]float64, len(test.want))
			if err := RadonPoint(got, test.points); err != nil {
				t.Fatal(err)
			}
			for j, want := range test.want {
				if !near(got[j], want, 1e-14) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}

// Both sides of the partition meet to 1e-8 of the spread (much less, in fact)
// on 10,000 random sets of every kind that has broken other versions.
func TestRadonSidesMeet(t *testing.T) {
	r := rng.Stream(1, "radon sides")
	kinds := []struct {
		name string
		fill func(points [][]float64)
	}{
		{"normal", func(points [][]float64) { fillNormal(r, points) }},
		{"duplicates", func(points [][]float64) {
			fillNormal(r, points)
			distinct := 1 + r.IntN(len(points))
			for i := range points {
				copy(points[i], points[r.IntN(distinct)])
			}
		}},
		{"collinear", func(points [][]float64) {
			fillNormal(r, points)
			from, along := slices.Clone(points[0]), slices.Clone(points[1])
			for _, x := range points {
				s := r.NormFloat64()
				for j := range x {
					x[j] = from[j] + s*along[j]
				}
			}
		}},
		{"rank 1", func(points [][]float64) {
			fillNormal(r, points)
			along := slices.Clone(points[0])
			for i, x := range points {
				for j := range x {
					x[j] = float64(i%5) * along[j]
				}
			}
		}},
		{"low rank", func(points [][]float64) {
			fillNormal(r, points)
			rank := min(1+r.IntN(3), len(points[0]))
			for _, x := range points {
				for j := rank; j < len(x); j++ {
					x[j] = x[j%rank] * float64(j)
				}
			}
		}},
		{"narrow clusters", func(points [][]float64) {
			fillNormal(r, points)
			centre := slices.Clone(points[0])
			for i, x := range points {
				for j := range x {
					x[j] = centre[j]*float64(i%2) + 1e-8*x[j]
				}
			}
		}},
		{"one far out", func(points [][]float64) {
			fillNormal(r, points)
			for j := range points[0] {
				points[0][j] *= 1e6
			}
		}},
		{"whole numbers", func(points [][]float64) {
			for _, x := range points {
				for j := range x {
					x[j] = float64(r.IntN(3))
				}
			}
		}},
	}
	worst := make([]float64, len(kinds))
	for set := range 10_000 + 4*len(kinds) {
		d := 1 + set/len(kinds)%50
		if set >= 10_000 { // sizes at which a library may choose another way
			d = []int{64, 130, 200, 300}[(set-10_000)/len(kinds)]
		}
		p := newRadon(d)
		points := grid(d+2, d)
		kinds[set%len(kinds)].fill(points)
		dst := make([]float64, d)
		gap, err := p.point(dst, points)
		if err != nil {
			t.Fatalf("set %d (%s, d = %d): %v", set, kinds[set%len(kinds)].name, d, err)
		}
		worst[set%len(kinds)] = max(worst[set%len(kinds)], gap)
	}
	for k, gap := range worst {
		t.Logf("%-16s sides at most %.1e of the spread apart", kinds[k].name, gap)
		if gap > 1e-8 {
			t.Errorf("%s: sides %g of the spread apart, want at most 1e-8", kinds[k].name, gap)
		}
	}
}

func grid(n, d int) [][]float64 {
	points := make([][]float64, n)
	for i := range points {
		points[i] = make([]float64, d)
	}
	return points
}

func fillNormal(r *rand.Rand, points [][]float64) {
	for _, x := range points {
		for j := range x {
			x[j] = r.NormFloat64()
		}
	}
}

// In one dimension the Radon point is the middle one of three; in two it is
// the point inside the triangle of the others, or else where two diagonals
// cross.
func TestRadonPointGeometry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		line := grid(3, 1)
		fillNormal(r, line)
		one := []float64{0}
		if err := RadonPoint(one, line); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(line, slices.Compare)
		if !near(one[0], line[1][0], 1e-12) {
			t.Fatalf("got %v, want the middle one of %v", one, line)
		}

		p := grid(4, 2)
		fillNormal(r, p)
		got := []float64{0, 0}
		if err := RadonPoint(got, p); err != nil {
			t.Fatal(err)
		}
		want := planeRadon(p)
		if !near(got[0], want[0], 1e-9) || !near(got[1], want[1], 1e-9) {
			t.Fatalf("got %v, want %v for %v", got, want, p)
		}
	})
}

// planeRadon finds the Radon point of four points of the plane by geometry.
func planeRadon(p [][]float64) []float64 {
	turn := func(a, b, c []float64) float64 {
		return (b[0]-a[0])*(c[1]-a[1]) - (b[1]-a[1])*(c[0]-a[0])
	}
	for i := range 4 { // inside the triangle of the others?
		var o [][]float64
		for j := range 4 {
			if j != i {
				o = append(o, p[j])
			}
		}
		a, b, c := turn(o[0], o[1], p[i]), turn(o[1], o[2], p[i]), turn(o[2], o[0], p[i])
		if a >= 0 && b >= 0 && c >= 0 || a <= 0 && b <= 0 && c <= 0 {
			return p[i]
		}
	}
	for j := 1; j < 4; j++ { // does p[0]-p[j] cross the segment of the others?
		var o [][]float64
		for k := 1; k < 4; k++ {
			if k != j {
				o = append(o, p[k])
			}
		}
		a, b := turn(p[0], p[j], o[0]), turn(p[0], p[j], o[1])
		c, d := turn(o[0], o[1], p[0]), turn(o[0], o[1], p[j])
		if a*b < 0 && c*d < 0 {
			s := a / (a - b)
			return []float64{o[0][0] + s*(o[1][0]-o[0][0]), o[0][1] + s*(o[1][1]-o[0][1])}
		}
	}
	panic("four points without a Radon point")
}

func TestRadonPointRefuses(t *testing.T) {
	for name, x := range map[string]float64{"infinity": math.Inf(1), "NaN": math.NaN()} {
		dst := []float64{7}
		if err := RadonPoint(dst, [][]float64{{1}, {x}, {2}}); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%s: got %v, want ErrNotFinite", name, err)
		}
		if dst[0] != 7 {
			t.Errorf("%s: wrote %g in spite of the error", name, dst[0])
		}
	}
}

// The result may go where a point was.
func TestRadonPointInPlace(t *testing.T) {
	r := rng.Stream(2, "radon in place")
	points := grid(7, 5)
	fillNormal(r, points)
	want := make([]float64, 5)
	if err := RadonPoint(want, points); err != nil {
		t.Fatal(err)
	}
	if err := RadonPoint(points[3], points); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(points[3], want) {
		t.Errorf("got %v, want %v", points[3], want)
	}
}

// Fewer than 2^h bad models of r^h cannot push any convex loss past the
// greatest of the good ones, wherever they are.
func TestRadonMachineBound(t *testing.T) {
	shapes := []struct{ d, h int }{{1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 1}, {2, 2}, {2, 3}, {3, 2}, {5, 1}, {5, 2}, {9, 2}, {20, 1}}
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SampledFrom(shapes).Draw(t, "shape")
		r := random(t)
		n := Need(shape.d, shape.h)
		models := gaussian(r, n, shape.d, 1)
		bad := rapid.IntRange(0, 1<<shape.h-1).Draw(t, "bad")
		size := rapid.SampledFrom([]float64{1, 10, 1e3, 1e6}).Draw(t, "size")
		together := rapid.Bool().Draw(t, "together")
		for i, m := range gaussian(r, bad, shape.d, size) {
			if together {
				copy(m, models[n-1])
			}
			models[n-1-i] = m
		}
		good := models[:n-bad]
		result := make([]float32, shape.d)
		if err := RadonMachine(result, models, shape.h, r.Uint64()); err != nil {
			t.Fatal(err)
		}
		// Distances from a point, maxima of linear functions, and squares.
		target := gaussian(r, 1, shape.d, 2)[0]
		planes := gaussian(r, 6, shape.d, 1)
		losses := map[string]func(x []float32) float64{
			"distance": func(x []float32) float64 { return math.Sqrt(distance2(x, target)) },
			"square":   func(x []float32) float64 { return distance2(x, target) },
			"linear":   func(x []float32) float64 { return dot(x, planes[0]) },
			"planes": func(x []float32) float64 {
				furthest := math.Inf(-1)
				for _, p := range planes {
					furthest = max(furthest, dot(x, p))
				}
				return furthest
			},
		}
		for name, loss := range losses {
			bound := math.Inf(-1)
			for _, m := range good {
				bound = max(bound, loss(m))
			}
			if got := loss(result); got > bound+1e-5+1e-11*size*size {
				t.Fatalf("%s: loss %g, and at most %g of the good models", name, got, bound)
			}
		}
	})
}

func distance2(x, y []float32) (s float64) {
	for i := range x {
		e := float64(x[i]) - float64(y[i])
		s += e * e
	}
	return s
}

func dot(x, y []float32) (s float64) {
	for i := range x {
		s += float64(x[i]) * float64(y[i])
	}
	return s
}

// 441 models of 19 parameters, three of them ruined: the mean is, the Radon
// machine is not.
func TestRadonMachineAgainstMean(t *testing.T) {
	const d, h = 19, 2
	r := rng.Stream(3, "radon against mean")
	models := gaussian(r, Need(d, h), d, 1)
	norm := func(x []float32) float64 { return math.Sqrt(SquaredNorm(x)) }
	radon, mean := make([]float32, d), make([]float32, d)
	measure := func() (float64, float64) {
		if err := RadonMachine(radon, models, h, 4); err != nil {
			t.Fatal(err)
		}
		if _, err := Mean(mean, models, nil); err != nil {
			t.Fatal(err)
		}
		return norm(radon), norm(mean)
	}
	cleanRadon, cleanMean := measure()
	for i := range 3 {
		for j := range d {
			models[100*i][j] = 100
		}
	}
	ruinedRadon, ruinedMean := measure()
	t.Logf("distance from the centre: Radon %.2f, mean %.2f; with three at +100: %.2f, %.2f", cleanRadon, cleanMean, ruinedRadon, ruinedMean)
	// Measured for the project's notes with another generator: .31, .20,
	// .31, 2.97.
	if ruinedRadon > 2*cleanRadon || ruinedMean < 2.5 {
		t.Errorf("three bad models move the Radon machine to %g (from %g), the mean to %g", ruinedRadon, cleanRadon, ruinedMean)
	}
}

// The machine is what one gets by grouping level by level.
func TestRadonMachineLevels(t *testing.T) {
	const d, h, seed = 2, 3, 11
	r := rng.Stream(5, "radon levels")
	models := gaussian(r, Need(d, h)+3, d, 1)
	level := grid(Need(d, h), d)
	for i, from := range shuffled(len(level), seed) {
		for j, x := range models[from] {
			level[i][j] = float64(x)
		}
	}
	for len(level) > 1 {
		up := grid(len(level)/(d+2), d)
		for i := range up {
			if err := RadonPoint(up[i], level[i*(d+2):][:d+2]); err != nil {
				t.Fatal(err)
			}
		}
		level = up
	}
	got := make([]float32, d)
	if err := RadonMachine(got, models, h, seed); err != nil {
		t.Fatal(err)
	}
	for j := range got {
		if got[j] != float32(level[0][j]) {
			t.Errorf("got %v, want %v", got, level[0])
		}
	}
	// Another seed groups otherwise.
	other := make([]float32, d)
	if err := RadonMachine(other, models, h, seed+1); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(got, other) {
		t.Errorf("two seeds give the same point %v", got)
	}
}

func TestRadonMachineRefuses(t *testing.T) {
	dst := make([]float32, 1)
	models := [][]float32{{1}, {2}, {3}, {4}}
	if err := RadonMachine(dst, models, 2, 0); !errors.Is(err, ErrTooFew) {
		t.Errorf("4 models for height 2: got %v, want ErrTooFew", err)
	}
	if err := RadonMachine(dst, models, 0, 0); !errors.Is(err, ErrParameter) {
		t.Errorf("height 0: got %v, want ErrParameter", err)
	}
	models[1][0] = float32(math.NaN())
	if err := RadonMachine(dst, models[:3], 1, 0); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN: got %v, want ErrNotFinite", err)
	}
}

func TestNeedAndHeight(t *testing.T) {
	for _, test := range []struct{ d, h, need int }{
		{1, 1, 3}, {3, 2, 25}, {19, 2, 441}, {19, 0, 1}, {199_210, 1, 199_212},
		{199_210, 3, 199_212 * 199_212 * 199_212}, {199_210, 4, math.MaxInt}, {2, 31, 1 << 62}, {2, 32, math.MaxInt},
		{1_663_370, 1000, math.MaxInt},
	} {
		if got := Need(test.d, test.h); got != test.need {
			t.Errorf("Need(%d, %d) = %d, want %d", test.d, test.h, got, test.need)
		}
	}
	for _, test := range []struct{ d, m, height int }{
		{19, 0, 0}, {19, 1, 0}, {19, 20, 0}, {19, 21, 1}, {19, 440, 1}, {19, 441, 2}, {19, 442, 2}, {199_210, 100, 0}, {1, math.MaxInt, 39},
	} {
		if got := Height(test.d, test.m); got != test.height {
			t.Errorf("Height(%d, %d) = %d, want %d", test.d, test.m, got, test.height)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 1<<20).Draw(t, "d")
		m := rapid.IntRange(1, math.MaxInt-1).Draw(t, "m")
		if h := Height(d, m); Need(d, h) > m || Need(d, h+1) <= m {
			t.Fatalf("Height(%d, %d) = %d, but it takes %d, and the next %d", d, m, h, Need(d, h), Need(d, h+1))
		}
	})
}

func BenchmarkRadonPoint(b *testing.B) {
	for _, d := range []int{10, 100, 500} {
		b.Run(fmt.Sprintf("d=%d", d), func(b *testing.B) {
			points := grid(d+2, d)
			fillNormal(rng.Stream(6, "radon benchmark"), points)
			dst := make([]float64, d)
			b.ReportAllocs()
			for b.Loop() {
				if err := RadonPoint(dst, points); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRadonMachine(b *testing.B) {
	const d, h = 19, 2
	models := gaussian(rng.Stream(7, "radon benchmark"), Need(d, h), d, 1)
	dst := make([]float32, d)
	b.ReportAllocs()
	for b.Loop() {
		if err := RadonMachine(dst, models, h, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// The sides are those of the partition: their hulls meet in the point.
func TestRadonSides(t *testing.T) {
	for _, test := range []struct {
		name   string
		points [][]float64
		plus   []bool // on the side of the first point
	}{
		{"corners of a square", [][]float64{{0, 0}, {2, 2}, {0, 2}, {2, 0}}, []bool{true, true, false, false}},
		{"one inside a triangle", [][]float64{{0, 0}, {9, 0}, {0, 9}, {2, 3}}, []bool{true, true, true, false}},
	} {
		point, alpha := make([]float64, 2), make([]float64, 4)
		if err := RadonSides(point, alpha, test.points); err != nil {
			t.Fatal(err)
		}
		for i, a := range alpha {
			if got := a*alpha[0] > 0; got != test.plus[i] {
				t.Errorf("%s: alpha %v, want the sides %v", test.name, alpha, test.plus)
			}
		}
	}
	alpha := []float64{1, 1, 1, 1}
	same := [][]float64{{1, 1}, {1, 1}, {1, 1}, {1, 1}}
	if err := RadonSides(make([]float64, 2), alpha, same); err != nil || !slices.Equal(alpha, make([]float64, 4)) {
		t.Errorf("equal points: alpha %v, %v, want zeros", alpha, err)
	}
}

// Every point of the tree is shown, after those that it is made of, and the last is the
// machine's.
func TestRadonLevels(t *testing.T) {
	r := rng.Stream(3, "radon tree")
	const d, h = 2, 2
	points := make([][]float32, Need(d, h))
	for i := range points {
		points[i] = []float32{float32(r.NormFloat64()), float32(r.NormFloat64())}
	}
	want, got := make([]float32, d), make([]float32, d)
	if err := RadonMachine(want, points, h, 7); err != nil {
		t.Fatal(err)
	}
	var levels []int
	var last []float64
	err := RadonLevels(got, points, h, 7, func(level int, point []float64) {
		levels, last = append(levels, level), slices.Clone(point)
	})
	if err != nil || !slices.Equal(got, want) || float32(last[0]) != want[0] || float32(last[1]) != want[1] {
		t.Errorf("got %v and last %v, %v, want %v", got, last, err, want)
	}
	if group := []int{0, 0, 0, 0, 1}; !slices.Equal(levels, append(slices.Repeat(group, 4), 2)) {
		t.Errorf("levels %v", levels)
	}
}

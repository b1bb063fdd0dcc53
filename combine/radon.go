package combine

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"fedtab/learn/rng"
)

// Radon's theorem (1921): any r = d + 2 points of R^d part into two sets
// whose convex hulls meet. A point in both hulls is a Radon point. Replacing
// groups of r models by their Radon point, level by level, makes one model of
// r^h that fewer than 2^h bad ones cannot push past the worst of the good, in
// any convex loss (Kamp, Boley, Missura and Gaertner, "Effective
// Parallelisation for Machine Learning", NIPS 2017).

// sideTolerance is how far the two sides of a partition may be apart, in
// units of the points' spread. Rounding leaves about 1e-15.
const sideTolerance = 1e-8

// RadonPoint writes a Radon point of points to dst. d = len(dst), and there
// are r = d + 2 points of d values each; dst may be one of them.
//
//	c = mean of the points; s = max |x_i - c|; if s == 0 the point is c
//	A is r x (d+1) with rows [(x_i - c)/s, 1]; alpha = last column of the full Q of A = Q R
//	point = sum_{alpha_i > 0} alpha_i x_i / sum_{alpha_i > 0} alpha_i
//
// alpha is orthogonal to the columns of A whatever their rank: it sums to 0
// and sum alpha_i x_i = 0, so that the negative side gives the same point.
// The sides must agree to 1e-8 s in every value; the result is the mean of
// both.
//
// Its error is about 1e-15 s, where s counts the bad points too: bound what a
// client may send.
//
// It takes about 4/3 d^3 operations and 8 r (d+1) bytes. It returns
// ErrNotFinite for values that are not finite or whose mean overflows,
// ErrSides if the sides differ, and panics unless there are r points of d
// values.
func RadonPoint(dst []float64, points [][]float64) error {
	_, err := newRadon(len(dst)).point(dst, points)
	return err
}

// RadonSides is RadonPoint that writes alpha, which has r values, too: the points with
// positive values are one side of the partition, those with negative ones the other. Where
// all points are equal, every value is 0.
func RadonSides(dst, alpha []float64, points [][]float64) error {
	p := newRadon(len(dst))
	_, err := p.point(dst, points)
	copy(alpha, p.alpha.Data)
	return err
}

// radon is the memory for Radon points of one dimension.
type radon struct {
	a           blas64.General // r x (d+1), row-major
	tau, work   []float64
	alpha       blas64.General // r x 1
	centre      []float64
	plus, minus []float64
}

func newRadon(d int) *radon {
	r := d + 2
	p := &radon{
		a:      blas64.General{Rows: r, Cols: d + 1, Stride: d + 1, Data: make([]float64, r*(d+1))},
		tau:    make([]float64, d+1),
		alpha:  blas64.General{Rows: r, Cols: 1, Stride: 1, Data: make([]float64, r)},
		centre: make([]float64, d), plus: make([]float64, d), minus: make([]float64, d),
	}
	// This is the smallest workspace that Geqrf takes, which makes it work reflector by
	// reflector. The blocked version, which more memory would choose, is
	// wrong in gonum 0.17: Dlarft forgets how long the first reflector of a
	// block is where the second ends in zeros, as it does for points on a
	// line.
	p.work = make([]float64, d+1)
	return p
}

// point is RadonPoint; it returns how far the sides were apart, in units of s.
func (p *radon) point(dst []float64, points [][]float64) (gap float64, err error) {
	d, r := len(p.centre), len(p.alpha.Data)
	if len(dst) != d || len(points) != r {
		panic(fmt.Sprintf("combine: RadonPoint of %d points to %d values, want %d points", len(points), len(dst), len(dst)+2))
	}
	clear(p.centre)
	for i, x := range points {
		if len(x) != d {
			panic(fmt.Sprintf("combine: RadonPoint: point %d has %d values, want %d", i, len(x), d))
		}
		for j, v := range x {
			p.centre[j] += v
		}
	}
	for j := range p.centre {
		p.centre[j] /= float64(r)
	}
	var s float64
	for _, x := range points {
		for j, v := range x {
			s = max(s, math.Abs(v-p.centre[j])) // NaN stays
		}
	}
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0):
		return 0, fmt.Errorf("combine: Radon point: %w", ErrNotFinite)
	case s == 0:
		copy(dst, p.centre)
		return 0, nil
	}

	for i, x := range points {
		row := p.a.Data[i*p.a.Stride:][:d+1]
		for j, v := range x {
			row[j] = (v - p.centre[j]) / s
		}
		row[d] = 1
	}
	// The last column of Q is Q applied to the last unit vector: the
	// reflectors do it in O(d^2), without forming Q.
	alpha := p.alpha.Data
	clear(alpha)
	alpha[r-1] = 1
	lapack64.Geqrf(p.a, p.tau, p.work, len(p.work))
	lapack64.Ormqr(blas.Left, blas.NoTrans, p.a, p.tau, p.alpha, p.work[:1], 1)

	clear(p.plus)
	clear(p.minus)
	var plus, minus float64
	for i, x := range points {
		side, w := p.plus, alpha[i]
		if w < 0 {
			side, w = p.minus, -w
			minus += w
		} else {
			plus += w
		}
		for j, v := range x {
			side[j] += w * ((v - p.centre[j]) / s)
		}
	}
	for j := range p.plus {
		p.plus[j] /= plus
		p.minus[j] /= minus
		gap = max(gap, math.Abs(p.plus[j]-p.minus[j]))
	}
	if !(gap <= sideTolerance) {
		return gap, fmt.Errorf("combine: Radon point of %d values: %w: %g of the spread apart, want at most %g", d, ErrSides, gap, sideTolerance)
	}
	for j, c := range p.centre {
		dst[j] = c + s*((p.plus[j]+p.minus[j])/2)
	}
	return gap, nil
}

// RadonMachine writes the iterated Radon point of height h of points to dst:
// r^h of them, the first Need(d, h), are shuffled and put in groups of
// r = d + 2 = len(dst) + 2, every group is replaced by its Radon point, and so
// on h times. Points beyond the first r^h have no part in it.
//
// seed decides the shuffle, and so does the order of points: give them in an
// order of their own, such as (client, part), and not as they arrive. One
// shuffle of the leaves divides every level at random.
//
// It works depth first, in memory for h groups of r points and one
// factorisation, about 8 (h+1) r^2 bytes, whatever r^h is; it computes
// (r^h - 1)/(r - 1) Radon points. It returns ErrTooFew if there are fewer than
// r^h points, ErrParameter if h < 1, and otherwise fails as RadonPoint does.
func RadonMachine(dst []float32, points [][]float32, h int, seed uint64) error {
	return RadonLevels(dst, points, h, seed, func(int, []float64) {})
}

// RadonLevels is RadonMachine that calls visit with every point of the tree: its level, from 0
// for the leaves, and its values, which are valid until visit returns. A point of a level
// comes after the r points of the level below that it is made of.
func RadonLevels(dst []float32, points [][]float32, h int, seed uint64, visit func(level int, point []float64)) error {
	d := len(dst)
	if h < 1 {
		return fmt.Errorf("combine: Radon machine: %w: height is %d, want at least 1", ErrParameter, h)
	}
	need := Need(d, h)
	if len(points) < need {
		return fmt.Errorf("combine: Radon machine: %w: %d of %d parameters, want %d for height %d", ErrTooFew, len(points), d, need, h)
	}
	points = points[:need]
	checkShape("RadonMachine", d, points)

	m := machine{radon: newRadon(d), leaves: points, order: shuffled(need, seed), visit: visit}
	for range h {
		group := make([][]float64, d+2)
		values := make([]float64, d*(d+2))
		for i := range group {
			group[i] = values[i*d:][:d:d]
		}
		m.groups = append(m.groups, group)
	}
	top := make([]float64, d)
	if err := m.point(top, h); err != nil {
		return err
	}
	for j, v := range top {
		dst[j] = float32(v)
	}
	return nil
}

// machine walks the tree of Radon points depth first.
type machine struct {
	radon  *radon
	leaves [][]float32
	order  []int         // of the leaves not yet used
	groups [][][]float64 // one for each level
	visit  func(level int, point []float64)
}

// point writes the Radon point at a level, from 0 for the leaves, to dst.
func (m *machine) point(dst []float64, level int) error {
	if level == 0 {
		for j, v := range m.leaves[m.order[0]] {
			dst[j] = float64(v)
		}
		m.order = m.order[1:]
		m.visit(0, dst)
		return nil
	}
	group := m.groups[level-1]
	for _, x := range group {
		if err := m.point(x, level-1); err != nil {
			return err
		}
	}
	if _, err := m.radon.point(dst, group); err != nil {
		return err
	}
	m.visit(level, dst)
	return nil
}

// shuffled returns 0 ... n-1 in an order that seed decides.
func shuffled(n int, seed uint64) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	r := rand.New(rng.New(seed))
	for i := range order { // Fisher-Yates
		j := i + int(r.Uint64N(uint64(n-i)))
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// Need returns how many models of d parameters (all of them, intercept
// included) a Radon machine of height h takes: (d+2)^h, or math.MaxInt where
// that is more than an int holds.
func Need(d, h int) int {
	r, n := d+2, 1
	for range h {
		if n > math.MaxInt/r {
			return math.MaxInt
		}
		n *= r
	}
	return n
}

// Height returns the largest height of a Radon machine that m models of d
// parameters allow: floor(log_{d+2} m), or 0 if there are fewer than d + 2.
func Height(d, m int) int {
	h := 0
	for m /= d + 2; m > 0; m /= d + 2 {
		h++
	}
	return h
}

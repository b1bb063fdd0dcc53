package account

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Koskela, Jälkö, Honkela 2020, and the same settings by their accountant.
func TestPLD(t *testing.T) {
	ms := []Mechanism{{Noise: 4, Rate: .01, Steps: 10_000}}
	for _, c := range []struct {
		name      string
		bounds    func() (Bounds, error)
		want      float64
		precision float64 // of the upper bound, relative to want
		gap       float64 // of both bounds
	}{
		{"delta, add-remove", func() (Bounds, error) { return PLDDelta(ms, AddRemove, 1) }, 4.244e-6, 1e-3, 5e-4},
		{"epsilon, add-remove", func() (Bounds, error) { return PLDEpsilon(ms, AddRemove, 1e-5) }, .947, 2e-4, 2e-5},
		{"epsilon, substitution", func() (Bounds, error) { return PLDEpsilon(ms, Substitution, 1e-5) }, 1.99312, 2e-5, 2e-5},
	} {
		b, err := c.bounds()
		if err != nil || !near(b.Upper, c.want, c.precision) || b.Lower > b.Upper || !near(b.Lower, b.Upper, c.gap) {
			t.Errorf("%s: %.8g to %.8g, %v; want %g", c.name, b.Lower, b.Upper, err, c.want)
		}
	}
}

// Without sampling the exact delta and epsilon lie between the bounds, which are close.
func TestPLDGaussian(t *testing.T) {
	noises, counts, deltas := []float64{.05, .3, 1, 4, 100}, []int{1, 3, 100, 20_000}, []float64{.3, 1e-3, 1e-6, 1e-12, 1e-25}
	if testing.Short() {
		noises, counts, deltas = []float64{.3, 4}, []int{1, 100}, []float64{.3, 1e-6, 1e-25}
	}
	for _, noise := range noises {
		for _, steps := range counts {
			for _, adjacency := range []Adjacency{AddRemove, Substitution} {
				ms := []Mechanism{{noise, 1, steps}}
				distance, _ := Distance(ms, adjacency)
				for _, delta := range deltas {
					exact, _ := GaussianEpsilon(distance, delta)
					b, err := PLDEpsilon(ms, adjacency, delta)
					if err != nil || b.Lower > exact || b.Upper < exact || b.Upper-b.Lower > 1e-3*exact+1e-4 {
						t.Errorf("noise %g, steps %d, %v, delta %g: %.9g to %.9g, %v; want %.9g within", noise, steps, adjacency, delta, b.Lower, b.Upper, err, exact)
					}
					d, err := PLDDelta(ms, adjacency, exact)
					// Of an epsilon in the hundreds the last digits are not resolved.
					want := GaussianDelta(distance, exact)
					if err != nil || d.Lower > want || d.Upper < want || exact > 0 && exact < 1000 && d.Upper > 1.01*d.Lower {
						t.Errorf("noise %g, steps %d, %v, epsilon %g: %.9g to %.9g, %v; want %.9g within", noise, steps, adjacency, exact, d.Lower, d.Upper, err, want)
					}
				}
			}
		}
	}
}

// The same for any setting.
func TestPLDGaussianAny(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMechanism(r, 1000)
		m.Rate = 1
		ms := []Mechanism{m}
		epsilon := rapid.Float64Range(0, 30).Draw(r, "epsilon")
		distance, _ := Distance(ms, AddRemove)
		want := GaussianDelta(distance, epsilon)
		if b, err := PLDDelta(ms, AddRemove, epsilon); err != nil || b.Lower > want*(1+1e-12) || b.Upper < want*(1-1e-12) {
			r.Errorf("%+v, epsilon %g: %g to %g, %v; want %g within", m, epsilon, b.Lower, b.Upper, err, want)
		}
	})
}

// One sampled step has a delta in closed form.
func TestPLDOneStep(t *testing.T) {
	noises, rates, epsilons := []float64{.3, .7, 1, 5}, []float64{1e-4, .01, .3, .9}, []float64{0, .01, .1, .7}
	if testing.Short() {
		noises, rates, epsilons = []float64{.7, 5}, []float64{.01, .3}, []float64{0, .1}
	}
	for _, noise := range noises {
		for _, rate := range rates {
			for _, epsilon := range epsilons {
				m := Mechanism{noise, rate, 1}
				want := 0.0
				for _, k := range []kind{remove, add} {
					p := m.pair(k)
					// P and Q beyond the output at which the loss is epsilon; mirrored for add.
					y := p.where(epsilon)
					plain, mixed := tail(y), (1-rate)*tail(y)+rate*tail(y-p.shift)
					if k == add {
						mixed = (1-rate)*tail(y) + rate*tail(y+p.shift)
						plain, mixed = mixed, plain
					}
					want = max(want, mixed-math.Exp(epsilon)*plain)
				}
				b, err := PLDDelta([]Mechanism{m}, AddRemove, epsilon)
				if err != nil || b.Lower > want+1e-15 || b.Upper < want-1e-15 || !near(b.Upper, want, .01) && want > 1e-12 {
					t.Errorf("noise %g, rate %g, epsilon %g: %g to %g, %v; want %g within", noise, rate, epsilon, b.Lower, b.Upper, err, want)
				}
			}
		}
	}
}

// Privacy loss distributions are never worse than Rényi's divergences, and no bound below
// is above one above.
func TestPLDBelowRDP(t *testing.T) {
	cases := []Mechanism{{1, .01, 500}, {.6, .001, 3000}, {2, .2, 100}, {8, .5, 1000}, {.8, 1e-4, 5000}, {30, .05, 100_000}}
	if testing.Short() {
		cases = cases[2:4]
	}
	for _, m := range cases {
		for _, adjacency := range []Adjacency{AddRemove, Substitution} {
			for _, delta := range []float64{1e-3, 1e-8} {
				b, err := PLDEpsilon([]Mechanism{m}, adjacency, delta)
				if err != nil {
					t.Fatal(err)
				}
				c, err := RDP([]Mechanism{m}, adjacency, opacusOrders())
				if err != nil {
					t.Fatal(err)
				}
				rdp, _ := c.Epsilon(delta)
				if b.Upper > rdp || b.Lower > b.Upper || !near(b.Lower, b.Upper, .02) && b.Upper > .01 {
					t.Errorf("%+v, %v, delta %g: %g to %g, %g by RDP", m, adjacency, delta, b.Lower, b.Upper, rdp)
				}
			}
		}
	}
}

// Substituting costs at most what removing and adding cost, and at least as much as one.
func TestPLDSubstitution(t *testing.T) {
	m := []Mechanism{{1.2, .02, 300}}
	for _, delta := range []float64{1e-3, 1e-7} {
		one, err := PLDEpsilon(m, AddRemove, delta)
		if err != nil {
			t.Fatal(err)
		}
		both, err := PLDEpsilon(m, Substitution, delta*(1+math.Exp(one.Upper)))
		if err != nil {
			t.Fatal(err)
		}
		same, err := PLDEpsilon(m, Substitution, delta)
		if err != nil || both.Lower > 2*one.Upper || same.Upper < one.Lower {
			t.Errorf("delta %g: %v for one, %v substituted, %v with the delta of both", delta, one, same, both)
		}
	}
}

// Steps that are told apart compose as those that are not, in any order.
func TestPLDCompose(t *testing.T) {
	a, b := Mechanism{1, .05, 30}, Mechanism{3, .3, 12}
	split := a
	split.Steps = 10
	rest := a
	rest.Steps = 20
	var first Bounds
	for i, ms := range [][]Mechanism{{a, b}, {b, a}, {split, b, rest}, {a, {5, .1, 0}, b}} {
		got, err := PLDEpsilon(ms, AddRemove, 1e-6)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		}
		if !near(got.Upper, first.Upper, 1e-5) || !near(got.Lower, first.Lower, 1e-5) {
			t.Errorf("%v: %v, want %v", ms, got, first)
		}
	}
	gaussians := []Mechanism{{2, 1, 5}, {7, 1, 100}}
	distance, _ := Distance(gaussians, AddRemove)
	want, _ := GaussianEpsilon(distance, 1e-6)
	if got, err := PLDEpsilon(gaussians, AddRemove, 1e-6); err != nil || got.Lower > want || got.Upper < want || !near(got.Upper, want, 1e-4) {
		t.Errorf("two Gaussian mechanisms: %v, %v; want %g within", got, err, want)
	}
}

func TestPLDMonotone(t *testing.T) {
	base := Mechanism{1, .02, 200}
	for _, c := range []struct {
		name        string
		less, known Mechanism
	}{
		{"fewer steps", Mechanism{1, .02, 190}, base},
		{"more noise", Mechanism{1.05, .02, 200}, base},
		{"a lower rate", Mechanism{1, .019, 200}, base},
	} {
		less, err := PLDEpsilon([]Mechanism{c.less}, AddRemove, 1e-5)
		if err != nil {
			t.Fatal(err)
		}
		more, err := PLDEpsilon([]Mechanism{c.known}, AddRemove, 1e-5)
		if err != nil || less.Upper >= more.Lower {
			t.Errorf("%s: %v, not below %v, %v", c.name, less, more, err)
		}
	}
}

// Both roundings of a pair keep what makes them bounds: P's and Q's masses for the upper
// one; a merged loss of the grid for the lower.
func TestGrid(t *testing.T) {
	for _, k := range []kind{remove, add, substitute} {
		for _, m := range []Mechanism{{1, .3, 1}, {.5, 1, 1}, {3, .001, 1}} {
			if k == add && m.Rate == 1 {
				continue // as remove
			}
			t.Run(fmt.Sprint(k, m), func(t *testing.T) {
				p := m.pair(k)
				_, a := p.at(-1)
				_, b := p.at(1)
				step := (b - a) / 50
				first, cells := p.cells(step)
				masses := func(a atoms) (onP, onQ, mean float64) {
					for i, m := range a.mass {
						loss := step * float64(a.first+i)
						onP, onQ, mean = onP+m, onQ+m*math.Exp(-loss), mean+m*loss
					}
					return onP, onQ, mean
				}
				onP, onQ, above := masses(upper(p, first, cells, step))
				if !near(onP, 1, 1e-12) || !near(onQ, 1, 1e-9) {
					t.Errorf("upper: masses %.15g and %.15g, want 1", onP, onQ)
				}
				onP, onQ, below := masses(lower(first, cells))
				if !near(onP, 1, 1e-12) || onQ < 1-1e-12 || onQ > 1+step*step {
					t.Errorf("lower: masses %.15g and %.15g, want 1 and no less", onP, onQ)
				}
				if above < below || above-below > step*step {
					t.Errorf("mean losses %g and %g: want the first larger, by no more than the step squared", above, below)
				}
			})
		}
	}
}

// where is the inverse of at.
func TestWhere(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := drawMechanism(r, 1)
		p := m.pair(rapid.SampledFrom([]kind{remove, add, substitute}).Draw(r, "kind"))
		y := rapid.Float64Range(-8, 8).Draw(r, "y")
		_, l := p.at(y)
		_, back := p.at(p.where(l))
		if math.Abs(back-l) > 1e-11*math.Abs(l)+1e-15 {
			r.Errorf("%+v: loss %g at %g, %g at %g", p, l, y, back, p.where(l))
		}
		if _, more := p.at(y + .1); more < l {
			r.Errorf("%+v: loss %g at %g, less beyond", p, l, y)
		}
	})
}

// What the fast transform composes is what adding losses one by one composes.
func TestTransform(t *testing.T) {
	const step, tilt = .1, .7
	a := atoms{first: -3, mass: []float64{.1, .2, .3, .1, .1, .1, .05, .05}}
	b := atoms{first: 2, mass: []float64{.5, .25, .25}}
	sums := map[int]float64{0: 1}
	for _, x := range []atoms{a, a, a, b, b} {
		next := map[int]float64{}
		for at, m := range sums {
			for i, n := range x.mass {
				next[at+x.first+i] += m * n
			}
		}
		sums = next
	}
	c := transform([]part{newPart(a, step, tilt, 3), newPart(b, step, tilt, 2)}, step, tilt)
	for i, m := range c.mass {
		got, want := m*math.Exp(c.logScale-tilt*step*float64(c.first+i)), sums[c.first+i]
		if math.Abs(got-want) > 1e-14 {
			t.Errorf("loss %d: %g, want %g", c.first+i, got, want)
		}
	}
	for at := range sums {
		if at < c.first || at >= c.first+len(c.mass) {
			t.Errorf("loss %d lies outside the window", at)
		}
	}
}

// No setting within bounds panics or gives NaN.
func FuzzAccountants(f *testing.F) {
	f.Add(1.5, .04, 2250, 1e-5, 1.)
	f.Add(.01, 1e-9, MaxSteps, 1e-30, 0.)
	f.Add(.01, 1., 5, .999, 1e6)
	f.Add(1e6, 1., 1, .5, 1e-12)
	f.Add(.02, .5, 1_000_000, 1e-10, 5000.)
	f.Fuzz(func(t *testing.T, noise, rate float64, steps int, delta, epsilon float64) {
		ms := []Mechanism{{noise, rate, steps}}
		for _, adjacency := range []Adjacency{AddRemove, Substitution} {
			if c, err := RDP(ms, adjacency, []float64{1.1, 2, 5.5, 64}); err == nil && ValidateDelta(delta) == nil {
				if e, _ := c.Epsilon(delta); !(e >= 0) {
					t.Errorf("%+v, %v, delta %g: epsilon %g", ms, adjacency, delta, e)
				}
			}
			if b, err := PLDEpsilon(ms, adjacency, delta); err == nil && !(b.Lower >= 0 && b.Lower <= b.Upper) {
				t.Errorf("%+v, %v, delta %g: epsilon %+v", ms, adjacency, delta, b)
			}
			if b, err := PLDDelta(ms, adjacency, epsilon); err == nil && !(b.Lower >= 0 && b.Lower <= b.Upper && b.Upper <= 1) {
				t.Errorf("%+v, %v, epsilon %g: delta %+v", ms, adjacency, epsilon, b)
			}
		}
	})
}

func BenchmarkPLD(b *testing.B) {
	for _, m := range []Mechanism{{4, .01, 10_000}, {1, 1, 100}, {.8, .001, 1000}} {
		b.Run(fmt.Sprintf("noise=%g/rate=%g/steps=%d", m.Noise, m.Rate, m.Steps), func(b *testing.B) {
			for b.Loop() {
				if _, err := PLDEpsilon([]Mechanism{m}, AddRemove, 1e-5); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

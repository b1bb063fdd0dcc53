package account

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// opacusOrders are the default orders of Opacus.
func opacusOrders() []float64 {
	var orders []float64
	for i := 1; i < 100; i++ {
		orders = append(orders, 1+float64(i)/10)
	}
	for i := 12; i < 64; i++ {
		orders = append(orders, float64(i))
	}
	return orders
}

func epsilonRDP(t testing.TB, delta float64, orders []float64, ms ...Mechanism) float64 {
	t.Helper()
	c, err := RDP(ms, AddRemove, orders)
	if err != nil {
		t.Fatal(err)
	}
	epsilon, _ := c.Epsilon(delta)
	return epsilon
}

// near reports whether values differ by at most a share.
func near(a, b, share float64) bool { return math.Abs(a-b) <= share*math.Abs(b) }

func TestRDP(t *testing.T) {
	for _, c := range []struct {
		name      string
		mechanism Mechanism
		delta     float64
		want      float64
		precision float64
	}{
		// Opacus, tests/accountants_test.py, test_rdp_accountant.
		{"Opacus", Mechanism{1.5, .04, 2250}, 1e-5, 7.32911, 1e-5},
		// The divergence is the order times steps / (2 * noise^2): by hand at the best order.
		{"without sampling", Mechanism{10, 1, 100}, 1e-5, .5*5.4 + math.Log1p(-1/5.4) - (math.Log(1e-5)+math.Log(5.4))/4.4, 1e-9},
	} {
		if got := epsilonRDP(t, c.delta, opacusOrders(), c.mechanism); !near(got, c.want, c.precision) {
			t.Errorf("%s: epsilon %.8g, want %.8g", c.name, got, c.want)
		}
		if fine, coarse := epsilonRDP(t, c.delta, append(opacusOrders(), Orders()...), c.mechanism), epsilonRDP(t, c.delta, opacusOrders(), c.mechanism); fine > coarse || fine < .99*coarse {
			t.Errorf("%s: epsilon %g on a finer grid, %g on Opacus'", c.name, fine, coarse)
		}
	}
}

// Divergences by the sums of Mironov et al. are those of numerical integration, in the
// direction that is larger.
func TestRenyi(t *testing.T) {
	for _, noise := range []float64{.4, 1, 3, 20} {
		for _, rate := range []float64{1e-6, .001, .05, .5, .99, 1} {
			for _, order := range []float64{1.1, 1.5, 2, 2.7, 5, 10.9, 32} {
				m := Mechanism{noise, rate, 1}
				got := m.renyi(order, AddRemove)
				want, other := m.pair(remove).renyi(order), m.pair(add).renyi(order)
				// Integrals are rounded to 1e-12 of the moment.
				if slack := 3e-12/(order-1) + 1e-9*want; math.Abs(got-want) > slack {
					// The chord between whole orders stands in where the series is not resolved.
					if !(got > want && want < 1e-6) {
						t.Errorf("noise %g, rate %g, order %g: %g, want %g", noise, rate, order, got, want)
					}
				}
				if other > got*(1+1e-9)+3e-12/(order-1) {
					t.Errorf("noise %g, rate %g, order %g: %g, but %g in the other direction", noise, rate, order, got, other)
				}
			}
		}
	}
}

// Substitution moves twice as far where nothing is sampled.
func TestRenyiSubstitution(t *testing.T) {
	for _, order := range []float64{1.5, 3, 20} {
		m := Mechanism{2, 1, 1}
		got, want := m.pair(substitute).renyi(order), m.renyi(order, Substitution)
		if !near(got, want, 1e-9) {
			t.Errorf("order %g: %g, want %g", order, got, want)
		}
	}
}

// A release later is a release of both: the order of composition is of no account.
func TestCompose(t *testing.T) {
	orders := []float64{1.1, 2.5, 4, 10.9, 32}
	rapid.Check(t, func(r *rapid.T) {
		var cs [3]Curve
		var ms []Mechanism
		for i := range cs {
			m := drawMechanism(r, 1000)
			ms = append(ms, m)
			cs[i], _ = RDP([]Mechanism{m}, AddRemove, orders)
		}
		all, _ := RDP(ms, AddRemove, orders)
		left, right := cs[0].Compose(cs[1]).Compose(cs[2]), cs[0].Compose(cs[1].Compose(cs[2]))
		for i := range all.RDP {
			if !near(left.RDP[i], right.RDP[i], 1e-14) || !near(left.RDP[i], all.RDP[i], 1e-14) {
				r.Fatalf("order %g: %g, %g and %g", all.Orders[i], left.RDP[i], right.RDP[i], all.RDP[i])
			}
		}
	})
}

func drawMechanism(r *rapid.T, steps int) Mechanism {
	return Mechanism{
		Noise: math.Exp(rapid.Float64Range(math.Log(.3), math.Log(100)).Draw(r, "log noise")),
		Rate:  math.Exp(rapid.Float64Range(math.Log(1e-5), 0).Draw(r, "log rate")),
		Steps: rapid.IntRange(1, steps).Draw(r, "steps"),
	}
}

// More steps and a larger rate cost more, more noise less.
func TestRDPMonotone(t *testing.T) {
	orders := []float64{1.1, 1.5, 2.2, 4, 7.7, 16, 63}
	rapid.Check(t, func(r *rapid.T) {
		m := drawMechanism(r, 10_000)
		more, noisy, often := m, m, m
		more.Steps++
		noisy.Noise *= 1.1
		often.Rate = min(1, 1.1*m.Rate)
		e := epsilonRDP(t, 1e-6, orders, m)
		if a, b, c := epsilonRDP(t, 1e-6, orders, more), epsilonRDP(t, 1e-6, orders, noisy), epsilonRDP(t, 1e-6, orders, often); a < e || b > e || c < e*(1-1e-9) {
			r.Errorf("%+v: %g; %g with a step more, %g with more noise, %g with a larger rate", m, e, a, b, c)
		}
	})
}

func TestNothingReleased(t *testing.T) {
	if e := epsilonRDP(t, 1e-5, Orders(), Mechanism{1, .5, 0}); e != 0 {
		t.Errorf("epsilon %g after no step", e)
	}
	if b, err := PLDEpsilon([]Mechanism{{1, .5, 0}}, AddRemove, 1e-5); err != nil || b.Upper != 0 {
		t.Errorf("epsilon %v, %v after no step", b, err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		mechanism Mechanism
		delta     float64
		want      string
	}{
		{Mechanism{0, .5, 1}, 1e-5, "noise is 0, want 0.01 <= noise <= 1e+06: the standard deviation as a multiple of the clipping norm"},
		{Mechanism{math.NaN(), .5, 1}, 1e-5, "noise is NaN, want 0.01 <= noise <= 1e+06: the standard deviation as a multiple of the clipping norm"},
		{Mechanism{1, 1.5, 1}, 1e-5, "rate is 1.5, want 1e-09 <= rate <= 1: the probability that a participant takes part in a step"},
		{Mechanism{1, 0, 1}, 1e-5, "rate is 0, want 1e-09 <= rate <= 1: the probability that a participant takes part in a step"},
		{Mechanism{1, .5, -1}, 1e-5, "steps is -1, want 0 <= steps <= 1000000000"},
		{Mechanism{1, .5, 1}, 1, "delta is 1, want 1e-30 <= delta < 1, and less than 1 / participants for a claim that protects each of them"},
		{Mechanism{1, .5, 1}, 0, "delta is 0, want 1e-30 <= delta < 1, and less than 1 / participants for a claim that protects each of them"},
	} {
		if _, err := PLDEpsilon([]Mechanism{c.mechanism}, AddRemove, c.delta); err == nil || err.Error() != c.want {
			t.Errorf("%+v, delta %g: %v, want %s", c.mechanism, c.delta, err, c.want)
		}
	}
	if _, err := RDP([]Mechanism{{1, 1, MaxSteps}, {1, 1, 1}}, AddRemove, Orders()); err == nil {
		t.Error("more steps than MaxSteps in all are accounted")
	}
	if _, err := RDP([]Mechanism{{1, 1, 1}}, AddRemove, []float64{1}); err == nil {
		t.Error("order 1 is accounted")
	}
	if _, err := PLDDelta([]Mechanism{{1, 1, 1}}, AddRemove, math.Inf(1)); err == nil {
		t.Error("an infinite epsilon is accounted")
	}
	if _, err := ParseAdjacency("zero-out"); err == nil || err.Error() != `adjacency is "zero-out", want add-remove or substitution` {
		t.Errorf("an unknown adjacency: %v", err)
	}
}

func BenchmarkRDP(b *testing.B) {
	for b.Loop() {
		epsilonRDP(b, 1e-5, Orders(), Mechanism{1.5, .04, 2250})
	}
}

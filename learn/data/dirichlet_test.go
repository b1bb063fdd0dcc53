package data

import (
	"fmt"
	"math"
	"testing"

	"fedtab/learn/rng"

	"pgregory.net/rapid"
)

func TestDirichlet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := drawLabels(t)
		clients := rapid.IntRange(1, len(labels)).Draw(t, "clients")
		alpha := rapid.SampledFrom([]float64{1e-300, 1e-3, 0.1, 0.5, 1, 10, 1e6, 1e300}).Draw(t, "alpha")
		again(t, func(seed uint64) ([][]int32, error) { return Dirichlet(labels, 10, clients, alpha, seed) }, len(labels))
	})
}

// A small alpha gives most of a class to one client, a large one equal shares to
// all.
func TestDirichletSpread(t *testing.T) {
	labels := make([]uint8, 10000)
	for i := range labels {
		labels[i] = uint8(i % 10)
	}
	for _, c := range []struct{ alpha, min, max float64 }{{0.01, 0.8, 1}, {1000, 0.1, 0.13}} {
		parts, err := Dirichlet(labels, 10, 10, c.alpha, 3)
		if err != nil {
			t.Fatal(err)
		}
		largest := make([]int, 10) // share of a class, in thousandths
		for _, counts := range Statistics(parts, labels, 10) {
			for class, n := range counts {
				largest[class] = max(largest[class], n)
			}
		}
		sum := 0.0
		for _, n := range largest {
			sum += float64(n) / 1000 / 10
		}
		if sum < c.min || sum > c.max {
			t.Errorf("alpha %v: the largest share of a class is %.3f on average, want %v to %v", c.alpha, sum, c.min, c.max)
		}
	}
}

func TestDirichletClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := drawLabels(t)
		clients := rapid.IntRange(1, len(labels)).Draw(t, "clients")
		alpha := rapid.SampledFrom([]float64{math.SmallestNonzeroFloat64, 1e-300, 1e-3, 0.1, 1, 10, 1e6, math.MaxFloat64}).Draw(t, "alpha")
		parts := again(t, func(seed uint64) ([][]int32, error) { return DirichletClients(labels, 10, clients, alpha, seed) }, len(labels))
		if smallest, largest := sizes(parts); largest-smallest > 1 {
			t.Fatalf("sizes from %d to %d", smallest, largest)
		}
	})
	a, _ := DirichletClients(make([]uint8, 100), 1, 4, 1, 1)
	b, _ := DirichletClients(make([]uint8, 100), 1, 4, 1, 2)
	if fmt.Sprint(a) == fmt.Sprint(b) {
		t.Error("two seeds give the same parts")
	}
}

// With q from Dir(alpha * p), two examples of one client have the same class with
// probability sum q^2, whose mean is s + (1 - s)/(alpha + 1) with s = sum p^2,
// because q_c has mean p_c and variance p_c (1 - p_c)/(alpha + 1). The tolerances
// allow for 200 draws, and for renormalising where a class has no examples left.
func TestDirichletClientsConcentration(t *testing.T) {
	var labels []uint8
	const n, clients = 20000, 200
	s := 0.0
	for c, p := range []float64{0.4, 0.3, 0.2, 0.1} {
		for range int(p * n) {
			labels = append(labels, uint8(c))
		}
		s += p * p
	}
	for _, alpha := range []float64{0.1, 1, 5, 20, 1000} {
		parts, err := DirichletClients(labels, 4, clients, alpha, 5)
		if err != nil {
			t.Fatal(err)
		}
		same := 0.0
		for _, counts := range Statistics(parts, labels, 4) {
			for _, x := range counts {
				same += float64(x*(x-1)) / (100 * 99) / clients
			}
		}
		if want := s + (1-s)/(alpha+1); math.Abs(same-want) > 0.05 {
			t.Errorf("alpha %v: two examples have the same class with probability %.3f, want %.3f", alpha, same, want)
		}
	}
}

// With ten equally frequent classes, alpha in Dirichlet has the effect of 10 alpha
// in DirichletClients: it is each parameter in one, their sum in the other. Sizes
// differ in Dirichlet alone.
func TestDirichletDivisionsDiffer(t *testing.T) {
	labels := make([]uint8, 10000)
	for i := range labels {
		labels[i] = uint8(i % 10)
	}
	measured := func(parts [][]int32, err error) Skew {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return MeasureSkew(parts, Statistics(parts, labels, 10))
	}
	for _, alpha := range []float64{0.3, 0.5, 1, 3} {
		perClass := measured(Dirichlet(labels, 10, 100, alpha, 3))
		perClient := measured(DirichletClients(labels, 10, 100, 10*alpha, 3))
		unscaled := measured(DirichletClients(labels, 10, 100, alpha, 3))
		if d := perClass.MeanVariation - perClient.MeanVariation; math.Abs(d) > 0.05 {
			t.Errorf("alpha %v per class, %v per client: variation differs by %.3f, want at most 0.05", alpha, 10*alpha, d)
		}
		if d := unscaled.MeanVariation - perClass.MeanVariation; d < 0.1 {
			t.Errorf("alpha %v: variation per client exceeds that per class by %.3f, want at least 0.1", alpha, d)
		}
		if perClient.EffectiveClients != 100 || perClass.EffectiveClients > 98 {
			t.Errorf("alpha %v: %.2f effective clients per client and %.2f per class, want 100 and at most 98", alpha, perClient.EffectiveClients, perClass.EffectiveClients)
		}
	}
}

// Gamma(alpha, 1) has mean alpha and variance alpha; its fourth central moment
// is 3 alpha^2 + 6 alpha, which bounds the error of the variance here.
func TestGammaMoments(t *testing.T) {
	const n = 200000
	for _, alpha := range []float64{0.1, 0.5, 1, 2.5, 30} {
		r := rng.Stream(1, "test")
		var sum, squares float64
		for range n {
			v := math.Exp(logGamma(alpha, r))
			sum += v
			squares += (v - alpha) * (v - alpha)
		}
		if got, tol := sum/n, 5*math.Sqrt(alpha/n); math.Abs(got-alpha) > tol {
			t.Errorf("alpha %v: mean is %v, want within %v", alpha, got, tol)
		}
		tol := 5 * math.Sqrt((2*alpha*alpha+6*alpha)/n)
		if got := squares / n; math.Abs(got-alpha) > tol {
			t.Errorf("alpha %v: variance is %v, want within %v", alpha, got, tol)
		}
	}
}

func TestDirichletSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		clients := rapid.IntRange(1, n).Draw(t, "clients")
		alpha := rapid.SampledFrom([]float64{1e-300, 0.1, 1, 1e6}).Draw(t, "alpha")
		again(t, func(seed uint64) ([][]int32, error) { return DirichletSizes(n, clients, alpha, seed) }, n)
	})
	// A large alpha makes sizes equal, a small one gives most examples to one client.
	for _, c := range []struct {
		alpha    float64
		min, max float64 // effective clients of 100
	}{{1000, 99, 100}, {1, 35, 70}, {0.001, 1, 2}} {
		parts, err := DirichletSizes(100000, 100, c.alpha, 7)
		if err != nil {
			t.Fatal(err)
		}
		if got := MeasureSkew(parts, nil).EffectiveClients; got < c.min || got > c.max {
			t.Errorf("alpha %v: %v effective clients, want %v to %v", c.alpha, got, c.min, c.max)
		}
	}
}

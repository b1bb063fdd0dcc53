package attack

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Curves of few scores are as counted by hand.
func TestROC(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name            string
		members, others []float64
		auc, advantage  float64
		fpr, tpr        float64
	}{
		{"apart", []float64{3, 4}, []float64{1, 2}, 1, 1, 0, 1},
		{"the other way round", []float64{1, 2}, []float64{3, 4}, 0, 0, 0, 0},
		{"equal", []float64{1, 1, 1}, []float64{1, 1}, .5, 0, .5, 0},
		{"mixed", []float64{1, 3, 5}, []float64{0, 2, 4, 6}, .5, .25, .25, 1. / 3},
		{"a tie", []float64{1, 2}, []float64{2, 0}, .625, .5, 0, 0},
		{"NaN is the lowest", []float64{nan, 2, inf}, []float64{nan, 1}, .75, 2. / 3, 0, 2. / 3},
	} {
		r := NewROC(c.members, c.others)
		if got := r.AUC().Value; math.Abs(got-c.auc) > 1e-12 {
			t.Errorf("%s: AUC %g, want %g", c.name, got, c.auc)
		}
		if got := r.Advantage().Value; math.Abs(got-c.advantage) > 1e-12 {
			t.Errorf("%s: advantage %g, want %g", c.name, got, c.advantage)
		}
		if got := r.TPR(c.fpr).Value; math.Abs(got-c.tpr) > 1e-12 {
			t.Errorf("%s: TPR %g at FPR %g, want %g", c.name, got, c.fpr, c.tpr)
		}
	}
}

// Of normal scores a distance apart the area is known, and standard errors are the deviation
// of what many samples have.
func TestErrors(t *testing.T) {
	const samples, members, others, distance = 400, 120, 200, 1.
	random := rand.New(rand.NewPCG(1, 1))
	var auc, area, advantage, stated [samples]float64
	for i := range samples {
		r := NewROC(normal(random, members, distance), normal(random, others, 0))
		auc[i], area[i] = r.AUC().Value, r.AUC().Error
		advantage[i], stated[i] = r.Advantage().Value, r.Advantage().Error
	}
	mean, deviation := spread(auc[:])
	if want := math.Erfc(-distance/2) / 2; math.Abs(mean-want) > 4*deviation/math.Sqrt(samples) {
		t.Errorf("AUC %.4f, want %.4f", mean, want)
	}
	for _, c := range []struct {
		name           string
		values, errors []float64
	}{{"AUC", auc[:], area[:]}, {"advantage", advantage[:], stated[:]}} {
		_, deviation := spread(c.values)
		if got, _ := spread(c.errors); math.Abs(got/deviation-1) > .2 {
			t.Errorf("%s: the standard error is %.4f, %d samples deviate by %.4f", c.name, got, samples, deviation)
		}
	}
}

// The intervals are those of the tables of Clopper and Pearson.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		hits, n   int
		low, high float64
	}{{0, 10, 0, .3085}, {5, 10, .1871, .8129}, {10, 10, .6915, 1}, {1, 100, .0003, .0545}} {
		s := shareOf(c.hits, c.n)
		if math.Abs(s.Low-c.low) > 5e-5 || math.Abs(s.High-c.high) > 5e-5 || s.Value != float64(c.hits)/float64(c.n) {
			t.Errorf("%d of %d: %v, want %.4f to %.4f", c.hits, c.n, s, c.low, c.high)
		}
	}
}

// normal returns n normal numbers about a mean.
func normal(random *rand.Rand, n int, mean float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = mean + random.NormFloat64()
	}
	return x
}

func spread(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, math.Sqrt(deviation)
}

package attack

import (
	"math"
	"math/rand/v2"
	"testing"

	"fedtab/learn/kernel"
)

// The confidence belongs to the loss that training has, and is finite where probabilities are
// 0 and 1 in floating point.
func TestConfidence(t *testing.T) {
	for _, c := range []struct {
		z     []float32
		label int
	}{{[]float32{1, 2, 3}, 0}, {[]float32{1, 2, 3}, 2}, {[]float32{-5, 5}, 1}} {
		y := []float32{float32(c.label)}
		want, _ := kernel.SoftmaxCrossEntropy(make([]float32, len(c.z)), c.z, y, len(c.z), 1)
		if got := math.Log1p(math.Exp(-Confidence(c.z, c.label))); math.Abs(got-want) > 1e-6 {
			t.Errorf("outputs %v, label %d: the loss is %g, want %g", c.z, c.label, got, want)
		}
	}
	for label, want := range []float64{-2000, 2000} {
		if got := Confidence([]float32{-1000, 1000}, label); got != want {
			t.Errorf("label %d: %g, want %g", label, got, want)
		}
	}
}

// made returns trials whose statistics are normal about a mean of the candidate, which are
// far apart, and higher by a shift for members.
func made(shift float64, seed uint64) *Trials {
	const trials, candidates, between = 16, 1500, 3
	random := rand.New(rand.NewPCG(seed, 1))
	means := make([]float64, candidates)
	for c := range means {
		means[c] = between * random.NormFloat64()
	}
	t := new(Trials)
	for range trials {
		statistic, in := make([]float64, candidates), make([]bool, candidates)
		for c, at := range random.Perm(candidates) {
			in[c] = at < candidates/2
			statistic[c] = means[c] + random.NormFloat64()
			if in[c] {
				statistic[c] += shift
			}
		}
		t.Statistic, t.In = append(t.Statistic, statistic), append(t.In, in)
	}
	return t
}

// A threshold is misled by candidates that are easy anyway, and likelihood ratios are not: with
// infinitely many shadow models their area would be that of the shift alone.
func TestMembership(t *testing.T) {
	const shift = 2.
	trials := made(shift, 1)
	for _, c := range []struct {
		name      string
		got       Estimate
		low, high float64
	}{
		{"threshold", trials.Threshold().AUC(), area(shift, 10) - .01, area(shift, 10) + .01},
		{"LiRA", trials.LiRA().AUC(), area(shift, 1) - .02, area(shift, 1)},
	} {
		if c.got.Value < c.low || c.got.Value > c.high {
			t.Errorf("%s: AUC %.4f, want %.4f to %.4f", c.name, c.got.Value, c.low, c.high)
		}
	}
}

// area returns that under the curve of normal scores of a variance, a shift apart.
func area(shift, variance float64) float64 { return math.Erfc(-shift/math.Sqrt(variance)/2) / 2 }

// Where there is nothing to find, nothing is found: that a trial is none of its own shadow
// models biases no score.
func TestNothingToFind(t *testing.T) {
	for seed := range uint64(5) {
		trials := made(0, seed)
		for name, r := range map[string]*ROC{"threshold": trials.Threshold(), "LiRA": trials.LiRA()} {
			if auc := r.AUC(); math.Abs(auc.Value-.5) > 4*auc.Error {
				t.Errorf("%s, seed %d: AUC %.4f ± %.4f, want 0.5", name, seed, auc.Value, auc.Error)
			}
			if s := r.TPR(.01); s.Low > .014 || s.High < .007 {
				t.Errorf("%s, seed %d: TPR %.4f to %.4f at an FPR of 0.01", name, seed, s.Low, s.High)
			}
		}
	}
}

// A candidate that no shadow model has, or that all have, has no likelihood ratio.
func TestFewShadows(t *testing.T) {
	r := (&Trials{
		Statistic: [][]float64{{0, 1}, {0, 2}, {9, 3}, {9, 4}},
		In:        [][]bool{{false, true}, {false, true}, {true, true}, {true, false}},
	}).LiRA()
	if len(r.members) != 2+3 || len(r.others) != 2 {
		t.Errorf("%d scores of members and %d of others, want 5 and 2: the second candidate has none as the only other", len(r.members), len(r.others))
	}
}

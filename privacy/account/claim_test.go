package account

import (
	"math"
	"testing"
)

func TestClaim(t *testing.T) {
	for _, c := range []struct {
		name     string
		claim    Claim
		releases int
		low      float64 // of epsilon
		high     float64
	}{
		// The published figure of docs/accounting.md.
		{"sampled", Claim{4, .01, 1e-5, nil, nil}, 10_000, .946, .947},
		// One step of noise 1: Balle, Wang 2018 by GaussianDelta.
		{"not sampled", Claim{1, 1, 1e-5, nil, nil}, 1, 4.376, 4.378},
		// A row of the table of docs/accounting.md: 2,048 steps, 4 participations 512 apart.
		{"a tree", Claim{4.8, 1, 1e-5, &Tree{Participations: 4, Separation: 512}, nil}, 2048, 7.98, 8.02},
		{"nothing released", Claim{1, .1, 1e-5, nil, nil}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := c.claim.Epsilon(c.releases)
			if err != nil || e < c.low || e > c.high {
				t.Errorf("epsilon %g, %v, want %g to %g", e, err, c.low, c.high)
			}
		})
	}
	if _, err := (Claim{Noise: 1, Rate: 2, Delta: 1e-5}).Epsilon(1); err == nil {
		t.Error("rate 2: no error")
	}
	if _, err := (Claim{Noise: 1, Rate: 1, Delta: 2}).Epsilon(0); err == nil {
		t.Error("delta 2: no error")
	}
}

// A budget allows a release exactly if the claim after it is within the budget.
func TestClaimReleases(t *testing.T) {
	for _, c := range []struct {
		claim  Claim
		budget float64
		most   int
	}{
		{Claim{1.2, .1, 1e-5, nil, nil}, 3, 1000}, {Claim{2, 1, 1e-5, nil, nil}, 8, 1000}, {Claim{2, 1, 1e-5, nil, nil}, 8, 3}, {Claim{.5, 1, 1e-5, nil, nil}, .1, 10},
		{Claim{4, 1, 1e-5, &Tree{Participations: 4, Separation: 8}, nil}, 4, 1000}, {Claim{4, 1, 1e-5, &Tree{Participations: 1, Separation: 1}, nil}, 8, 1000},
		{Claim{1, .01, 1e-5, nil, nil}, math.Pi / 2, 1},
	} {
		n, err := c.claim.Releases(c.budget, c.most)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := c.claim.Epsilon(n)
		next, _ := c.claim.Epsilon(n + 1)
		if at > c.budget || n < c.most && next <= c.budget {
			t.Errorf("%v: %d releases within %g, which have epsilon %g, and one more %g", c.claim, n, c.budget, at, next)
		}
	}
	if _, err := (Claim{Noise: 1, Rate: 1, Delta: 1e-5}).Releases(math.Inf(1), 10); err == nil {
		t.Error("infinite budget: no error")
	}
}

//go:build !js

package ui

import (
	"math"
	"slices"
	"testing"
)

// The tab's own hold-out has a curve before and one after combining, in whatever order
// their figures come.
func TestOwnChart(t *testing.T) {
	p := ownTask(t, patients)
	c := Charts{p}
	if c.any() || c.ownSentence() != "" {
		t.Errorf("before training: %q, want nothing", c.ownSentence())
	}
	p.Join()
	p.OnReady("wasm-simd128")
	drawing := p.drawing
	for _, report := range []string{
		`{"connection": "joined", "before": 0.5, "beforeRound": 1}`,
		`{"connection": "joined", "before": 0.5, "beforeRound": 1, "after": 0.75, "afterVersion": 1}`,
		`{"connection": "joined", "before": 0.625, "beforeRound": 3, "after": 0.75, "afterVersion": 1}`,
		`{"connection": "joined", "before": 0.625, "beforeRound": 3, "after": 0.8, "afterVersion": 2}`,
	} {
		p.OnWorkerState(decode(t, report))
		p.OnWorkerState(decode(t, report)) // says the same again
	}
	if p.drawing != drawing+4 {
		t.Errorf("the charts are drawn %d times, want 4", p.drawing-drawing)
	}
	same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
	unknown := math.NaN()
	want := []holdout{{1, .5, .75}, {2, unknown, .8}, {3, .625, unknown}}
	if !slices.EqualFunc(p.own, want, func(a, b holdout) bool {
		return a.round == b.round && same(a.before, b.before) && same(a.after, b.after)
	}) {
		t.Errorf("%v, want %v", p.own, want)
	}
	if got, want := c.ownSentence(), "Round 1, on those of your examples that no model trains on: 50.00% before combining, 75.00% after."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for round := 4; round <= 3000; round++ {
		p.OnWorkerState(map[string]any{"connection": "joined", "before": .5, "beforeRound": float64(round)})
	}
	sorted := slices.IsSortedFunc(p.own, func(a, b holdout) int { return a.round - b.round })
	if n := len(p.own); n > maxHoldouts || p.own[n-1].round != 3000 || !sorted {
		t.Errorf("%d rounds are kept, the newest is %v", n, p.own[n-1])
	}
}

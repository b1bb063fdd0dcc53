//go:build !js

package ui

import (
	"slices"
	"testing"
)

// A model is tried once there is a version; the slider chooses among those that can be
// had, the oldest at its left end.
func TestTryVersions(t *testing.T) {
	p := shown(t)
	c := Try{p}
	if !c.canOpen() || c.ready() {
		t.Errorf("before: open %v, ready %v", c.canOpen(), c.ready())
	}
	p.Task.Version = 0
	if got, want := c.words(), "Once the first round is done, you can try here what the model has learned."; got != want || c.canOpen() {
		t.Errorf("without a version: %q, want %q", got, want)
	}
	p.Task.Version = 6
	p.OnTryLoaded(decode(t, `{"slot": "a", "task": "mnist-2nn", "run": "r1", "version": 5, "what": "picture", "classes": ["0", "1"], "width": 28, "height": 28}`))
	p.OnVersions(decode(t, `{"run": "r1", "versions": [{"version": 6, "test_accuracy": 0.94}, {"version": 5, "test_accuracy": 0.93}, {"version": 1}]}`))
	if !c.image() || c.table() || !c.slides() || c.position() != 1 || c.last() != 2 || !c.newer() {
		t.Errorf("image %v, table %v, slides %v at %d of %d, newer %v", c.image(), c.table(), c.slides(), c.position(), c.last(), c.newer())
	}
	if got, want := c.which(), "This is version 5 of the model: 93% right on test examples."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for position, want := range map[int]bool{0: true, 1: false, 2: true, 3: false, -1: false} {
		if got := p.AskVersion(position); got != want {
			t.Errorf("position %d: %v, want %v", position, got, want)
		}
	}
	p.OnTryFailed("No.")
	if !c.ready() || p.Try.Why != "No." {
		t.Errorf("a model that answers is gone after trouble with another: %+v", p.Try)
	}
	p.Select("other")
	if p.Try.Step != TryClosed {
		t.Error("another task shows the model of this one")
	}
}

// Signs can be drawn, other things cannot; own pictures as the task says.
func TestDrawn(t *testing.T) {
	p := shown(t)
	for _, c := range []struct {
		names []string
		want  bool
	}{{[]string{"0", "1"}, true}, {[]string{"shirt", "coat"}, false}, {nil, false}} {
		if p.Task.Data.ClassNames = c.names; p.Drawn() != c.want {
			t.Errorf("%v: %v, want %v", c.names, p.Drawn(), c.want)
		}
	}
}

// The most frequent mistakes are said, by share of the class.
func TestMistakes(t *testing.T) {
	p := shown(t)
	p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "evaluation": {"version": 6, "examples": 1100,
		"classes": [{"name": "4"}, {"name": "9"}, {"name": "7"}], "confusion": [[97, 3, 0], [0, 1000, 0], [2, 4, 990]]}}`))
	want := []string{"4 is taken for 9 in 3 of 100", "7 is taken for 9 in 4 of 1,000", "7 is taken for 4 in 2 of 1,000"}
	if got := (&Try{p}).mistakeWords(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	p.OnConfusion(decode(t, `{"version": 6, "examples": 20, "classes": ["4", "9"], "matrix": [[9, 1], [0, 10]]}`))
	want = []string{"4 is taken for 9 in 1 of 10"}
	if got := (&Try{p}).mistakeWords(); !slices.Equal(got, want) {
		t.Errorf("with a hold-out of its own %q, want %q", got, want)
	}
	if got, want := (&Try{p}).mistakeTitle(), "What it mixes up in 20 examples of yours that it did not learn from"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

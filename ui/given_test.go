//go:build !js

package ui

import (
	"strings"
	"testing"
)

// The tab asks once for pictures of what it was given, when it has all of it, and names
// their classes.
func TestGiven(t *testing.T) {
	p := shown(t)
	c := Given{p}
	none := "You need not bring anything: the coordinator hands out examples to learn from."
	if got := c.words(); got != none || c.walled() || p.wantsWall() {
		t.Errorf("before: %q, walled %v, asks %v", got, c.walled(), p.wantsWall())
	}
	p.Join()
	p.OnReady("wasm-simd128")
	for _, s := range []struct {
		report string
		want   bool
	}{
		{`{"connection": "joined", "activity": "downloading", "shards": 1, "shardsTotal": 3, "examples": 5000}`, false},
		{`{"connection": "joined", "activity": "training", "shards": 1, "shardsTotal": 3, "examples": 5000}`, true},
		{`{"connection": "joined", "activity": "waiting", "shards": 3, "shardsTotal": 3, "examples": 15000}`, true},
	} {
		if p.OnWorkerState(decode(t, s.report)); p.wantsWall() != s.want {
			t.Errorf("%s: asks %v, want %v", s.report, p.wantsWall(), s.want)
		}
	}
	p.Wall = Wall{Asked: true, Labels: []int{7, 0, 7}}
	p.Task.Data.ClassNames = []string{"zero", "one", "two", "three", "four", "five", "six", "seven"}
	if got, want := c.words(), "The coordinator has handed this tab 15,000 examples. These are some of them:"; got != want || p.wantsWall() {
		t.Errorf("%q, asks again %v, want %q", got, p.wantsWall(), want)
	}
	opening, _ := tag(t, render(t, p), "given-wall")
	if want := `aria-label="3 pictures of zero and seven"`; !strings.Contains(opening, want) || strings.Contains(opening, "hidden") {
		t.Errorf("the wall is %s, want %s", opening, want)
	}
	p.OnGone()
	if got := c.words(); got != none || c.walled() {
		t.Errorf("after: %q, walled %v", got, c.walled())
	}
}

// Of a table the columns are named.
func TestGivenColumns(t *testing.T) {
	p := shown(t)
	p.Task.Data.Columns = []string{"age", "pulse"}
	p.Join()
	p.OnReady("wasm-simd128")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "training", "shards": 1, "shardsTotal": 1, "examples": 1}`))
	want := "The coordinator has handed this tab 1 example. Each is a row with age and pulse."
	if got := (&Given{p}).words(); got != want || p.wantsWall() {
		t.Errorf("%q, asks for pictures %v, want %q", got, p.wantsWall(), want)
	}
}

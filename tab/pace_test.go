package tab

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

func TestPace(t *testing.T) {
	for _, c := range []struct {
		name    string
		percent int // 0: never set
		worked  time.Duration
		want    time.Duration
	}{
		{"never set", 0, 20 * ms, 0},
		{"all the time", 100, 20 * ms, 0},
		{"half", 50, 20 * ms, 20 * ms},
		{"a tenth", 10, 20 * ms, 180 * ms},
		{"too short a rest waits", 90, 20 * ms, 0},
		{"below the smallest", 1, 20 * ms, 180 * ms},
		{"negative", -5, 20 * ms, 180 * ms},
		{"above all", 1000, 20 * ms, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Pace
			if c.percent != 0 {
				p.Set(c.percent)
			}
			if got := p.Worked(c.worked); got != c.want {
				t.Errorf("rests %v, want %v", got, c.want)
			}
		})
	}
}

// Whatever slices take, and however inexactly a browser rests, the share of the time
// comes out.
func TestPaceKeepsItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent := rapid.IntRange(MinEffort, 99).Draw(t, "percent")
		var p Pace
		p.Set(percent)
		var worked, rested time.Duration
		for range 2000 {
			took := time.Duration(rapid.IntRange(5, 30).Draw(t, "slice")) * ms
			worked += took
			if rest := p.Worked(took); rest > 0 {
				rest += time.Duration(rapid.IntRange(0, 5).Draw(t, "late")) * ms
				p.Rested(rest)
				rested += rest
			}
		}
		if got := 100 * worked.Seconds() / (worked + rested).Seconds(); got < float64(percent)-1 || got > float64(percent)+1 {
			t.Errorf("trained %.1f%% of the time, want %d%%", got, percent)
		}
	})
}

// A long time without work is no credit for hours without rest, and a greater effort
// begins at once.
func TestPaceCredit(t *testing.T) {
	var p Pace
	p.Set(50)
	p.Rested(time.Hour)
	var worked time.Duration
	for p.Worked(20*ms) == 0 {
		if worked += 20 * ms; worked > time.Second {
			t.Fatal("no rest after a second of work")
		}
	}
	p.Set(100)
	if got := p.Worked(time.Hour); got != 0 {
		t.Errorf("rests %v at 100%%", got)
	}
	p.Set(90)
	if got := p.Worked(20 * ms); got != 0 {
		t.Errorf("rests %v of an earlier effort", got)
	}
}

package simulate

import "testing"

// Every reference codec trains, and takes the bits that it should, small messages
// included.
func TestReferenceCodecs(t *testing.T) {
	for _, c := range []struct {
		codec, bits string
		most        float64 // bits up for a parameter
		least       float64 // accuracy after 3 rounds
	}{
		{"qsgd", "2", .4, .85},
		{"qsgd", "8", 4.7, .87},
		{"qsgd-max", "4", 2.7, .87},
		{"topk", "1.1", 1.15, .85},
		{"ternary", ".34", .37, .85},
		{"signsgd", "", 1.03, .8},
	} {
		t.Run(c.codec+c.bits, func(t *testing.T) {
			sets := []string{"stop.rounds=3", "stop.accuracy=", "compress.up.codec=" + c.codec}
			if c.bits != "" {
				sets = append(sets, "compress.up.bits="+c.bits)
			}
			res := simulated(t, sets...)
			if got := *res.Final.BitsUp; got > c.most {
				t.Errorf("%.3f bits up, want at most %v", got, c.most)
			}
			if got := *res.Final.TestAccuracy; got < c.least {
				t.Errorf("accuracy %.4f, want at least %v", got, c.least)
			}
		})
	}
}

// Adversaries that look at what honest clients send read reference codecs, and the
// coordinator takes every answer.
func TestReferenceCodecsAndAdversaries(t *testing.T) {
	res := simulated(t, "stop.rounds=2", "stop.accuracy=", "compress.up.codec=ternary", "adversaries={kind: little-is-enough, fraction: 0.2}")
	if got := res.Rounds[1].ModelsUp; got != 10 {
		t.Errorf("%d models in round 2, want 10", got)
	}
}

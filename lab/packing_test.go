package lab

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fedtab/compress"
	"fedtab/protocol"
)

// packing opens the page of packing, with all computed.
func packing(query string) *packingPage {
	return settle(Find("packing").Open(query)).page.(*packingPage)
}

// What the page shows of an update is what the product's codec makes of it: the size of its
// block, the levels that decode, and their error.
func TestPackingIsTheCodecs(t *testing.T) {
	for number, id := range packingCodecs {
		for _, bits := range []float64{.1, .9, 4} {
			p := packing(fmt.Sprintf("codec=%d&bits=%g&round=3&seed=2", number, bits))
			codec, update := codecOf(id), p.updates[2]
			o := compress.Options{Bits: bits, Seed: compress.DitherSeed(2, 0, 3, 0)}
			block, err := codec.NewEncoder(compress.TensorsOf(p.model.Layout())).Append(nil, update, o)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]float32, len(update))
			if err := compress.DecodeWith(codec.NewDecoder(), want, block, o); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s at %g bits", codec.Name, bits)
			if got, want := p.shown.bits, 8*float64(len(block))/float64(len(update)); got != want {
				t.Errorf("%s: %g bits, want %g, as packed", name, got, want)
			}
			var square, lost float64
			counts := map[float32]int{}
			for i, x := range update {
				square += float64(x) * float64(x)
				lost += math.Pow(float64(x)-float64(want[i]), 2)
				counts[want[i]]++
			}
			if got, want := p.shown.nmse, lost/square; math.Abs(got-want) > 1e-9*want {
				t.Errorf("%s: NMSE %g, want %g", name, got, want)
			}
			unit := math.Sqrt(square / float64(len(update)))
			if len(p.shown.levels) != len(counts) {
				t.Errorf("%s: %d levels, want the %d that decode", name, len(p.shown.levels), len(counts))
			}
			for x, n := range counts {
				if !slices.ContainsFunc(p.shown.levels, func(l level) bool {
					return l.count == n && math.Abs(l.value-float64(x)/unit) < 1e-9
				}) {
					t.Errorf("%s: no level for the %d parameters that are decoded as %g", name, n, x)
					break
				}
			}
			for _, bars := range [][]int{p.shown.before, p.shown.after} {
				total := 0
				for _, n := range bars {
					total += n
				}
				if total != len(update) {
					t.Errorf("%s: the histogram has %d parameters, want %d", name, total, len(update))
				}
			}
		}
	}
}

// More bits make a larger block and a smaller error, with both codecs, early and late.
func TestErrorFallsWithBits(t *testing.T) {
	for _, query := range []string{"", "round=1", "round=40", "seed=2", "seed=3&round=20"} {
		p := packing(query)
		for i, curve := range p.rates {
			if len(curve) != len(packingRates) {
				t.Errorf("%q: %s has %d rates, want %d", query, rated[i], len(curve), len(packingRates))
			}
			for k, at := range curve[1:] {
				if before := curve[k]; at.X <= before.X || at.Y >= before.Y {
					t.Errorf("%q: %s has NMSE %g at %g bits, after %g at %g", query, rated[i], at.Y, at.X, before.Y, before.X)
				}
			}
		}
	}
}

// Feedback brings back what deadzone loses, at every rate, and does harm to dither where that
// has few bits: as the page says.
func TestFeedback(t *testing.T) {
	for _, c := range []struct {
		codec     protocol.Codec
		bits      float64
		low, high float64 // of what is missing without feedback, as a multiple of that with it
	}{
		{protocol.CodecDeadzone, .1, 1.5, 100},
		{protocol.CodecDeadzone, .3, 10, 1e4},
		{protocol.CodecDeadzone, .9, 100, 1e6},
		{protocol.CodecDeadzone, 2, 100, 1e6},
		{protocol.CodecDeadzone, 8, 100, 1e6},
		{protocol.CodecDither, .1, .01, .9},
		{protocol.CodecDither, .5, .01, .9},
		{protocol.CodecDither, 2, 100, 1e6},
		{protocol.CodecFloat16, .1, 100, 1e6},
	} {
		for seed := range 3 {
			p := packing(fmt.Sprintf("codec=%d&bits=%g&seed=%d", slices.Index(packingCodecs, c.codec), c.bits, seed+1))
			without, with := p.sent[0].left[packingRounds-1], p.sent[1].left[packingRounds-1]
			if got := without / with; !(got >= c.low && got <= c.high) {
				t.Errorf("%s, %g bits, seed %d: without feedback %g is missing, with it %g: %.3g times, want %g to %g", c.codec, c.bits, seed+1, without, with, got, c.low, c.high)
			}
			if p.sent[0].left[0] != p.sent[1].left[0] {
				t.Errorf("%s, %g bits: feedback has changed the first update", c.codec, c.bits)
			}
		}
	}
	for _, s := range packing("codec=0").sent {
		if slices.Max(s.left) != 0 {
			t.Errorf("float32 has lost %g", slices.Max(s.left))
		}
	}
}

// Training that diverges ends the computation, and the page says so.
func TestPackingDiverges(t *testing.T) {
	m := Find("packing").Open("step=3")
	m.page.(*packingPage).params[0] = float32(math.NaN())
	v := settle(m).Draw(nil)
	for _, name := range []string{"pack", "feedback"} {
		if want := (Text{name, v.say("lab.mix.diverged")}); !slices.Contains(v.Texts, want) {
			t.Errorf("%s does not say %q", name, want.Text)
		}
	}
}

// The texts of the page have numbers in them: they are what the page shows.
func TestPackingSays(t *testing.T) {
	if n := packing("").model.Layout().Size; n != 4482 {
		t.Errorf("the network has %d parameters, want 4,482 as the page says", n)
	}
	first, last := packing("round=1").shown, packing("round=40").shown
	if a, b := len(first.levels), len(last.levels); a > 2*b || b > 2*a {
		t.Errorf("%d levels in round 1, %d in round 40, want about as many", a, b)
	}
	sent := packing("bits=0.3").sent
	if a, b := sent[0].left[packingRounds-1], sent[1].left[packingRounds-1]; a < .15 || a > .25 || b > .02 {
		t.Errorf("at 0.3 bits %g is missing without feedback, %g with it, want about a fifth and hardly anything", a, b)
	}
	for x, want := range map[float64]string{0: "0", 5.02e-8: "5 · 10⁻⁸", 9.96e-5: "10⁻⁴", 1e-12: "< 10⁻⁹", .0042: "0.004", 12.34: "12.3"} {
		if got := ratio(nil, x); got != want {
			t.Errorf("%g is written %q, want %q", x, got, want)
		}
	}
}

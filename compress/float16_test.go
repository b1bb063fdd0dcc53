package compress

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// halves returns the value of every finite binary16, by definition.
func halves() []float64 {
	v := make([]float64, 0, 1<<16)
	for h := range 1 << 16 {
		e, f := h>>10&31, float64(h&1023)
		x := math.Ldexp(1024+f, e-25)
		switch e {
		case 0:
			x = math.Ldexp(f, -24)
		case 31:
			x = math.Inf(1)
		}
		if h>>15 != 0 {
			x = -x
		}
		v = append(v, x)
	}
	return v
}

func TestHalvesRoundTrip(t *testing.T) {
	for h, x := range halves() {
		if math.IsInf(x, 0) {
			continue
		}
		if got := halfValue(uint16(h)); float64(got) != x || math.Signbit(float64(got)) != math.Signbit(x) {
			t.Fatalf("%#04x is %g, want %g", h, got, x)
		}
		if got := halfOf(float32(x)); got != uint16(h) {
			t.Fatalf("%g is %#04x, want %#04x", x, got, h)
		}
	}
}

// Every value goes to the nearest, and from the middle to the even one.
func TestHalvesAreNearest(t *testing.T) {
	v := halves()
	check := func(t interface{ Fatalf(string, ...any) }, x float32) {
		h := halfOf(x)
		got := math.Abs(float64(x) - v[h])
		for _, other := range []uint16{h - 1, h + 1} {
			if other>>15 != h>>15 || math.IsInf(v[other], 0) {
				continue
			}
			if d := math.Abs(float64(x) - v[other]); d < got || d == got && h&1 != 0 {
				t.Fatalf("%g goes to %g, want %g", x, v[h], v[other])
			}
		}
	}
	for h := range uint16(0x7bff) { // the middle between neighbours, and beside it
		m := float32((v[h] + v[h+1]) / 2)
		check(t, m)
		check(t, math.Nextafter32(m, 0))
		check(t, -math.Nextafter32(m, 1e9))
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.Float32Range(-65504, 65504).Draw(t, "x")) })
}

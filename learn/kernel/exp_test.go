package kernel

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// ulps fails if got is further than some units in the last place from want.
func ulps(t *testing.T, what string, x, got, want float64, units float64) {
	t.Helper()
	if got == want || math.IsNaN(got) && math.IsNaN(want) {
		return
	}
	if !(math.Abs(got-want) <= units*math.Abs(math.Nextafter(want, math.Inf(1))-want)) {
		t.Errorf("%s(%v) is %v, want %v", what, x, got, want)
	}
}

func TestExpAndLog(t *testing.T) {
	units := 2.
	if runtime.GOARCH == "wasm" {
		units = 0 // math has no assembly there
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		x := (2*r.Float64() - 1) * math.Pow(10, 3*r.Float64()-1)
		ulps(t, "exp", x, Exp(x), math.Exp(x), units)
		ulps(t, "exp", x*1e-16, Exp(x*1e-16), math.Exp(x*1e-16), units)
		y := math.Exp(40 * r.NormFloat64())
		ulps(t, "log", y, Log(y), math.Log(y), units)
		ulps(t, "log1p", y, Log1p(y), math.Log1p(y), 4)
	}
	for _, x := range []float64{0, math.Copysign(0, -1), 1, -1, 709.79, -745.14, math.MaxFloat64, -math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		ulps(t, "exp", x, Exp(x), math.Exp(x), 2)
		ulps(t, "log", x, Log(x), math.Log(x), 2)
		if x >= 0 {
			ulps(t, "log1p", x, Log1p(x), math.Log1p(x), 4)
		}
	}
	// Where package math of some processors is wrong.
	ulps(t, "exp", 709.78, Exp(709.78), 1.7928227943945155e+308, 1)
	ulps(t, "exp", -745.13, Exp(-745.13), 5e-324, 0)
	ulps(t, "log", 5e-324, Log(5e-324), -744.4400719213812, 1)
	// Values of another implementation (the C library's).
	for x, want := range map[float64]uint64{1: 0x4005bf0a8b145769, -2.5: 0x3fb50385c094f425, .1: 0x3ff1aec7b35a00d4} {
		ulps(t, "exp", x, Exp(x), math.Float64frombits(want), 1)
	}
}

func BenchmarkExp(b *testing.B) {
	sum := 0.
	for b.Loop() {
		for i := range 1000 {
			sum += Exp(-float64(i) / 100)
		}
	}
	if sum == 0 {
		b.Fatal("nothing is summed")
	}
}

package kernel

import "math"

// Exp, Log and Log1p are those of package math but for the last bit: math's are assembly on
// some processors, and round otherwise there than in a browser. These are the same everywhere,
// so that a loss is, and the same as math's in a browser, whose kernel modules compute them too.
// The polynomials are those of FDLIBM (Sun Microsystems, 1993), e_exp.c and e_log.c, with 1/6
// as the first coefficient of the former, as package math has it. Conversions keep the compiler
// from fusing a product with a sum.

const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// Exp returns e to the power of x, to within one unit in the last place.
func Exp(x float64) float64 {
	switch {
	case math.IsNaN(x) || x > 709.782712893383973096:
		return x + math.Inf(1) // NaN stays NaN
	case x < -745.133219101941108420:
		return 0
	case math.Abs(x) < 1./(1<<28):
		return 1 + x
	}
	k := math.Trunc(float64(math.Log2E*x) + math.Copysign(.5, x))
	high := x - float64(k*ln2High)
	low := float64(k * ln2Low)
	r := high - low
	t := float64(r * r)
	c := r - float64(t*(1.66666666666666657415e-01+float64(t*(-2.77777777770155933842e-03+float64(t*(6.61375632143793436117e-05+float64(t*(-1.65339022054652515390e-06+float64(t*4.13813679705723846039e-08)))))))))
	y := 1 - ((low - float64(r*c)/(2-c)) - high)
	return math.Ldexp(y, int(k))
}

// Log returns the natural logarithm of x, to within one unit in the last place.
func Log(x float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	f, exponent := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f *= 2
		exponent--
	}
	f--
	k := float64(exponent)
	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	odd := float64(s2 * (6.666666666666735130e-01 + float64(s4*(2.857142874366239149e-01+float64(s4*(1.818357216161805012e-01+float64(s4*1.479819860511658591e-01)))))))
	even := float64(s4 * (3.999999999940941908e-01 + float64(s4*(2.222219843214978396e-01+float64(s4*1.531383769920937332e-01)))))
	half := float64(0.5 * float64(f*f))
	return float64(k*ln2High) - ((half - (float64(s*(half+(odd+even))) + float64(k*ln2Low))) - f)
}

// Log1p returns the logarithm of 1 + x for x >= 0, also where x is tiny.
func Log1p(x float64) float64 {
	u := 1 + x
	if u == 1 || math.IsInf(u, 1) {
		return x
	}
	// What 1 + x loses of x is made good by the quotient (Kahan).
	return float64(Log(u) * (x / (u - 1)))
}

package module

// Two lanes of 64 bits.
func dadd(a, b expr) expr { return simd(0xf0, a, b) }
func dsub(a, b expr) expr { return simd(0xf1, a, b) }
func dmul(a, b expr) expr { return simd(0xf2, a, b) }
func ddiv(a, b expr) expr { return simd(0xf3, a, b) }

// exps is kernel.scalarExps, with a place for the exponentials, by pairs.
func exps(m *functions) {
	f := m.function("exps")
	f.results = []byte{typeF64}
	dst, z, n, max := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeF32)
	end, sum, pair := f.variable(typeI32), f.variable(typeF64), f.variable(typeV128)
	whole := func() expr { return below(add(z.get(), i32(4)), end.get()) } // two are left
	next := func(lane64 byte) { f.set(sum, op(0xa0, sum.get(), lane(0x21, lane64, pair.get()))) }
	f.set(end, add(z.get(), shl(n.get(), 2)))
	f.upTo(z, end.get(), i32(8), func() {
		f.either(whole(), func() { f.set(pair, from(simd(0x5d, z.get()), 0)) }, func() { f.set(pair, from(simd(0x5c, z.get()), 0)) })
		f.exponential(pair, simd(0x5f, vsub(pair.get(), splat(max.get())))) // as float64
		next(0)
		f.either(whole(), func() {
			next(1)
			f.do(append(from(simd(0x5b, dst.get(), simd(0x5e, pair.get())), 0), 0)) // both, as float32
		}, func() {
			f.storeF32(dst.get(), 0, lane(0x1f, 0, simd(0x5e, pair.get())))
		})
		f.step(dst, 8)
	})
	f.give(sum.get())
}

// exponential sets e to the exponentials of x, which is at most 0, with the bits of Go's
// math.Exp (FreeBSD's e_exp.c). Only those below the normal numbers are too large: float32
// takes them for 0, and a sum with exp(0) does not change by them.
//
//	k := trunc(x/ln 2 - 1/2)
//	hi, lo := x - k*ln2Hi, k*ln2Lo
//	r := hi - lo
//	t := r * r
//	c := r - t*(p1 + t*(p2 + t*(p3 + t*(p4 + t*p5))))
//	e := (1 - ((lo - r*c/(2-c)) - hi)) * 2^k // 1 + x above -2^-28
func (f *function) exponential(e local, of expr) {
	const (
		ln2Hi, ln2Lo, log2e = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700e+00
		p1, p2, p3          = 1.66666666666666657415e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05
		p4, p5              = -1.65339022054652515390e-06, 4.13813679705723846039e-08

		least = -708         // of the normal ones
		shift = 3<<51 + 1023 // added to k, it leaves the exponent of 2^k in the lowest bits
		small = -1.0 / (1 << 28)
	)
	vs := f.several(7, typeV128)
	x, k, hi, lo, r, t, c := vs[0], vs[1], vs[2], vs[3], vs[4], vs[5], vs[6]
	f.set(x, simd(0xf7, of, f64x2(least))) // NaN stays
	f.set(k, simd(0x7a, dsub(dmul(x.get(), f64x2(log2e)), f64x2(.5))))
	f.set(hi, dsub(x.get(), dmul(k.get(), f64x2(ln2Hi))))
	f.set(lo, dmul(k.get(), f64x2(ln2Lo)))
	f.set(r, dsub(hi.get(), lo.get()))
	f.set(t, dmul(r.get(), r.get()))
	sum := f64x2(p5)
	for _, p := range []float64{p4, p3, p2, p1} {
		sum = dadd(f64x2(p), dmul(t.get(), sum))
	}
	f.set(c, dsub(r.get(), dmul(t.get(), sum)))
	y := dsub(f64x2(1), dsub(dsub(lo.get(), ddiv(dmul(r.get(), c.get()), dsub(f64x2(2), c.get()))), hi.get()))
	power := simd(0xcb, dadd(k.get(), f64x2(shift)), i32(52))
	f.set(e, simd(0x52, dadd(f64x2(1), x.get()), dmul(y, power), simd(0x4a, x.get(), f64x2(small))))
}

package module

// vectors adds the loops along vectors to m.
func (v flavour) vectors(m *functions) {
	count(m)
	v.columnSums(m)
	elementwise(m, "backReLU", 2, false, func(p []local, _ local, at func(local) expr) expr {
		return vand(at(p[0]), simd(0x44, at(p[1]), v128(0))) // dx where y > 0
	})
	elementwise(m, "axpy", 2, true, func(p []local, alpha local, at func(local) expr) expr {
		return v.madd(at(p[0]), at(p[1]), alpha.get())
	})
	elementwise(m, "scale", 1, true, func(p []local, alpha local, at func(local) expr) expr {
		return vmul(at(p[0]), alpha.get())
	})
	elementwise(m, "sub", 3, false, func(p []local, _ local, at func(local) expr) expr {
		return vsub(at(p[1]), at(p[2]))
	})
}

// count returns how many of n elements of x are not 0.
func count(m *functions) {
	f := m.function("count")
	f.results = []byte{typeI32}
	x, n := f.param(typeI32), f.param(typeI32)
	end, total, sum := f.variable(typeI32), f.variable(typeI32), f.variable(typeV128)
	f.set(end, add(x.get(), shl(and(n.get(), i32(-4)), 2)))
	f.upTo(x, end.get(), i32(16), func() {
		f.set(sum, simd(0xb1, sum.get(), nonzero(load(x.get(), 0)))) // a lane of all bits is -1
	})
	f.set(end, add(x.get(), shl(and(n.get(), i32(3)), 2)))
	f.upTo(x, end.get(), i32(4), func() {
		f.set(total, add(total.get(), op(0x5c, loadF32(x.get(), 0), f32(0))))
	})
	for i := range byte(4) {
		f.set(total, add(total.get(), lane(0x1b, i, sum.get())))
	}
	f.give(total.get())
}

// elementwise adds a loop along vectors of n elements, which are the function's
// parameters with n and, if it is scaled, a factor. The first one gets what one gives.
func elementwise(m *functions, name string, vectors int, scaled bool, one func(p []local, alpha local, at func(local) expr) expr) {
	f := m.function(name)
	p := make([]local, vectors)
	for i := range p {
		p[i] = f.param(typeI32)
	}
	n := f.param(typeI32)
	var alpha, factor local
	if scaled {
		alpha = f.param(typeF32)
		factor = f.variable(typeV128)
		f.set(factor, splat(alpha.get()))
	}
	end := f.variable(typeI32)
	loop := func(until expr, lanes int, store func(v expr), at func(local) expr) {
		f.set(end, add(p[0].get(), shl(until, 2)))
		f.upTo(p[0], end.get(), i32(4*lanes), func() {
			store(one(p, factor, at))
			for _, other := range p[1:] {
				f.step(other, 4*lanes)
			}
		})
	}
	loop(and(n.get(), i32(-4)), 4, func(v expr) { f.store(p[0].get(), 0, v) }, func(l local) expr { return load(l.get(), 0) })
	loop(and(n.get(), i32(3)), 1, func(v expr) {
		f.storeF32(p[0].get(), 0, lane(0x1f, 0, v))
	}, func(l local) expr { return from(simd(0x5c, l.get()), 0) }) // one element, and zeros
}

// columnSums is kernel.AddColumnSums.
func (v flavour) columnSums(m *functions) {
	f := m.function("addColumnSums")
	b, alpha, dy, rows, out := f.param(typeI32), f.param(typeF32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	at, left, apart, sum := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeF32)
	sums := f.several(4, typeV128)
	f.set(apart, shl(out.get(), 2))
	f.set(rows, mul(rows.get(), apart.get()))
	block := func(vectors int) {
		size := 4 * vectors
		f.when(below(i32(size-1), out.get()), func() {
			f.repeat(func() {
				for _, s := range sums[:vectors] {
					f.set(s, v128(0))
				}
				f.set(at, dy.get())
				f.set(left, add(at.get(), rows.get()))
				f.upTo(at, left.get(), apart.get(), func() {
					for j, s := range sums[:vectors] {
						f.set(s, vadd(s.get(), load(at.get(), 16*j)))
					}
				})
				for j, s := range sums[:vectors] {
					f.store(b.get(), 16*j, v.madd(load(b.get(), 16*j), s.get(), splat(alpha.get())))
				}
				f.step(b, 4*size)
				f.step(dy, 4*size)
				f.step(out, -size)
			}, below(i32(size-1), out.get()))
		})
	}
	block(4)
	block(1)
	f.when(out.get(), func() {
		f.repeat(func() {
			f.set(sum, f32(0))
			f.set(at, dy.get())
			f.set(left, add(at.get(), rows.get()))
			f.upTo(at, left.get(), apart.get(), func() { f.set(sum, op(0x92, sum.get(), loadF32(at.get(), 0))) })
			f.storeF32(b.get(), 0, op(0x92, loadF32(b.get(), 0), op(0x94, alpha.get(), sum.get())))
			f.step(b, 4)
			f.step(dy, 4)
			f.step(out, -1)
		}, out.get())
	})
}

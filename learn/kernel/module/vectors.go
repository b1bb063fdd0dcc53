package module

// vectors adds the loops along vectors to m.
func (v flavour) vectors(m *functions) {
	count(m)
	lookup(m)
	v.columnSums(m)
	exps(m)
	elementwise(m, "backReLU", 2, 0, func(l *loop) {
		l.put(0, vand(l.at(0), simd(0x44, l.at(1), v128(0)))) // dx where y > 0
	})
	elementwise(m, "axpy", 2, 1, func(l *loop) { l.put(0, v.madd(l.at(0), l.at(1), l.factor(0))) })
	elementwise(m, "scale", 1, 1, func(l *loop) { l.put(0, vmul(l.at(0), l.factor(0))) })
	elementwise(m, "sub", 3, 0, func(l *loop) { l.put(0, vsub(l.at(1), l.at(2))) })
	optimisers(m)
}

// optimisers adds the steps of the optimisers: of parameters 0 with state and, last, the
// gradient.
func optimisers(m *functions) {
	elementwise(m, "momentum", 3, 2, func(l *loop) {
		velocity := l.keep(vadd(vmul(l.factor(0), l.at(1)), l.at(2)))
		l.put(1, velocity)
		l.put(0, vsub(l.at(0), vmul(l.factor(1), velocity)))
	})
	elementwise(m, "nesterov", 3, 2, func(l *loop) {
		velocity := l.keep(vadd(vmul(l.factor(0), l.at(1)), l.at(2)))
		l.put(1, velocity)
		l.put(0, vsub(l.at(0), vmul(l.factor(1), vadd(l.at(2), vmul(l.factor(0), velocity)))))
	})
	elementwise(m, "adam", 4, 7, func(l *loop) {
		b1, rest1, b2, rest2, rate, epsilon, decay := l.factor(0), l.factor(1), l.factor(2), l.factor(3), l.factor(4), l.factor(5), l.factor(6)
		first := l.keep(vadd(vmul(b1, l.at(1)), vmul(rest1, l.at(3))))
		second := l.keep(vadd(vmul(b2, l.at(2)), vmul(vmul(rest2, l.at(3)), l.at(3))))
		l.put(1, first)
		l.put(2, second)
		root := simd(0xe3, second)
		l.put(0, vsub(vmul(decay, l.at(0)), simd(0xe7, vmul(rate, first), vadd(root, epsilon))))
	})
}

// count returns how many of n elements of x are not 0.
func count(m *functions) {
	f := m.function("count")
	f.results = []byte{typeI32}
	x, n := f.param(typeI32), f.param(typeI32)
	end, total, sum, zero := f.variable(typeI32), f.variable(typeI32), f.variable(typeV128), f.variable(typeV128)
	f.set(end, add(x.get(), shl(and(n.get(), i32(-4)), 2)))
	f.upTo(x, end.get(), i32(16), func() {
		f.set(sum, simd(0xb1, sum.get(), nonzero(load(x.get(), 0), zero))) // a lane of all bits is -1
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

// loop is what a loop along vectors does with four elements of each, or with one.
type loop struct {
	f       *function
	vectors []local
	factors []local
	temps   []local
	kept    int
	sums    []local // of squares
	whole   bool
}

// at reads a vector.
func (l *loop) at(i int) expr {
	if l.whole {
		return load(l.vectors[i].get(), 0)
	}
	return from(simd(0x5c, l.vectors[i].get()), 0) // one element, and zeros
}

// put writes a vector.
func (l *loop) put(i int, v expr) {
	if l.whole {
		l.f.store(l.vectors[i].get(), 0, v)
		return
	}
	l.f.storeF32(l.vectors[i].get(), 0, lane(0x1f, 0, v))
}

// factor is a factor, in every lane.
func (l *loop) factor(i int) expr { return l.factors[i].get() }

// keep computes v once, for several uses.
func (l *loop) keep(v expr) expr {
	l.f.set(l.temps[l.kept], v)
	l.kept++
	return l.temps[l.kept-1].get()
}

// square adds the squares of v to the sums, in lanes of 64 bits.
func (l *loop) square(v expr) {
	v = l.keep(v)
	for h, half := range []expr{v, shuffle(v, v, [4]byte{2, 3, 2, 3})} {
		l.f.set(l.temps[1], simd(0x5f, half))
		l.f.set(l.sums[h], dadd(dmul(l.temps[1].get(), l.temps[1].get()), l.sums[h].get()))
	}
}

// giveSquares makes the sum of the sums the function's result.
func (l *loop) giveSquares() {
	l.f.results = []byte{typeF64}
	var sum expr
	for i, s := range []local{l.sums[0], l.sums[0], l.sums[1], l.sums[1]} {
		if one := lane(0x21, byte(i%2), s.get()); i == 0 {
			sum = one
		} else {
			sum = op(0xa0, sum, one)
		}
	}
	l.f.give(sum)
}

// elementwise adds a loop along vectors of n elements, which are the function's
// parameters with n and some factors.
func elementwise(m *functions, name string, vectors, factors int, body func(l *loop)) *loop {
	f := m.function(name)
	l := &loop{f: f}
	for range vectors {
		l.vectors = append(l.vectors, f.param(typeI32))
	}
	n := f.param(typeI32)
	var given []local
	for range factors {
		given = append(given, f.param(typeF32))
	}
	end := f.variable(typeI32)
	l.factors, l.temps, l.sums = f.several(factors, typeV128), f.several(2, typeV128), f.several(2, typeV128)
	for i, g := range given {
		f.set(l.factors[i], splat(g.get()))
	}
	for _, lanes := range []int{4, 1} {
		l.whole = lanes == 4
		count := and(n.get(), i32(3))
		if l.whole {
			count = and(n.get(), i32(-4))
		}
		f.set(end, add(l.vectors[0].get(), shl(count, 2)))
		f.upTo(l.vectors[0], end.get(), i32(4*lanes), func() {
			l.kept = 0
			body(l)
			for _, other := range l.vectors[1:] {
				f.step(other, 4*lanes)
			}
		})
	}
	return l
}

// lookup maps n bytes by a table of 256 elements.
func lookup(m *functions) {
	f := m.function("lookup")
	dst, bytes, table, n := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	end := f.variable(typeI32)
	one := func(i int) {
		f.storeF32(dst.get(), 4*i, loadF32(add(table.get(), shl(loadU8(bytes.get(), i), 2)), 0))
	}
	for _, at := range []int{8, 1} {
		count := and(n.get(), i32(7))
		if at == 8 {
			count = and(n.get(), i32(-8))
		}
		f.set(end, add(bytes.get(), count))
		f.upTo(bytes, end.get(), i32(at), func() {
			for i := range at {
				one(i)
			}
			f.step(dst, 4*at)
		})
	}
}

// columnSums is kernel.AddColumnSums.
func (v flavour) columnSums(m *functions) {
	f := m.function("addColumnSums")
	b, alpha, dy, rows, out := f.param(typeI32), f.param(typeF32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	at, left, apart, sum := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeF32)
	sums, zero := f.several(4, typeV128), f.variable(typeV128)
	f.set(apart, shl(out.get(), 2))
	f.set(rows, mul(rows.get(), apart.get()))
	block := func(vectors int) {
		size := 4 * vectors
		f.when(below(i32(size-1), out.get()), func() {
			f.repeat(func() {
				for _, s := range sums[:vectors] {
					f.set(s, zero.get())
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

package module

// packing adds the loops of package compress to m. All have the bits of scalar Go, on both
// builds. Those of its entropy coder are in coding.go.
func packing(m *functions) {
	quantise(m)
	dither(m)
	elementwise(m, "addSquares", 2, 0, func(l *loop) {
		l.put(0, vadd(l.at(0), l.at(1)))
		l.square(l.at(1))
	}).giveSquares()
	elementwise(m, "subSquares", 2, 0, func(l *loop) {
		l.square(vsub(l.at(0), l.at(1)))
		l.put(0, l.temps[0].get())
	}).giveSquares()
	moveGrid(m)
	magnitudes(m)
	setFours(m)
	writeFours(m)
}

// maxDirect is kernel.MaxDirect.
const maxDirect = 63

// fromPair loads two elements, and zeros.
func fromPair(p expr, offset int) expr { return from(simd(0x5d, p), offset) }

// sixteens sets n symbols, at least 16: four of them at a time to what the body gives for
// the elements that lie offset bytes behind at. The last ones are computed twice where n
// is no multiple.
func (f *function) sixteens(symbols, n local, body func(at local, offset int) expr) {
	const size = 16
	i, last, at := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	four := f.several(4, typeV128)
	f.set(last, sub(n.get(), i32(size)))
	f.upTo(i, n.get(), i32(size), func() {
		f.when(below(last.get(), i.get()), func() { f.set(i, last.get()) })
		f.set(at, shl(i.get(), 2))
		for j, symbol := range four {
			f.set(symbol, body(at, 16*j))
		}
		half := func(j int) expr { return simd(0x85, four[j].get(), four[j+1].get()) } // as 16 bits
		f.store(add(symbols.get(), i.get()), 0, simd(0x66, half(0), half(2)))          // as 8 bits
	})
}

// quantise is kernel.Quantise for 16 elements and more.
func quantise(m *functions) {
	f := m.function("quantise")
	f.results = []byte{typeI32}
	symbols, x, n := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	factors := []local{f.param(typeF32), f.param(typeF32), f.param(typeF32)}
	given := f.several(3, typeV128)
	inverse, first, up := given[0], given[1], given[2]
	value, y, level, all := f.variable(typeV128), f.variable(typeV128), f.variable(typeV128), f.variable(typeV128)
	for j, g := range given {
		f.set(g, splat(factors[j].get()))
	}
	f.sixteens(symbols, n, func(at local, offset int) expr {
		f.set(value, load(add(x.get(), at.get()), offset))
		f.set(y, vmul(absolute(value.get()), inverse.get()))
		f.set(level, simd(0xf8, vadd(y.get(), up.get()))) // toward 0
		f.set(all, vor(level.get(), all.get()))
		sign := simd(0xac, value.get(), i32(31)) // -1 where x is negative
		return vand(simd(0xae, simd(0xab, level.get(), i32(1)), sign), simd(0x46, y.get(), first.get()))
	})
	f.give(simd(0x53, simd(0x3b, all.get(), simd(0x11, i32(maxDirect))))) // any above
}

// dither is kernel.Dither for 16 elements and more, in lanes of 64 bits.
func dither(m *functions) {
	f := m.function("dither")
	f.results = []byte{typeI32}
	symbols, x, u, n := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	factor := f.param(typeF64)
	inverse, half := f.variable(typeV128), f.variable(typeV128)
	level, symbol, largest := f.variable(typeV128), f.variable(typeV128), f.variable(typeV128)
	f.set(inverse, simd(0x14, factor.get()))
	f.set(half, f64x2(.5))
	f.sixteens(symbols, n, func(at local, offset int) expr {
		pair := func(p local, offset int) expr { return simd(0x5f, fromPair(add(p.get(), at.get()), offset)) }
		two := func(offset int) expr {
			sum := dadd(dadd(dmul(pair(x, offset), inverse.get()), pair(u, offset)), half.get())
			return simd(0xfc, simd(0x75, sum)) // rounded down, as whole numbers
		}
		f.set(level, shuffle(two(offset), two(offset+8), [4]byte{0, 1, 4, 5}))
		f.set(symbol, simd(0x51, simd(0xab, level.get(), i32(1)), simd(0xac, level.get(), i32(31))))
		f.set(largest, simd(0xb9, symbol.get(), largest.get()))
		return symbol.get()
	})
	f.give(simd(0x53, simd(0x3c, largest.get(), simd(0x11, i32(2*maxDirect))))) // any above
}

// moveGrid is the Move of kernel.Grid for whole fours, in lanes of 64 bits. It stops before
// a four that has a level beyond the limit.
func moveGrid(m *functions) {
	f := m.function("moveGrid")
	f.results = []byte{typeI32}
	p, base, levels, n := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	factors := []local{f.param(typeF64), f.param(typeF64), f.param(typeF64), f.param(typeF64)}
	i, end, within := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	given, from, level := f.several(4, typeV128), f.several(2, typeV128), f.several(2, typeV128)
	for j, g := range given {
		f.set(g, simd(0x14, factors[j].get()))
	}
	inverse, finer, step, limit := given[0].get(), given[1].get(), given[2].get(), given[3].get()
	f.set(end, shl(and(n.get(), i32(-4)), 2))
	f.when(end.get(), func() {
		f.loop(func() {
			pair := func(of local, h int) expr { return simd(0x5f, fromPair(add(of.get(), i.get()), 8*h)) }
			f.set(within, i32(1))
			for h := range level {
				f.set(from[h], pair(base, h))
				near := simd(0x94, dmul(dsub(pair(p, h), from[h].get()), inverse)) // half to even
				f.set(level[h], dadd(dmul(near, finer), pair(levels, h)))
				f.set(within, and(within.get(), simd(0xc3, simd(0x49, simd(0xec, level[h].get()), limit))))
			}
			f.when(within.get(), func() {
				half := func(h int) expr { return simd(0x5e, dadd(from[h].get(), dmul(step, level[h].get()))) }
				f.store(add(p.get(), i.get()), 0, shuffle(half(0), half(1), [4]byte{0, 1, 4, 5}))
				f.step(i, 16)
				f.again(below(i.get(), end.get()), 1)
			})
		})
	})
	f.give(op(0x76, i.get(), i32(2)))
}

// magnitudes is kernel.Magnitudes; it writes the largest one to peak.
func magnitudes(m *functions) {
	f := m.function("magnitudes")
	f.results = []byte{typeF32}
	x, n, peak := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	end := f.variable(typeI32)
	value, sums, largest := f.variable(typeV128), f.variable(typeV128), f.variable(typeV128)
	greater := func(v expr) { f.set(largest, simd(0xb9, v, largest.get())) } // as whole numbers
	f.set(largest, loadSplat(peak.get(), 0))
	for _, lanes := range []int{4, 1} {
		count, v := and(n.get(), i32(-4)), load(x.get(), 0)
		if lanes == 1 {
			count, v = and(n.get(), i32(3)), from(simd(0x5c, x.get()), 0)
		}
		f.set(end, add(x.get(), shl(count, 2)))
		f.upTo(x, end.get(), i32(4*lanes), func() {
			f.set(value, absolute(v))
			f.set(sums, vadd(value.get(), sums.get()))
			greater(value.get())
		})
	}
	greater(shuffle(largest.get(), largest.get(), [4]byte{2, 3, 0, 1}))
	greater(shuffle(largest.get(), largest.get(), [4]byte{1, 0, 0, 0}))
	f.storeI32(peak.get(), 0, lane(0x1b, 0, largest.get()))
	sum := lane(0x1f, 0, sums.get())
	for j := 1; j < 4; j++ {
		sum = op(0x92, sum, lane(0x1f, byte(j), sums.get()))
	}
	f.give(sum)
}

package module

// packing adds the loops of package compress to m. All have the bits of scalar Go, on both
// builds.
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

func loadU8(p expr, offset int) expr { return anywhere(op(0x2d, p), offset) }

// Whole numbers of 64 bits.
func ladd(a, b expr) expr { return op(0x7c, a, b) }
func lsub(a, b expr) expr { return op(0x7d, a, b) }
func land(a, b expr) expr { return op(0x83, a, b) }
func lor(a, b expr) expr  { return op(0x84, a, b) }
func lshl(a, b expr) expr { return op(0x86, a, b) }
func lshr(a, b expr) expr { return op(0x88, a, b) }

// wrap is the low half of 64 bits, extend 64 bits with that low half.
func wrap(a expr) expr   { return op(0xa7, a) }
func extend(a expr) expr { return op(0xad, a) }

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

// Where the states of kernel.Reading and kernel.Writing are followed by what the module
// also changes.
const (
	readPos     = 16
	writtenBits = 16
	writtenHave = 24
	writtenAt   = 32
)

// setFours is kernel.Reading's SetFours, with its In and Start. states is followed by Pos.
func setFours(m *functions) {
	const wide = 1 << 12
	f := m.function("setFours")
	f.results = []byte{typeI32}
	dst, n, in, start := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	states, entries, values := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	at, end, pos := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	x, entry := f.several(4, typeI64), f.several(4, typeI64)
	word, bit, count := f.variable(typeI64), f.variable(typeI64), f.variable(typeI64)
	for i, s := range x {
		f.set(s, from(op(0x35, states.get()), 4*i)) // load32_u
	}
	f.set(pos, loadI32(states.get(), readPos))
	f.set(at, dst.get())
	f.set(end, add(at.get(), shl(and(n.get(), i32(-4)), 2)))
	f.step(in, -7) // a word ends with the byte that is read next
	more := func() expr { return and(below(at.get(), end.get()), op(0x4e, pos.get(), start.get())) }
	f.when(more(), func() {
		f.loop(func() {
			f.set(word, anywhere(op(0x29, add(in.get(), op(0x76, pos.get(), i32(3)))), 0))
			for i, e := range entry {
				f.set(e, from(op(0x35, add(entries.get(), shl(wrap(x[i].get()), 2))), 0))
			}
			marks := lor(lor(entry[0].get(), entry[1].get()), lor(entry[2].get(), entry[3].get()))
			f.when(op(0x50, land(marks, i64(wide))), func() {
				f.set(bit, extend(op(0x72, pos.get(), i32(56)))) // shifts take it modulo 64
				for i, e := range entry {
					f.set(count, land(lshr(e.get(), i64(8)), i64(15)))
					f.set(bit, lsub(bit.get(), count.get()))
					bits := land(lshr(word.get(), bit.get()), op(0x85, lshl(i64(-1), count.get()), i64(-1)))
					f.set(x[i], ladd(bits, lshr(e.get(), i64(16))))
					value := add(values.get(), shl(wrap(land(e.get(), i64(255))), 2))
					f.storeF32(at.get(), 4*i, loadF32(value, 0))
				}
				f.set(pos, add(pos.get(), sub(wrap(bit.get()), op(0x72, pos.get(), i32(56)))))
				f.step(at, 16)
				f.again(more(), 1)
			})
		})
	})
	for i, s := range x {
		f.storeI32(states.get(), 4*i, wrap(s.get()))
	}
	f.storeI32(states.get(), readPos, pos.get())
	f.give(op(0x76, sub(at.get(), dst.get()), i32(2)))
}

// writeFours is kernel.Writing's Fours, with its Out and Table. states is followed by Bits,
// Have and At.
func writeFours(m *functions) {
	const behindSymbols = 8 * 256 // the table's states
	f := m.function("writeFours")
	f.results = []byte{typeI32}
	symbols, n, out, states, table := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	p, left, at, symbol, count := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	x := f.ints(4)
	bits, have := f.variable(typeI64), f.variable(typeI64)
	for i, s := range x {
		f.set(s, loadI32(states.get(), 4*i))
	}
	f.set(bits, from(op(0x29, states.get()), writtenBits))
	f.set(have, from(op(0x29, states.get()), writtenHave))
	f.set(at, add(out.get(), loadI32(states.get(), writtenAt)))
	f.set(left, n.get())
	f.loop(func() {
		f.set(p, add(symbols.get(), sub(left.get(), i32(4))))
		marks := and(add(anywhere(op(0x28, p.get()), 0), i32(0x01010101)), i32(-0x7f7f7f80))
		f.when(none(marks), func() {
			for i := 3; i >= 0; i-- {
				f.set(symbol, add(table.get(), shl(loadU8(p.get(), i), 3)))
				f.set(count, op(0x76, add(x[i].get(), loadI32(symbol.get(), 0)), i32(16)))
				low := and(x[i].get(), op(0x73, op(0x74, i32(-1), count.get()), i32(-1)))
				f.set(bits, lor(bits.get(), lshl(extend(low), have.get())))
				f.set(have, ladd(have.get(), extend(count.get())))
				next := add(op(0x76, x[i].get(), count.get()), loadI32(symbol.get(), 4))
				f.set(x[i], anywhere(op(0x2f, add(table.get(), shl(next, 1))), behindSymbols)) // load16_u
			}
			f.do(anywhere(op(0x37, at.get(), bits.get()), 0))
			f.set(at, add(at.get(), wrap(lshr(have.get(), i64(3)))))
			f.set(bits, lshr(bits.get(), land(have.get(), i64(56))))
			f.set(have, land(have.get(), i64(7)))
			f.step(left, -4)
			f.again(left.get(), 1)
		})
	})
	for i, s := range x {
		f.storeI32(states.get(), 4*i, s.get())
	}
	f.do(from(op(0x37, states.get(), bits.get()), writtenBits))
	f.do(from(op(0x37, states.get(), have.get()), writtenHave))
	f.storeI32(states.get(), writtenAt, sub(at.get(), out.get()))
	f.give(left.get())
}

package module

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

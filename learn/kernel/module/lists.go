package module

// Products with many zeros use lists: an entry is the distance of a row from a base, in
// bytes, and its factor.

// maxVectors is how many vectors of sums a gather keeps in registers.
const maxVectors = 12

// update is the mode of gather that adds a scaled sum; the others are 0 and 1, with ReLU.
const update = 2

// gather computes n vectors of a row of a product:
//
//	sum := init // 0 with update
//	for row, factor := range list {
//		sum += factor * base[row:]
//	}
//	dst = sum // at least 0 with ReLU; dst + scale*sum with update
func (v flavour) gather(m *functions, n int) *function {
	f := m.function("")
	dst, init, base, list, end := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	mode, scale := f.param(typeI32), f.param(typeF32)
	p := f.variable(typeI32)
	sums, factor := f.several(n, typeV128), f.variable(typeV128)
	f.when(op(0x47, mode.get(), i32(update)), func() {
		for j, s := range sums {
			f.set(s, load(init.get(), 16*j))
		}
	})
	f.when(below(list.get(), end.get()), func() {
		f.repeat(func() {
			f.set(p, add(base.get(), loadI32(list.get(), 0)))
			f.set(factor, loadSplat(list.get(), 4))
			for j, s := range sums {
				f.set(s, v.madd(s.get(), load(p.get(), 16*j), factor.get()))
			}
			f.step(list, 8)
		}, below(list.get(), end.get()))
	})
	f.either(op(0x46, mode.get(), i32(update)), func() {
		f.set(factor, splat(scale.get()))
		for j, s := range sums {
			f.store(dst.get(), 16*j, v.madd(load(dst.get(), 16*j), s.get(), factor.get()))
		}
	}, func() {
		f.when(mode.get(), func() { f.relu(sums, factor) })
		for j, s := range sums {
			f.store(dst.get(), 16*j, s.get())
		}
	})
	return f
}

// gatherRow is gather for a whole row of cols elements.
func (v flavour) gatherRow(m *functions, gather []*function) *function {
	f := m.function("")
	dst, init, base, list, end := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	cols, mode, scale := f.param(typeI32), f.param(typeI32), f.param(typeF32)
	share, at, sum, zero := f.variable(typeI32), f.variable(typeI32), f.variable(typeV128), f.variable(typeV128)
	f.shares(op(0x76, cols.get(), i32(2)), maxVectors, share, func() {
		f.dispatch(share, gather, dst.get(), init.get(), base.get(), list.get(), end.get(), mode.get(), scale.get())
		for _, p := range []local{dst, init, base} {
			f.set(p, add(p.get(), shl(share.get(), 4)))
		}
	})
	// The last columns one by one, in the first lane: rounded as all others are.
	one := func(p expr) expr { return from(simd(0x5c, p), 0) }
	f.set(cols, and(cols.get(), i32(3)))
	f.when(cols.get(), func() {
		f.repeat(func() {
			f.either(op(0x46, mode.get(), i32(update)), func() { f.set(sum, v128(0)) }, func() { f.set(sum, one(init.get())) })
			f.set(at, list.get())
			f.upTo(at, end.get(), i32(8), func() {
				f.set(sum, v.madd(sum.get(), one(add(base.get(), loadI32(at.get(), 0))), loadSplat(at.get(), 4)))
			})
			f.either(op(0x46, mode.get(), i32(update)), func() {
				f.set(sum, v.madd(one(dst.get()), sum.get(), splat(scale.get())))
			}, func() {
				f.when(mode.get(), func() { f.relu([]local{sum}, zero) })
			})
			f.storeF32(dst.get(), 0, lane(0x1f, 0, sum.get()))
			for _, p := range []local{dst, init, base} {
				f.step(p, 4)
			}
			f.step(cols, -1)
		}, cols.get())
	})
	return f
}

// list lists the nonzero ones of count elements of x, which selects rows that lie step
// bytes apart, and returns the list's end.
func (f *function) list(x local, count, step, list expr) expr {
	at, end, row, mask, next, k := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	apart, zero := f.variable(typeI32), f.variable(typeV128)
	f.set(at, x.get())
	f.set(row, i32(0))
	f.set(apart, step)
	f.set(next, list)
	entry := func(offset, value expr) {
		f.storeI32(next.get(), 0, offset)
		f.storeF32(next.get(), 4, value)
		f.step(next, 8)
	}
	f.set(end, add(at.get(), shl(and(count, i32(-16)), 2)))
	f.upTo(at, end.get(), i32(64), func() {
		some := func(i int) expr { return nonzero(load(at.get(), 16*i), zero) }
		f.set(mask, simd(0x64, simd(0x65, simd(0x85, some(0), some(1)), simd(0x85, some(2), some(3)))))
		f.when(mask.get(), func() {
			f.repeat(func() {
				f.set(k, op(0x68, mask.get()))
				entry(add(row.get(), mul(k.get(), apart.get())), loadF32(add(at.get(), shl(k.get(), 2)), 0))
				f.set(mask, and(mask.get(), sub(mask.get(), i32(1))))
			}, mask.get())
		})
		f.set(row, add(row.get(), shl(apart.get(), 4)))
	})
	f.set(end, add(at.get(), shl(and(count, i32(15)), 2)))
	f.upTo(at, end.get(), i32(4), func() {
		f.when(op(0x5c, loadF32(at.get(), 0), f32(0)), func() { entry(row.get(), loadF32(at.get(), 0)) })
		f.set(row, add(row.get(), apart.get()))
	})
	return next.get()
}

// columns runs the body for the next four columns of x, or as many as there are, with
// masks of their nonzero rows: for 32 rows each, a mask of each column. It moves x behind
// them, and counts in down.
func (f *function) columns(x, xRow, in, rows, masks local, body func(column int)) {
	at, left, count, p := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	sum, bit, zero := f.variable(typeV128), f.variable(typeV128), f.variable(typeV128)
	whole := f.variable(typeI32)
	f.set(whole, below(i32(3), in.get()))
	f.set(at, x.get())
	f.set(left, rows.get())
	f.set(p, masks.get())
	f.repeat(func() {
		f.set(count, left.get())
		f.when(below(i32(32), count.get()), func() { f.set(count, i32(32)) })
		f.set(left, sub(left.get(), count.get()))
		f.set(sum, zero.get())
		f.set(bit, v128(1))
		f.repeat(func() {
			row := f.variable(typeV128)
			f.either(whole.get(), func() { f.set(row, load(at.get(), 0)) }, func() { f.few(row, at, in) })
			f.set(sum, vor(sum.get(), vand(nonzero(row.get(), zero), bit.get())))
			f.set(bit, simd(0xab, bit.get(), i32(1)))
			f.set(at, add(at.get(), xRow.get()))
			f.step(count, -1)
		}, count.get())
		f.store(p.get(), 0, sum.get())
		f.step(p, 16)
	}, left.get())
	for column := range 4 {
		f.when(below(i32(column), in.get()), func() { body(column) })
	}
	f.set(count, in.get())
	f.when(below(i32(4), count.get()), func() { f.set(count, i32(4)) })
	f.set(in, sub(in.get(), count.get()))
	f.set(x, add(x.get(), shl(count.get(), 2)))
}

// few loads fewer than four elements, as many as count says.
func (f *function) few(v, at, count local) {
	f.set(v, from(simd(0x5c, at.get()), 0)) // load32_zero
	for i := 1; i < 3; i++ {
		f.when(below(i32(i), count.get()), func() { f.set(v, lane(0x20, byte(i), v.get(), loadF32(at.get(), 4*i))) })
	}
}

// marked lists the marked rows of a column of x, and returns the list's end.
func (f *function) marked(x local, offset int, xRow, yRow, rows, masks local, column int, list local) expr {
	at, row, p, end, next, mask, k := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	f.set(at, add(x.get(), i32(offset)))
	f.set(row, i32(0))
	f.set(p, add(masks.get(), i32(4*column)))
	f.set(end, add(p.get(), and(op(0x76, add(rows.get(), i32(31)), i32(1)), i32(-16)))) // 16 bytes for 32 rows
	f.set(next, list.get())
	f.repeat(func() {
		f.set(mask, loadI32(p.get(), 0))
		f.when(mask.get(), func() {
			f.repeat(func() {
				f.set(k, op(0x68, mask.get()))
				f.storeI32(next.get(), 0, add(row.get(), mul(k.get(), yRow.get())))
				f.storeF32(next.get(), 4, loadF32(add(at.get(), mul(k.get(), xRow.get())), 0))
				f.step(next, 8)
				f.set(mask, and(mask.get(), sub(mask.get(), i32(1))))
			}, mask.get())
		})
		f.set(row, add(row.get(), shl(yRow.get(), 5)))
		f.set(at, add(at.get(), shl(xRow.get(), 5)))
		f.step(p, 16)
	}, below(p.get(), end.get()))
	return next.get()
}

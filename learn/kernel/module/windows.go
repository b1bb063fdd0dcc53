package module

// windows adds the loops of convolutions to m, and returns the one that copies lines.
func windows(m *functions) *function {
	lines(m, "addLines", func(f *function, dst, src expr) { f.store(dst, 0, vadd(load(dst, 0), load(src, 0))) },
		func(f *function, dst, src expr) { f.storeF32(dst, 0, op(0x92, loadF32(dst, 0), loadF32(src, 0))) })
	transpose(m)
	maxWindow(m)
	copyLines := lines(m, "", func(f *function, dst, src expr) { f.store(dst, 0, load(src, 0)) },
		func(f *function, dst, src expr) { f.storeF32(dst, 0, loadF32(src, 0)) })
	copyWindows(m, copyLines)
	return copyLines
}

// copyWindows copies the lines of some windows.
func copyWindows(m *functions, copyLines *function) {
	f := m.function("copyWindows")
	dst, dstWindow, dstRow, src, srcWindow, srcRow := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	windows, rows, count := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	f.repeat(func() {
		f.do(call(copyLines, dst.get(), dstRow.get(), src.get(), srcRow.get(), rows.get(), count.get()))
		f.set(dst, add(dst.get(), dstWindow.get()))
		f.set(src, add(src.get(), srcWindow.get()))
		f.step(windows, -1)
	}, windows.get())
}

// lines adds a loop over rows of count elements, from src to dst: whole vectors, then the
// rest.
func lines(m *functions, name string, whole, rest func(f *function, dst, src expr)) *function {
	f := m.function(name)
	dst, dstRow, src, srcRow, rows, count := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	c, end := f.variable(typeI32), f.variable(typeI32)
	f.set(count, shl(count.get(), 2))
	f.set(end, and(count.get(), i32(-16)))
	f.when(rows.get(), func() {
		f.repeat(func() {
			f.set(c, i32(0))
			f.upTo(c, end.get(), i32(16), func() { whole(f, add(dst.get(), c.get()), add(src.get(), c.get())) })
			f.upTo(c, count.get(), i32(4), func() { rest(f, add(dst.get(), c.get()), add(src.get(), c.get())) })
			f.set(dst, add(dst.get(), dstRow.get()))
			f.set(src, add(src.get(), srcRow.get()))
			f.step(rows, -1)
		}, rows.get())
	})
	return f
}

// transpose is kernel.Transpose, by squares of four.
func transpose(m *functions) {
	f := m.function("transpose")
	t, x, rows, cols := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	tRow, xRow, c, from := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	to, left := f.variable(typeI32), f.variable(typeI32)
	line := f.several(4, typeV128)
	r := f.several(4, typeV128)
	f.set(tRow, shl(rows.get(), 2))
	f.set(xRow, shl(cols.get(), 2))
	f.set(left, rows.get())
	one := func(count int) { // rows of x
		f.set(from, x.get())
		f.set(to, t.get())
		f.set(c, cols.get())
		if count == 4 {
			f.when(below(i32(3), c.get()), func() {
				f.repeat(func() {
					for j := range line {
						p := from.get()
						for range j {
							p = add(p, xRow.get())
						}
						f.set(line[j], load(p, 0))
					}
					f.turn(line, r)
					for j := range r {
						f.store(to.get(), 0, r[j].get())
						f.set(to, add(to.get(), tRow.get()))
					}
					f.step(from, 16)
					f.step(c, -4)
				}, below(i32(3), c.get()))
			})
		}
		f.when(c.get(), func() {
			f.repeat(func() {
				for j := range count {
					p := from.get()
					for range j {
						p = add(p, xRow.get())
					}
					f.storeF32(to.get(), 4*j, loadF32(p, 0))
				}
				f.set(to, add(to.get(), tRow.get()))
				f.step(from, 4)
				f.step(c, -1)
			}, c.get())
		})
		f.set(x, add(x.get(), mul(xRow.get(), i32(count))))
		f.step(t, 4*count)
		f.step(left, -count)
	}
	f.when(below(i32(3), left.get()), func() {
		f.repeat(func() { one(4) }, below(i32(3), left.get()))
	})
	f.when(left.get(), func() {
		f.repeat(func() { one(1) }, left.get())
	})
}

// turn transposes a square of four: r[j] gets the elements j of the lines, whose values
// it uses up.
func (f *function) turn(line, r []local) {
	low, high := [4]byte{0, 4, 1, 5}, [4]byte{2, 6, 3, 7}
	f.set(r[0], shuffle(line[0].get(), line[1].get(), low))
	f.set(r[1], shuffle(line[2].get(), line[3].get(), low))
	f.set(r[2], shuffle(line[0].get(), line[1].get(), high))
	f.set(r[3], shuffle(line[2].get(), line[3].get(), high))
	for i, half := range [][4]byte{{0, 1, 4, 5}, {2, 3, 6, 7}} {
		f.set(line[i], shuffle(r[0].get(), r[1].get(), half))
		f.set(line[2+i], shuffle(r[2].get(), r[3].get(), half))
	}
	for j := range r {
		f.set(r[j], line[j].get())
	}
}

// lanesFrom0 is 0, 1, 2, 3.
var lanesFrom0 = expr{0xfd, 0x0c, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0}

// maxWindow is kernel.MaxPool for one window of rows by cols pixels, whose lines are line
// bytes apart; index is that of the first pixel's first channel.
func maxWindow(m *functions) {
	f := m.function("maxWindow")
	best, where, x, index := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	rows, cols, line, channels := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	at, place, ky, kx, pixel, step := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	largest, places, value, mask := f.variable(typeV128), f.variable(typeV128), f.variable(typeV128), f.variable(typeV128)
	f.set(pixel, shl(channels.get(), 2))
	f.set(step, sub(line.get(), mul(pixel.get(), cols.get()))) // from behind a row to the next one
	lanes := func(whole bool) {
		read := func(p expr) expr {
			if whole {
				return load(p, 0)
			}
			return from(simd(0x5c, p), 0)
		}
		f.set(at, x.get())
		f.set(place, index.get())
		f.set(largest, read(at.get()))
		f.set(places, simd(0x11, place.get()))
		f.set(ky, rows.get())
		f.repeat(func() {
			f.set(kx, cols.get())
			f.repeat(func() {
				f.set(value, read(at.get()))
				f.set(mask, vor(simd(0x44, value.get(), largest.get()), simd(0x42, value.get(), value.get()))) // larger, or NaN
				f.set(largest, simd(0x52, value.get(), largest.get(), mask.get()))
				f.set(places, simd(0x52, simd(0x11, place.get()), places.get(), mask.get()))
				f.set(at, add(at.get(), pixel.get()))
				f.set(place, add(place.get(), channels.get()))
				f.step(kx, -1)
			}, kx.get())
			f.set(at, add(at.get(), step.get()))
			f.set(place, add(place.get(), op(0x76, step.get(), i32(2))))
			f.step(ky, -1)
		}, ky.get())
		if whole {
			f.store(best.get(), 0, largest.get())
			f.store(where.get(), 0, simd(0xae, places.get(), lanesFrom0))
			return
		}
		f.storeF32(best.get(), 0, lane(0x1f, 0, largest.get()))
		f.storeI32(where.get(), 0, lane(0x1b, 0, places.get()))
	}
	left := f.variable(typeI32)
	f.set(left, channels.get())
	for _, count := range []int{4, 1} {
		f.when(below(i32(count-1), left.get()), func() {
			f.repeat(func() {
				lanes(count == 4)
				for _, p := range []local{best, where, x} {
					f.step(p, 4*count)
				}
				f.step(index, count)
				f.step(left, -count)
			}, below(i32(count-1), left.get()))
		})
	}
}

package module

// panel is the number of columns that a tile computes: two vectors, whose sums for up to
// six rows, with the two vectors of the other matrix and a factor, just fill the sixteen
// registers of an x86 processor.
const panel = 8

// flavour is one of the two forms of the module.
type flavour struct {
	// relaxed multiplies and adds in one instruction where the processor has one. It
	// rounds once or twice, as the processor likes; without it results are the same bits
	// everywhere.
	relaxed bool
	rows    int // of the largest tile: without a joint instruction, products need a register
}

// madd is sum + a*b.
func (v flavour) madd(sum, a, b expr) expr {
	if v.relaxed {
		return simd(0x105, b, a, sum) // b was often just written
	}
	return vadd(sum, vmul(a, b))
}

// products adds the products of matrices to m. Shapes are those of package kernel;
// pointers and distances are in bytes, counts in elements. work is memory that the caller
// lends: 64 bytes for each element of the side that is summed, of at most 512 inputs, and
// 512 more.
func (v flavour) products(m *functions, copyLines *function) {
	t := tiles{first: make([]*function, v.rows+1), next: make([]*function, v.rows+1), weight: make([]*function, v.rows+1)}
	for rows := 1; rows <= v.rows; rows++ {
		t.first[rows] = v.tile(m, rows, false)
		t.next[rows] = v.tile(m, rows, true)
		t.weight[rows] = v.weightTile(m, rows)
	}
	gather := make([]*function, maxVectors+1)
	for n := 1; n <= maxVectors; n++ {
		gather[n] = v.gather(m, n)
	}
	strip := v.strip(m, t)
	rowOf := v.gatherRow(m, gather)
	v.forward(m, strip, copyLines, rowOf)
	v.inputGradient(m, strip, copyLines)
	v.addWeightGradient(m, t, copyLines, rowOf)
}

type tiles struct {
	first  []*function // by the number of rows: reads a strided panel, and packs it
	next   []*function // reads the packed panel
	weight []*function
}

// tile computes a panel's columns of rows of a product, init + x base:
//
//	for j := range rows {
//		for c := range panel {
//			sum := init[j*initRow+c]
//			for k := range n {
//				sum += x[j*xRow+k] * base[k*stride+c]
//			}
//			dst[j*dstRow+c] = sum // at least 0 if relu is set
//		}
//	}
//
// Where base is not packed, it is packed on the way: its rows are written to pack one
// after the other.
func (v flavour) tile(m *functions, rows int, packed bool) *function {
	const unrolled = 4
	f := m.function("")
	dst, dstRow, init, initRow := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	x, xRow, base, stride, pack := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	n, withReLU := f.param(typeI32), f.param(typeI32)
	xs := append([]local{x}, f.ints(rows-1)...)
	end := f.variable(typeI32)
	sums := f.several(2*rows, typeV128)
	w, factor := f.several(2, typeV128), f.variable(typeV128)

	for j := range sums {
		if j > 0 && j%2 == 0 {
			f.set(init, add(init.get(), initRow.get()))
		}
		f.set(sums[j], load(init.get(), j%2*16))
	}
	for j := 1; j < rows; j++ {
		f.set(xs[j], add(xs[j-1].get(), xRow.get()))
	}
	step := func(count int) {
		for u := range count {
			for h := range w {
				if packed {
					f.set(w[h], load(base.get(), 32*u+16*h))
					continue
				}
				f.set(w[h], load(base.get(), 16*h))
				f.store(pack.get(), 32*u+16*h, w[h].get())
			}
			if !packed {
				f.set(base, add(base.get(), stride.get()))
			}
			for j := range rows {
				f.set(factor, loadSplat(xs[j].get(), 4*u))
				for h := range w {
					f.set(sums[2*j+h], v.madd(sums[2*j+h].get(), w[h].get(), factor.get()))
				}
			}
		}
		if packed {
			f.step(base, 32*count)
		} else {
			f.step(pack, 32*count)
		}
		for _, p := range xs {
			f.step(p, 4*count)
		}
	}
	f.set(end, add(x.get(), shl(and(n.get(), i32(-unrolled)), 2)))
	f.when(below(x.get(), end.get()), func() {
		f.repeat(func() { step(unrolled) }, below(x.get(), end.get()))
	})
	f.set(end, add(x.get(), shl(and(n.get(), i32(unrolled-1)), 2)))
	f.when(below(x.get(), end.get()), func() {
		f.repeat(func() { step(1) }, below(x.get(), end.get()))
	})
	f.when(withReLU.get(), func() { f.relu(sums, factor) })
	for j, s := range sums {
		if j > 0 && j%2 == 0 {
			f.set(dst, add(dst.get(), dstRow.get()))
		}
		f.store(dst.get(), j%2*16, s.get())
	}
	return f
}

// weightTile adds a panel's columns of rows of a transposed product to dst:
//
//	for j := range rows {
//		for c := range panel {
//			sum := 0
//			for k := range n {
//				sum += x[k*xRow+j] * base[k*stride+c]
//			}
//			dst[j*dstRow+c] += alpha * sum
//		}
//	}
func (v flavour) weightTile(m *functions, rows int) *function {
	f := m.function("")
	dst, dstRow, x, xRow := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	base, stride, n, alpha := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeF32)
	sums := f.several(2*rows, typeV128)
	w, factor := f.several(2, typeV128), f.variable(typeV128)
	f.repeat(func() {
		for h := range w {
			f.set(w[h], load(base.get(), 16*h))
		}
		for j := range rows {
			f.set(factor, loadSplat(x.get(), 4*j))
			for h := range w {
				f.set(sums[2*j+h], v.madd(sums[2*j+h].get(), w[h].get(), factor.get()))
			}
		}
		f.set(x, add(x.get(), xRow.get()))
		f.set(base, add(base.get(), stride.get()))
		f.step(n, -1)
	}, n.get())
	f.set(factor, splat(alpha.get()))
	for j, s := range sums {
		if j > 0 && j%2 == 0 {
			f.set(dst, add(dst.get(), dstRow.get()))
		}
		f.store(dst.get(), j%2*16, v.madd(load(dst.get(), j%2*16), s.get(), factor.get()))
	}
	return f
}

// dispatch calls the function of a number of rows, 1 to len(all)-1.
func (f *function) dispatch(rows local, all []*function, operands ...expr) {
	if len(all) == 2 {
		f.do(call(all[1], operands...))
		return
	}
	largest := len(all) - 1
	f.either(op(0x46, rows.get(), i32(largest)), func() {
		f.do(call(all[largest], operands...))
	}, func() {
		f.dispatch(rows, all[:largest], operands...)
	})
}

// shares runs the body for shares of count, at most most each and about equal. The body
// finds the size in share.
func (f *function) shares(count expr, most int, share local, body func()) {
	left, times := f.variable(typeI32), f.variable(typeI32)
	f.set(left, count)
	f.set(times, divide(add(left.get(), i32(most-1)), i32(most)))
	f.when(left.get(), func() {
		f.repeat(func() {
			f.set(share, divide(add(left.get(), sub(times.get(), i32(1))), times.get()))
			body()
			f.set(left, sub(left.get(), share.get()))
			f.step(times, -1)
		}, left.get())
	})
}

// strip computes a panel's columns of all rows of a product. packed says whether base is
// packed already; else it is packed into pack.
func (v flavour) strip(m *functions, t tiles) *function {
	f := m.function("")
	dst, dstRow, init, initRow := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	x, xRow, base, stride, pack := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	n, withReLU, rows, packed := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	share := f.variable(typeI32)
	f.shares(rows.get(), v.rows, share, func() {
		operands := []expr{dst.get(), dstRow.get(), init.get(), initRow.get(), x.get(), xRow.get(), base.get(), stride.get(), pack.get(), n.get(), withReLU.get()}
		f.either(packed.get(), func() {
			f.dispatch(share, t.next, operands...)
		}, func() {
			f.dispatch(share, t.first, operands...)
			f.set(packed, i32(1))
			f.set(base, pack.get())
		})
		f.set(dst, add(dst.get(), mul(share.get(), dstRow.get())))
		f.set(init, add(init.get(), mul(share.get(), initRow.get())))
		f.set(x, add(x.get(), mul(share.get(), xRow.get())))
	})
	return f
}

// clear sets n bytes, a multiple of 16, to 0.
func (f *function) clear(p expr, n expr) {
	at, end, zero := f.variable(typeI32), f.variable(typeI32), f.variable(typeV128)
	f.set(at, p)
	f.set(end, add(at.get(), n))
	f.upTo(at, end.get(), i32(16), func() { f.store(at.get(), 0, zero.get()) })
}

// The most inputs that forward sums at a time: a packed panel of them stays in the nearest
// cache, and the rows that lists of them select in the next one.
const (
	denseBlock = 512
	listBlock  = 256
	farBlock   = 128 // of far weights
	fetched    = 512 // bytes of each of their rows that are fetched at a time
)

// From far elements on, the nearest two caches cannot be expected to hold the weights, and a
// panel would wait for half a cache line of each row. They are fetched first, unless there
// are so many rows to multiply that waiting is a small part.
const (
	far     = 5 << 16
	maxRows = 256
)

// forward is kernel.Forward. With lists it skips the zeros of x. It goes by blocks of
// inputs: the first begins with the bias, each other one with what is there.
func (v flavour) forward(m *functions, strip, copyLines, gatherRow *function) {
	f := m.function("forward")
	y, x, w, b := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	rows, in, out := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	withReLU, lists, work := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	c, xRow, yRow, rest, edge, end := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	block, initRow, r, yr, xr := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	last, most, away := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	f.set(xRow, shl(in.get(), 2))
	f.set(yRow, shl(out.get(), 2))
	f.set(end, and(yRow.get(), i32(-4*panel)))
	f.set(rest, and(out.get(), i32(panel-1)))
	f.set(edge, add(work.get(), i32(4*panel*denseBlock)))
	f.when(none(lists.get()), func() { // the last columns are padded, and begin in y
		f.do(call(copyLines, add(y.get(), end.get()), yRow.get(), add(b.get(), end.get()), i32(0), rows.get(), rest.get()))
	})
	f.set(away, and(below(i32(far-1), mul(in.get(), out.get())), below(rows.get(), i32(maxRows+1))))
	blocks := func(body func()) {
		f.repeat(func() {
			f.set(block, in.get())
			f.when(below(most.get(), block.get()), func() { f.set(block, most.get()) })
			f.set(in, sub(in.get(), block.get()))
			f.set(last, op(0x71, withReLU.get(), none(in.get())))
			body()
			f.set(x, add(x.get(), shl(block.get(), 2)))
			f.set(w, add(w.get(), mul(block.get(), yRow.get())))
			f.set(b, y.get())
			f.set(initRow, yRow.get())
		}, in.get())
	}
	f.either(lists.get(), func() {
		f.set(most, i32(listBlock))
		blocks(func() {
			f.set(r, rows.get())
			f.set(xr, x.get())
			f.set(yr, y.get())
			f.repeat(func() {
				list := f.list(xr, block.get(), yRow.get(), work.get())
				f.do(call(gatherRow, yr.get(), b.get(), w.get(), work.get(), list, out.get(), last.get(), f32(1)))
				f.set(xr, add(xr.get(), xRow.get()))
				f.set(yr, add(yr.get(), yRow.get()))
				f.set(b, add(b.get(), initRow.get()))
				f.step(r, -1)
			}, r.get())
		})
	}, func() {
		f.set(most, i32(denseBlock))
		f.when(away.get(), func() { f.set(most, i32(farBlock)) })
		blocks(func() {
			f.set(c, i32(0))
			f.upTo(c, end.get(), i32(4*panel), func() {
				f.when(and(away.get(), none(and(c.get(), i32(fetched-1)))), func() {
					f.fetch(add(w.get(), c.get()), yRow.get(), block.get(), sub(end.get(), c.get()), work)
				})
				f.do(call(strip, add(y.get(), c.get()), yRow.get(), add(b.get(), c.get()), initRow.get(), x.get(), xRow.get(),
					add(w.get(), c.get()), yRow.get(), work.get(), block.get(), last.get(), rows.get(), i32(0)))
			})
			f.when(rest.get(), func() {
				f.clear(work.get(), shl(block.get(), 5))
				f.do(call(copyLines, work.get(), i32(4*panel), add(w.get(), end.get()), yRow.get(), block.get(), rest.get()))
				f.padded(strip, copyLines, v.rows, edge, true, add(y.get(), end.get()), yRow, x.get(), xRow, work, block.get(), last.get(), rows, rest)
			})
		})
	})
}

// fetch brings the first bytes of rows, at most fetched of left, into the caches: it reads
// one value of each cache line. It writes their sum to work, so that no compiler leaves the
// reads out.
func (f *function) fetch(p, stride, rows, left expr, work local) {
	row, at, end, width, count, all := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	f.set(row, p)
	f.set(count, rows)
	f.set(width, left)
	f.when(below(i32(fetched), width.get()), func() { f.set(width, i32(fetched)) })
	f.repeat(func() {
		f.set(at, row.get())
		f.set(end, add(at.get(), width.get()))
		f.upTo(at, end.get(), i32(64), func() { f.set(all, add(all.get(), loadI32(at.get(), 0))) })
		f.set(row, add(row.get(), stride))
		f.step(count, -1)
	}, count.get())
	f.storeI32(work.get(), 0, all.get())
}

// padded computes the rows of a product by a padded panel, and copies its first columns.
// Sums begin with those columns of y, or else with 0; edge has room for a tile.
func (f *function) padded(strip, copyLines *function, most int, edge local, begun bool, y expr, yRow local, x expr, xRow, panels local, n, withReLU expr, rows, rest local) {
	share, to, of := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	f.set(to, y)
	f.set(of, x)
	f.clear(edge.get(), i32(4*panel*most))
	f.shares(rows.get(), most, share, func() {
		if begun {
			f.do(call(copyLines, edge.get(), i32(4*panel), to.get(), yRow.get(), share.get(), rest.get()))
		} else {
			f.clear(edge.get(), i32(4*panel*most))
		}
		f.do(call(strip, edge.get(), i32(4*panel), edge.get(), i32(4*panel), of.get(), xRow.get(), panels.get(), i32(0), i32(0), n, withReLU, share.get(), i32(1)))
		f.do(call(copyLines, to.get(), yRow.get(), edge.get(), i32(4*panel), share.get(), rest.get()))
		f.set(to, add(to.get(), mul(share.get(), yRow.get())))
		f.set(of, add(of.get(), mul(share.get(), xRow.get())))
	})
}

// inputGradient is kernel.InputGradient: a product with the transposed weights, which
// are packed a panel at a time.
func (v flavour) inputGradient(m *functions, strip, copyLines *function) {
	f := m.function("inputGradient")
	dx, dy, w := f.param(typeI32), f.param(typeI32), f.param(typeI32)
	rows, in, out, work := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	outRow, inRow, edge, count := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	lines := f.ints(panel)
	p, k := f.variable(typeI32), f.variable(typeI32)
	square, r := f.several(4, typeV128), f.several(4, typeV128)
	f.set(outRow, shl(out.get(), 2))
	f.set(inRow, shl(in.get(), 2))
	f.set(edge, add(work.get(), shl(out.get(), 5)))
	f.clear(edge.get(), i32(4*panel))
	turn := func() { // lines' next four elements, as columns
		for h := range 2 {
			for j := range square {
				f.set(square[j], load(lines[4*h+j].get(), 0))
			}
			f.turn(square, r)
			for j := range r {
				f.store(p.get(), 4*panel*j+16*h, r[j].get())
			}
		}
	}
	f.repeat(func() {
		// At the end, lines repeat the last one: what they give is not used.
		f.set(count, in.get())
		f.when(below(i32(panel), count.get()), func() { f.set(count, i32(panel)) })
		f.set(lines[0], w.get())
		for j := 1; j < panel; j++ {
			f.set(lines[j], lines[j-1].get())
			f.when(below(i32(j), count.get()), func() { f.set(lines[j], add(lines[j].get(), outRow.get())) })
		}
		f.set(p, work.get())
		f.set(k, out.get())
		f.when(below(i32(3), k.get()), func() {
			f.repeat(func() {
				turn()
				f.step(p, 4*4*panel)
				for _, l := range lines {
					f.step(l, 16)
				}
				f.step(k, -4)
			}, below(i32(3), k.get()))
		})
		f.when(k.get(), func() {
			f.repeat(func() {
				for j, l := range lines {
					f.storeF32(p.get(), 4*j, loadF32(l.get(), 0))
					f.step(l, 4)
				}
				f.step(p, 4*panel)
				f.step(k, -1)
			}, k.get())
		})
		f.either(op(0x46, count.get(), i32(panel)), func() {
			f.do(call(strip, dx.get(), inRow.get(), edge.get(), i32(0), dy.get(), outRow.get(), work.get(), i32(0), i32(0), out.get(), i32(0), rows.get(), i32(1)))
		}, func() {
			f.padded(strip, copyLines, v.rows, edge, false, dx.get(), inRow, dy.get(), outRow, work, out.get(), i32(0), rows, count)
		})
		f.step(dx, 4*panel)
		f.set(w, add(w.get(), shl(outRow.get(), 3)))
		f.set(in, sub(in.get(), count.get()))
	}, in.get())
}

// From tall elements on, x lies on more pages of memory than a processor has at hand, and a
// tile's columns of it are packed, if there are enough outputs to use them again.
const (
	tall       = 1 << 16
	minOutputs = 48
)

// packColumns copies the first columns of x, 4 to 8, to dst.
func (f *function) packColumns(dst, x, xRow, rows local, columns int) {
	to, from, left := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	f.set(to, dst.get())
	f.set(from, x.get())
	f.set(left, rows.get())
	f.repeat(func() {
		for _, at := range []int{0, 4*columns - 16} { // some twice
			f.store(to.get(), at, load(from.get(), at))
		}
		f.step(to, 4*columns)
		f.set(from, add(from.get(), xRow.get()))
		f.step(left, -1)
	}, left.get())
}

// addWeightGradient is kernel.AddWeightGradient. With lists it skips the zeros of x.
func (v flavour) addWeightGradient(m *functions, t tiles, copyLines, gatherRow *function) {
	f := m.function("addWeightGradient")
	w, alpha, x, dy := f.param(typeI32), f.param(typeF32), f.param(typeI32), f.param(typeI32)
	rows, in, out, lists, work := f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32), f.param(typeI32)
	c, xRow, yRow, rest, end, edge, share, list := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	packs, from, fromRow := f.variable(typeI32), f.variable(typeI32), f.variable(typeI32)
	f.set(xRow, shl(in.get(), 2))
	f.set(yRow, shl(out.get(), 2))
	f.either(lists.get(), func() {
		f.set(list, add(work.get(), i32(16)))
		f.set(list, add(list.get(), shl(rows.get(), 4))) // behind the masks
		f.repeat(func() {
			f.columns(x, xRow, in, rows, work, func(column int) {
				f.set(end, f.marked(x, 4*column, xRow, yRow, rows, work, column, list))
				f.when(below(list.get(), end.get()), func() {
					f.do(call(gatherRow, w.get(), i32(0), dy.get(), list.get(), end.get(), out.get(), i32(update), alpha.get()))
				})
				f.set(w, add(w.get(), yRow.get()))
			})
		}, in.get())
	}, func() {
		f.set(end, and(yRow.get(), i32(-4*panel)))
		f.set(rest, and(out.get(), i32(panel-1)))
		f.set(edge, add(work.get(), shl(rows.get(), 5)))
		f.when(rest.get(), func() { // the last columns, padded
			f.clear(work.get(), shl(rows.get(), 5))
			f.do(call(copyLines, work.get(), i32(4*panel), add(dy.get(), end.get()), yRow.get(), rows.get(), rest.get()))
		})
		f.set(packs, and(below(i32(tall-1), mul(rows.get(), in.get())), below(i32(minOutputs-1), out.get())))
		f.shares(in.get(), v.rows, share, func() {
			f.set(from, x.get())
			f.set(fromRow, xRow.get())
			f.when(and(packs.get(), op(0x46, share.get(), i32(v.rows))), func() {
				f.set(from, add(edge.get(), i32(4*panel*v.rows)))
				f.set(fromRow, i32(4*v.rows))
				f.packColumns(from, x, xRow, rows, v.rows)
			})
			f.set(c, i32(0))
			f.upTo(c, end.get(), i32(4*panel), func() {
				f.dispatch(share, t.weight, add(w.get(), c.get()), yRow.get(), from.get(), fromRow.get(), add(dy.get(), c.get()), yRow.get(), rows.get(), alpha.get())
			})
			f.when(rest.get(), func() {
				f.do(call(copyLines, edge.get(), i32(4*panel), add(w.get(), end.get()), yRow.get(), share.get(), rest.get()))
				f.dispatch(share, t.weight, edge.get(), i32(4*panel), from.get(), fromRow.get(), work.get(), i32(4*panel), rows.get(), alpha.get())
				f.do(call(copyLines, add(w.get(), end.get()), yRow.get(), edge.get(), i32(4*panel), share.get(), rest.get()))
			})
			f.set(w, add(w.get(), mul(share.get(), yRow.get())))
			f.set(x, add(x.get(), shl(share.get(), 2)))
		})
	})
}

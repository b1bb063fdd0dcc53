package kernel

// Window is the geometry of a convolution or a pooling. Images are [height,
// width, channels], row-major. Outside of the image a convolution reads zeros; a
// pooling ignores these positions.
type Window struct {
	Height, Width, Channels int // of an image
	Size                    int // side of the window
	Stride                  int
	Top, Left               int // rows and columns of padding before the image
	OutHeight, OutWidth     int // number of windows, down and across
}

// Patch returns the number of values in a window.
func (g *Window) Patch() int { return g.Size * g.Size * g.Channels }

// Image returns the number of values in an image.
func (g *Window) Image() int { return g.Height * g.Width * g.Channels }

// Places returns the number of windows.
func (g *Window) Places() int { return g.OutHeight * g.OutWidth }

// span returns the range of the window's rows (or columns) that lie in the image
// when its first one is at from.
func span(from, size, side int) (lo, hi int) {
	return max(0, -from), min(size, side-from)
}

// Patches writes the values in every window of one image (im2col), so that a
// convolution is a matrix product. x is [height, width, channels], p is
// [out height * out width, size * size * channels].
//
//	for oy := range OutHeight {
//		for ox := range OutWidth {
//			for ky := range Size {
//				for kx := range Size {
//					for c := range Channels {
//						p[oy*OutWidth+ox, (ky*Size+kx)*Channels+c] =
//							x[oy*Stride+ky-Top, ox*Stride+kx-Left, c] // 0 outside
//					}
//				}
//			}
//		}
//	}
func Patches(p, x []float32, g *Window) {
	p, x = cut(p, g.Places()*g.Patch()), cut(x, g.Image())
	row, line := g.Size*g.Channels, g.Width*g.Channels
	for oy := range g.OutHeight {
		y0 := oy*g.Stride - g.Top
		ylo, yhi := span(y0, g.Size, g.Height)
		for ox := 0; ox < g.OutWidth; {
			x0 := ox*g.Stride - g.Left
			xlo, xhi := span(x0, g.Size, g.Width)
			count := 1
			if xlo == 0 && xhi == g.Size { // as up to the last window that ends in the image
				count = min((g.Width-g.Size+g.Left)/g.Stride+1, g.OutWidth) - ox
			}
			patches := p[(oy*g.OutWidth+ox)*g.Patch():][:count*g.Patch()]
			if yhi-ylo < g.Size || xhi-xlo < g.Size {
				clear(patches)
			}
			if ylo < yhi && xlo < xhi {
				copyWindows(patches[ylo*row+xlo*g.Channels:], g.Patch(), row, x[(y0+ylo)*line+(x0+xlo)*g.Channels:], g.Stride*g.Channels, line,
					count, yhi-ylo, (xhi-xlo)*g.Channels)
			}
			ox += count
		}
	}
}

// AddPatches is the transpose of [Patches] (col2im): it adds every element of p to
// its position in x. The backward pass of a convolution uses it.
func AddPatches(x, p []float32, g *Window) {
	p, x = cut(p, g.Places()*g.Patch()), cut(x, g.Image())
	row, line := g.Size*g.Channels, g.Width*g.Channels
	for oy := range g.OutHeight {
		y0 := oy*g.Stride - g.Top
		ylo, yhi := span(y0, g.Size, g.Height)
		for ox := range g.OutWidth {
			x0 := ox*g.Stride - g.Left
			xlo, xhi := span(x0, g.Size, g.Width)
			if xlo >= xhi {
				continue
			}
			patch := p[(oy*g.OutWidth+ox)*g.Patch():][:g.Patch()]
			n := (xhi - xlo) * g.Channels
			from := (x0 + xlo) * g.Channels
			if ylo < yhi {
				addLines(x[(y0+ylo)*line+from:], line, patch[ylo*row+xlo*g.Channels:], row, yhi-ylo, n)
			}
		}
	}
}

// Transpose writes x, [rows, cols], to t as [cols, rows].
//
//	t[c*rows+r] = x[r*cols+c]
func Transpose(t, x []float32, rows, cols int) {
	t, x = cut(t, rows*cols), cut(x, rows*cols)
	if rows > 0 && cols > 0 {
		transpose(t, x, rows, cols)
	}
}

// scalarCopyLines copies n elements of each of some rows.
func scalarCopyLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	for r := range rows {
		copy(dst[r*dstRow:][:n], src[r*srcRow:][:n])
	}
}

// scalarAddLines adds n elements of each of some rows.
func scalarAddLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	for r := range rows {
		to := dst[r*dstRow:][:n]
		for i, v := range src[r*srcRow:][:n] {
			to[i] += v
		}
	}
}

func scalarTranspose(t, x []float32, rows, cols int) {
	const block = 16 // both sides stay in the nearest cache
	for r0 := 0; r0 < rows; r0 += block {
		for c0 := 0; c0 < cols; c0 += block {
			for r := r0; r < min(r0+block, rows); r++ {
				for c := c0; c < min(c0+block, cols); c++ {
					t[c*rows+r] = x[r*cols+c]
				}
			}
		}
	}
}

// MaxPool writes the max of each channel in every window to y, [out height, out
// width, channels], and its index in x to where, of the same shape. The first of
// equal values counts. NaN is above every value, so that divergence reaches y.
func MaxPool(y []float32, where []int32, x []float32, g *Window) {
	y, x = cut(y, g.Places()*g.Channels), cut(x, g.Image())
	where = where[:len(y)]
	line := g.Width * g.Channels
	for oy := range g.OutHeight {
		y0 := oy*g.Stride - g.Top
		ylo, yhi := span(y0, g.Size, g.Height)
		for ox := range g.OutWidth {
			x0 := ox*g.Stride - g.Left
			xlo, xhi := span(x0, g.Size, g.Width)
			at := (oy*g.OutWidth + ox) * g.Channels
			best, place := y[at:][:g.Channels], where[at:][:g.Channels]
			if ylo < yhi && xlo < xhi && g.Channels > 0 {
				maxWindow(best, place, x, (y0+ylo)*line+(x0+xlo)*g.Channels, yhi-ylo, xhi-xlo, line)
			}
		}
	}
}

// scalarMaxWindow is MaxPool for one window of rows by cols pixels, which begins at an
// index of x.
func scalarMaxWindow(best []float32, where []int32, x []float32, index, rows, cols, line int) {
	copy(best, x[index:])
	for c := range where {
		where[c] = int32(index + c)
	}
	for ky := range rows {
		for kx := range cols {
			from := index + ky*line + kx*len(best)
			for c, v := range x[from:][:len(best)] {
				if v > best[c] || v != v {
					best[c], where[c] = v, int32(from+c)
				}
			}
		}
	}
}

// BackMaxPool adds every element of dy to the element of dx at its maximum.
//
//	dx[where[i]] += dy[i]
func BackMaxPool(dx, dy []float32, where []int32) {
	where = where[:len(dy)]
	for i, v := range dy {
		dx[where[i]] += v
	}
}

// AveragePool writes the mean of each channel in every window to y, [out height,
// out width, channels]. Positions outside of the image are not counted.
func AveragePool(y, x []float32, g *Window) {
	y, x = cut(y, g.Places()*g.Channels), cut(x, g.Image())
	clear(y)
	average(y, x, g, false)
}

// BackAveragePool is the transpose of [AveragePool]: it adds the gradient dy of the
// means, distributed over their windows, to dx.
func BackAveragePool(dx, dy []float32, g *Window) {
	dy, dx = cut(dy, g.Places()*g.Channels), cut(dx, g.Image())
	average(dy, dx, g, true)
}

// average visits every pixel of every window. It adds the pixel's share to y or,
// in the backward pass, y's share to the pixel.
func average(y, x []float32, g *Window, back bool) {
	line := g.Width * g.Channels
	for oy := range g.OutHeight {
		y0 := oy*g.Stride - g.Top
		ylo, yhi := span(y0, g.Size, g.Height)
		for ox := range g.OutWidth {
			x0 := ox*g.Stride - g.Left
			xlo, xhi := span(x0, g.Size, g.Width)
			mean := y[(oy*g.OutWidth+ox)*g.Channels:][:g.Channels]
			scale := 1 / float32(max((yhi-ylo)*(xhi-xlo), 1))
			for ky := ylo; ky < yhi; ky++ {
				for kx := xlo; kx < xhi; kx++ {
					to, from := mean, x[(y0+ky)*line+(x0+kx)*g.Channels:][:g.Channels]
					if back {
						to, from = from, to
					}
					for c, v := range from {
						to[c] += scale * v
					}
				}
			}
		}
	}
}

package kernel

import "math"

// cut returns x[:n] and panics if len(x) < n, whatever the capacity.
func cut[T any](x []T, n int) []T {
	if uint(n) > uint(len(x)) {
		panic("kernel: a slice is shorter than its shape")
	}
	return x[:n]
}

// Forward computes a dense layer, y = x w + b, with ReLU on top if relu is
// set. x is [rows, in], w is [in, out], b is [out], y is [rows, out]; y must
// not overlap the others.
//
//	for r := range rows {
//		for o := range out {
//			sum := b[o]
//			for i := range in {
//				sum += x[r*in+i] * w[i*out+o]
//			}
//			if relu && sum < 0 {
//				sum = 0 // NaN stays, so that divergence reaches y
//			}
//			y[r*out+o] = sum
//		}
//	}
func Forward(y, x, w, b []float32, rows, in, out int, relu bool) {
	y, x, w, b = cut(y, rows*out), cut(x, rows*in), cut(w, in*out), cut(b, out)
	if rows == 0 || out == 0 {
		return
	}
	forward(y, x, w, b, rows, in, out, relu)
}

// InputGradient computes the gradient with respect to a dense layer's input,
// dx = dy w^T. dy is [rows, out], w is [in, out], dx is [rows, in]; dx must
// not overlap the others.
//
//	for r := range rows {
//		for i := range in {
//			sum := 0
//			for o := range out {
//				sum += dy[r*out+o] * w[i*out+o]
//			}
//			dx[r*in+i] = sum
//		}
//	}
func InputGradient(dx, dy, w []float32, rows, in, out int) {
	dx, dy, w = cut(dx, rows*in), cut(dy, rows*out), cut(w, in*out)
	if rows == 0 || in == 0 {
		return
	}
	inputGradient(dx, dy, w, rows, in, out)
}

// AddWeightGradient adds alpha times the gradient with respect to a dense
// layer's weights, w += alpha * x^T dy: a step of SGD with alpha = -rate, a sum of
// gradients with alpha = 1 and w a gradient. x is [rows, in], dy is [rows, out],
// w is [in, out]; w must not overlap the others.
//
//	for i := range in {
//		for o := range out {
//			sum := 0
//			for r := range rows {
//				sum += x[r*in+i] * dy[r*out+o]
//			}
//			w[i*out+o] += alpha * sum
//		}
//	}
func AddWeightGradient(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
	w, x, dy = cut(w, in*out), cut(x, rows*in), cut(dy, rows*out)
	if rows == 0 || in == 0 || out == 0 {
		return
	}
	addWeightGradient(w, alpha, x, dy, rows, in, out)
}

// AddColumnSums adds alpha times the sum of dy's rows, the gradient with
// respect to a dense layer's bias: b += alpha * 1^T dy. dy is [rows, out], b
// is [out].
//
//	for o := range out {
//		sum := 0
//		for r := range rows {
//			sum += dy[r*out+o]
//		}
//		b[o] += alpha * sum
//	}
func AddColumnSums(b []float32, alpha float32, dy []float32, rows, out int) {
	b, dy = cut(b, out), cut(dy, rows*out)
	if rows == 0 || out == 0 {
		return
	}
	addColumnSums(b, alpha, dy, rows, out)
}

// BackReLU is the backward pass of a ReLU, in place: y is the output, dx on entry
// the gradient with respect to it.
//
//	for i := range dx {
//		if y[i] <= 0 {
//			dx[i] = 0
//		}
//	}
//
// Where y is NaN, dx[i] may be either.
func BackReLU(dx, y []float32) {
	backReLU(dx, cut(y, len(dx)))
}

func scalarBackReLU(dx, y []float32) {
	for i, v := range y {
		// Branch-free, since a branch would be mispredicted: a float32 is
		// positive if its bits are, as an integer.
		mask := uint32(-int64(int32(math.Float32bits(v))) >> 63)
		dx[i] = math.Float32frombits(math.Float32bits(dx[i]) & mask)
	}
}

// Axpy adds alpha * x to y. x is at least as long as y.
//
//	for i := range y {
//		y[i] += alpha * x[i]
//	}
func Axpy(y []float32, alpha float32, x []float32) { axpy(y, alpha, cut(x, len(y))) }

// Dot returns the inner product of x and y, which have the same length. The
// relative error is that of float32 sums of 256 terms, at every length.
//
//	sum := float64(0)
//	for i := range x {
//		sum += float64(x[i]) * float64(y[i])
//	}
func Dot(x, y []float32) float64 { return dot(x, cut(y, len(x))) }

// SquaredNorm returns the squared Euclidean norm, Dot(x, x).
func SquaredNorm(x []float32) float64 { return dot(x, x) }

// SoftmaxCrossEntropy returns the sum over the rows of the cross-entropy between
// the softmax of z and the labels, and the number of rows whose largest logit (the
// first of equal ones) is at the label. z is [rows, classes]; y is [rows], integers
// with 0 <= y < classes. dz, unless nil, is set to scale times the gradient with
// respect to z; it has the shape of z and may be z.
//
//	for r := range rows {
//		zr := z[r*classes:][:classes]
//		max, top := largest of zr and its index
//		sum := float64(0)
//		for c := range classes {
//			sum += exp(zr[c] - max)
//		}
//		loss += log(sum) - (zr[y[r]] - max)
//		correct += (top == y[r])
//		for c := range classes {
//			dz[r*classes+c] = scale * (exp(zr[c]-max)/sum - (c == y[r]))
//		}
//	}
func SoftmaxCrossEntropy(dz, z []float32, y []float32, classes int, scale float32) (loss float64, correct int) {
	for r := range y {
		label := int(y[r])
		zr := z[r*classes:][:classes]
		max, top := zr[0], 0
		for c, v := range zr {
			if v > max {
				max, top = v, c
			}
		}
		if top == label {
			correct++
		}
		at := float64(zr[label] - max)
		if dz == nil {
			loss += Log(exps(nil, zr, max)) - at
			continue
		}
		dr := dz[r*classes:][:classes]
		sum := exps(dr, zr, max)
		loss += Log(sum) - at
		k := float32(float64(scale) / sum)
		for c := range dr {
			dr[c] *= k
		}
		dr[label] -= scale
	}
	return loss, correct
}

// scalarExps writes the exponentials of z - max to dst, unless that is nil, and returns
// their sum. dst may be z; max is the largest element of z, or NaN.
func scalarExps(dst, z []float32, max float32) (sum float64) {
	for c, v := range z {
		e := Exp(float64(v - max))
		sum += e
		if dst != nil {
			dst[c] = float32(e)
		}
	}
	return sum
}

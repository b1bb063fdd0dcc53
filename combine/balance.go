package combine

import "fmt"

// Mean writes the weighted mean of vectors to dst,
//
//	dst = sum_i weight_i x_i / sum_i weight_i
//
// rounded once to float32, and returns its squared norm. In dynamic averaging
// the vectors are the deltas f_i - r of the clients in B, so that the norm is
// ||mean_B - r||^2 of the model that would be sent.
//
// It adds in the order given: give the vectors in an order of their own, such
// as by client, and not as they arrive, and the same vectors have the same
// bits. weights may be nil: then all count alike. Time O(n d), memory 2 KiB.
// It returns ErrTooFew if there are no vectors and ErrParameter for a weight
// that is not positive and finite.
func Mean(dst []float32, vectors [][]float32, weights []float64) (norm2 float64, err error) {
	n := len(vectors)
	if n == 0 {
		return 0, fmt.Errorf("combine: mean: %w: 0, want at least 1", ErrTooFew)
	}
	if err := checkWeights("mean", n, weights); err != nil {
		return 0, err
	}
	checkShape("Mean", len(dst), vectors)
	total := float64(n)
	if weights != nil {
		total = 0
		for _, w := range weights {
			total += w
		}
	}
	var sums [blockWidth]float64
	for at := 0; at < len(dst); at += blockWidth {
		out := dst[at:min(at+blockWidth, len(dst))]
		clear(sums[:])
		for i, v := range vectors {
			w := 1.0
			if weights != nil {
				w = weights[i]
			}
			for j, x := range v[at:][:len(out)] {
				sums[j] += w * float64(x)
			}
		}
		for j := range out {
			out[j] = float32(sums[j] / total)
		}
	}
	return SquaredNorm(dst), nil
}

// SquaredNorm returns the sum of v[i]^2, added in float64 in an order that
// depends on the length alone.
func SquaredNorm(v []float32) float64 {
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(v); i += 4 {
		p := v[i : i+4 : i+4]
		e, f, g, h := float64(p[0]), float64(p[1]), float64(p[2]), float64(p[3])
		a += e * e
		b += f * f
		c += g * g
		d += h * h
	}
	for ; i < len(v); i++ {
		a += float64(v[i]) * float64(v[i])
	}
	return a + b + (c + d)
}

// Violates says whether a squared distance from the reference model breaks
// the condition of dynamic averaging, which is norm2 <= delta (Kamp et al.
// 2014). It is the clients' local condition and the coordinator's check of
// the mean of B. A delta of 0 lets only the reference itself pass, and one of
// +Inf everything. NaN is a violation.
func Violates(norm2, delta float64) bool { return !(norm2 <= delta) }

package combine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Krum chooses the models that lie closest to their neighbours (Blanchard,
// El Mhamdi, Guerraoui and Stainer, "Machine Learning with Adversaries:
// Byzantine Tolerant Gradient Descent", NIPS 2017):
//
//	score(i) = sum of ||x_i - x_j||^2 over the n - f - 2 models j != i nearest to i
//
// It writes the mean of the keep models with the smallest scores to dst and
// returns their indices, best first. keep = 1 is Krum, which writes that
// model itself; keep > 1 is Multi-Krum. Equal scores are settled by the
// models' values, so the result does not depend on their order; of equal
// models the one with the smallest index is named.
//
// It tolerates f bad models of n > 2f + 2. Weights are ignored. Time
// O(n^2 d), memory 8 n^2 bytes and 2 KiB for each model. It returns
// ErrTooFew unless n > 2f + 2, and ErrParameter unless f >= 0 and
// 1 <= keep <= n - f.
func Krum(dst []float32, models [][]float32, f, keep int) ([]int, error) {
	n := len(models)
	if f < 0 {
		return nil, fmt.Errorf("combine: Krum: %w: f is %d, want at least 0", ErrParameter, f)
	}
	if f > (n-3)/2 || n < 3 { // n > 2f + 2, which could overflow
		return nil, fmt.Errorf("combine: Krum: %w: %d, want more than 2 f + 2 with f = %d", ErrTooFew, n, f)
	}
	if keep < 1 || keep > n-f {
		return nil, fmt.Errorf("combine: Krum: %w: keep is %d, want 1 <= keep <= n - f = %d", ErrParameter, keep, n-f)
	}
	checkShape("Krum", len(dst), models)

	distances := pairwise(models)
	scores := make([]float64, n)
	row := make([]float64, 0, n)
	for i := range n {
		row = append(row[:0], distances[i*n:][:n]...)
		row = slices.Delete(row, i, i+1)
		slices.Sort(row)
		for _, d := range row[:n-f-2] {
			scores[i] += d
		}
	}
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = i
	}
	slices.SortStableFunc(chosen, func(i, j int) int {
		if c := cmp.Compare(scores[i], scores[j]); c != 0 {
			return c
		}
		return compareVectors(models[i], models[j])
	})
	chosen = chosen[:keep:keep]
	if keep == 1 {
		copy(dst, models[chosen[0]])
		return chosen, nil
	}
	var sums [blockWidth]float64
	for at := 0; at < len(dst); at += blockWidth {
		out := dst[at:min(at+blockWidth, len(dst))]
		clear(sums[:])
		for _, i := range chosen {
			for j, x := range models[i][at:][:len(out)] {
				sums[j] += float64(x)
			}
		}
		for j := range out {
			out[j] = float32(sums[j] / float64(keep))
		}
	}
	return chosen, nil
}

// blockWidth is the number of coordinates that pairs are compared in at a
// time: with a hundred models they fill 200 KiB, which stay in a core's
// second cache.
const blockWidth = 256

// pairwise returns the n x n matrix of squared distances, row-major. It is
// symmetric, with infinity in place of NaN.
func pairwise(models [][]float32) []float64 {
	n, d := len(models), len(models[0])
	distances := make([]float64, n*n)
	block := make([]float64, n*blockWidth)
	for at := 0; at < d; at += blockWidth {
		w := min(blockWidth, d-at)
		for i, m := range models {
			row := block[i*blockWidth:]
			for j, x := range m[at : at+w] {
				row[j] = float64(x)
			}
		}
		for i := range n {
			x := block[i*blockWidth:][:w]
			for j := range i {
				distances[i*n+j] += squaredDistance(x, block[j*blockWidth:][:w])
			}
		}
	}
	for i := range n {
		for j := range i {
			if math.IsNaN(distances[i*n+j]) {
				distances[i*n+j] = math.Inf(1)
			}
			distances[j*n+i] = distances[i*n+j]
		}
	}
	return distances
}

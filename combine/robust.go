package combine

import (
	"fmt"
	"math"
	"math/bits"
)

// The robust means of this package ignore how many examples are behind a
// model: what they tolerate is counted in clients, and a weight is only a
// client's claim. (The geometric median takes weights for callers that trust
// them.) All give the same bits in any order of the models, and all need them
// at once: n d values of memory, where averaging takes d.

// Median writes the coordinate-wise median to dst: for every coordinate the
// middle value of the models, or the mean of the middle two (Yin, Chen,
// Ramchandran and Bartlett, "Byzantine-Robust Distributed Learning", ICML
// 2018, Definition 1).
//
// With n models, fewer than n/2 bad ones leave it within the range of the
// good, coordinate by coordinate. Weights are ignored. Time O(d n log^2 n),
// memory 32 KiB beside the models. It returns ErrTooFew if there are none.
func Median(dst []float32, models [][]float32) error {
	n := len(models)
	if n == 0 {
		return fmt.Errorf("combine: median: %w: 0, want at least 1", ErrTooFew)
	}
	sortCoordinates("Median", models, len(dst), func(at int, rows [][]int32) {
		low, high := rows[(n-1)/2], rows[n/2]
		for j := range low {
			dst[at+j] = float32((float64(value(low[j])) + float64(value(high[j]))) / 2)
		}
	})
	return nil
}

// DefaultTrim is the default share that a trimmed mean leaves out on each side.
const DefaultTrim = .2

// Trimmed returns how many of n models a trimmed mean leaves out on each
// side: floor(share n). It tolerates as many bad ones.
func Trimmed(n int, share float64) int {
	// A product such as .29 x 100 is just below the whole number that is
	// meant.
	return int(math.Floor(share*float64(n) + 1e-9))
}

// TrimmedMean writes the coordinate-wise trimmed mean to dst: for every
// coordinate the mean of the models' values without the Trimmed(n, share)
// smallest and as many largest (Yin et al. 2018, Definition 2, who call the
// share beta).
//
// As many bad models leave it within the range of the good, coordinate by
// coordinate. A share of 0 is the mean of all. Weights are ignored. Time
// O(d n log^2 n), memory 32 KiB beside the models. It returns ErrTooFew if
// there are no models and ErrParameter unless 0 <= share < 1/2.
func TrimmedMean(dst []float32, models [][]float32, share float64) error {
	n := len(models)
	if n == 0 {
		return fmt.Errorf("combine: trimmed mean: %w: 0, want at least 1", ErrTooFew)
	}
	if !(share >= 0 && share < .5) {
		return fmt.Errorf("combine: trimmed mean: %w: share is %g, want 0 <= share < 0.5", ErrParameter, share)
	}
	trim := min(Trimmed(n, share), (n-1)/2)
	sums := make([]float64, 0, blockValues)
	sortCoordinates("TrimmedMean", models, len(dst), func(at int, rows [][]int32) {
		sums = sums[:len(rows[0])]
		clear(sums)
		for _, row := range rows[trim : n-trim] {
			for j, k := range row {
				sums[j] += float64(value(k))
			}
		}
		for j, s := range sums {
			dst[at+j] = float32(s / float64(n-2*trim))
		}
	})
	return nil
}

// blockValues is the number of values that are sorted at a time: 32 KiB, which
// stay in a core's first cache.
const blockValues = 8192

// sortCoordinates sorts the n models' values of every coordinate of d, block
// by block: visit gets a block's first coordinate and n rows of keys, the
// smallest values in row 0.
func sortCoordinates(name string, models [][]float32, d int, visit func(at int, rows [][]int32)) {
	checkShape(name, d, models)
	n := len(models)
	width := max(blockValues/n, 16)
	keys := make([]int32, n*min(width, d))
	rows := make([][]int32, n)
	for at := 0; at < d; at += width {
		w := min(width, d-at)
		for i, m := range models {
			rows[i] = keys[i*w:][:w:w]
			for j, x := range m[at : at+w] {
				rows[i][j] = key(x)
			}
		}
		sortRows(rows)
		visit(at, rows)
	}
}

// sortRows sorts every column of rows, upwards, by Batcher's merge exchange
// (Knuth, The Art of Computer Programming 3, Algorithm 5.2.2M). The
// comparisons are the same whatever the values, so that rows are compared
// with rows, without a branch, and no values sort slowly.
func sortRows(rows [][]int32) {
	n := len(rows)
	if n < 2 {
		return
	}
	top := 1 << (bits.Len(uint(n-1)) - 1)
	for p := top; p > 0; p /= 2 {
		r, d := 0, p
		for q := top; ; q /= 2 {
			for i := range n - d {
				if i&p == r {
					exchange(rows[i], rows[i+d])
				}
			}
			if q == p {
				break
			}
			r, d = p, q-p
		}
	}
}

// exchange puts the lesser of x[i] and y[i] into x[i] and the other into y[i].
func exchange(x, y []int32) {
	y = y[:len(x)]
	for i, a := range x {
		b := y[i]
		x[i], y[i] = min(a, b), max(a, b)
	}
}

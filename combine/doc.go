// Package combine is the arithmetic that makes one model of many: what package
// strategy decides and package run executes.
//
//	sum.go       fixed-point sums: the same bits in any order, mergeable
//	plan.go      Plan: the arithmetic of one commit, as plain data
//	noise.go     Private: a step of a Gaussian mechanism
//	radon.go     Radon points and the Radon machine
//	robust.go    coordinate-wise median and trimmed mean
//	krum.go      Krum and Multi-Krum
//	geometric.go geometric median
//	optimise.go  server optimisers on the averaged update
//	nova.go      FedNova's normalised averaging
//	balance.go   means and norms for dynamic averaging
//
// Vectors are a model's parameters or its deltas, all of one length d, as
// []float32. Sums run in float64 and are rounded once. Functions take their
// destination first; it shares no memory with what they read unless they say
// so. They start no goroutine and draw from no random source that is not
// passed in, so that the same arguments give the same bits.
//
// Lengths that differ are a bug of the caller and panic.
// Counts and parameters that a task file or a population decides are answered
// with an error. Values are taken to be finite, as the coordinator checks on
// arrival.
package combine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// checkShape panics unless all vectors have n values.
func checkShape(name string, n int, vectors [][]float32) {
	for i, v := range vectors {
		if len(v) != n {
			panic(fmt.Sprintf("combine: %s: vector %d has %d values, want %d", name, i, len(v), n))
		}
	}
}

// key maps a float32 to an integer in the same order, with -0 before 0 and
// NaNs at the two ends. value is its inverse.
func key(x float32) int32 {
	b := int32(math.Float32bits(x))
	return b ^ b>>31&math.MaxInt32
}

func value(k int32) float32 {
	return math.Float32frombits(uint32(k ^ k>>31&math.MaxInt32))
}

// compareVectors orders vectors of one length by their values, the first that
// differ deciding.
func compareVectors(x, y []float32) int {
	for i := range x {
		if c := cmp.Compare(key(x[i]), key(y[i])); c != 0 {
			return c
		}
	}
	return 0
}

// canonical returns the vectors' indices in an order that depends on nothing
// but the vectors and their weights: floating-point sums in that order have
// the same bits in whatever order the vectors came. weights may be nil.
func canonical(vectors [][]float32, weights []float64) []int {
	order := make([]int, len(vectors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		c := compareVectors(vectors[i], vectors[j])
		if c == 0 && weights != nil {
			c = cmp.Compare(weights[i], weights[j])
		}
		return c
	})
	return order
}

// squaredDistance returns the sum of (x[i] - y[i])^2. It is the same for
// (y, x), bit for bit.
func squaredDistance(x, y []float64) float64 {
	y = y[:len(x)]
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		p, q := x[i:i+4:i+4], y[i:i+4:i+4]
		e, f, g, h := p[0]-q[0], p[1]-q[1], p[2]-q[2], p[3]-q[3]
		a += e * e
		b += f * f
		c += g * g
		d += h * h
	}
	for ; i < len(x); i++ {
		e := x[i] - y[i]
		a += e * e
	}
	return a + b + (c + d)
}

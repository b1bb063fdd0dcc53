package combine

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"fedtab/learn/kernel"
)

// A Sum adds weighted vectors in 64-bit fixed point. Integer addition is
// associative, so the same contributions give the same bits in any order of
// arrival, from any number of goroutines, and however they are spread over
// several Sums that Merge brings together.
type Sum struct {
	scale  float64 // a power of two: one unit of weight x value is scale counts
	counts []int64
	weight atomic.Int64 // in units of 1/weightScale
	locks  []sync.Mutex // one for each block of counts
	turn   atomic.Uint32
}

// blockLen is the number of counts behind one lock: 32 KiB, which stays in a
// core's first cache, and few enough locks that taking them costs nothing.
const blockLen = 4096

// weightScale is exact for whole weights and keeps six digits of others.
const weightScale = 1 << 20

// NewSum returns an empty sum of vectors of n values. bound is the largest
// magnitude that weight x value can reach, summed over all contributions; it
// fixes the scale so that no count overflows, and must be under 2^46, which
// leaves a resolution of 2^-16 for weight x value.
func NewSum(n int, bound float64) (*Sum, error) {
	s := &Sum{counts: make([]int64, n), locks: make([]sync.Mutex, (n+blockLen-1)/blockLen)}
	if err := s.Reset(bound); err != nil {
		return nil, err
	}
	return s, nil
}

// Reset empties the sum and gives it another bound.
func (s *Sum) Reset(bound float64) error {
	if !(bound > 0 && bound <= 1<<46) {
		return fmt.Errorf("combine: sums would reach %g, want at most 2^46: allow fewer participants or a smaller weight", bound)
	}
	_, exp := math.Frexp(bound) // bound <= 2^exp
	s.scale = math.Ldexp(1, 62-exp)
	s.Clear()
	return nil
}

// Add adds weight x v[i] to every element i. Values must be finite and,
// together with the weight, within the bound of NewSum. It may be called from
// several goroutines at once.
func (s *Sum) Add(v []float32, weight float64) { s.AddScaled(v, weight, weight) }

// AddScaled adds scale x v[i] to every element i and counts weight: a client's
// sum of gradients is added as it is, and counts as many examples as it has.
func (s *Sum) AddScaled(v []float32, scale, weight float64) {
	s.AddAll([]Addend{{v, scale, weight}})
}

// An Addend is what AddScaled takes.
type Addend struct {
	Values        []float32
	Scale, Weight float64
}

// AddAll adds several vectors as AddScaled does, block by block: each block of the sum
// is read and written once for all of them.
func (s *Sum) AddAll(addends []Addend) {
	for _, a := range addends {
		if len(a.Values) != len(s.counts) {
			panic(fmt.Sprintf("combine: Sum.Add of %d values, want %d", len(a.Values), len(s.counts)))
		}
	}
	blocks := len(s.locks)
	// Goroutines that add at the same time start at different blocks, so
	// that they seldom wait for each other.
	first := int(s.turn.Add(1)) * 7
	for b := range blocks {
		b = (first + b) % blocks
		lo := b * blockLen
		hi := min(lo+blockLen, len(s.counts))
		s.locks[b].Lock()
		for _, a := range addends {
			kernel.AddFixed(s.counts[lo:hi], a.Values[lo:hi], a.Scale*s.scale)
		}
		s.locks[b].Unlock()
	}
	for _, a := range addends {
		s.weight.Add(int64(math.RoundToEven(a.Weight * weightScale)))
	}
}

// Merge adds everything that was added to o, which must have been made with the
// same length and bound. The result has the same bits as one sum of all the
// contributions. Nothing may be added to o meanwhile.
func (s *Sum) Merge(o *Sum) {
	if len(o.counts) != len(s.counts) || o.scale != s.scale {
		panic(fmt.Sprintf("combine: Sum.Merge of %d values at scale %g, want %d at %g", len(o.counts), o.scale, len(s.counts), s.scale))
	}
	for b := range s.locks {
		lo := b * blockLen
		hi := min(lo+blockLen, len(s.counts))
		s.locks[b].Lock()
		for i, c := range o.counts[lo:hi] {
			s.counts[lo+i] += c
		}
		s.locks[b].Unlock()
	}
	s.weight.Add(o.weight.Load())
}

// Weight returns the sum of the weights added.
func (s *Sum) Weight() float64 { return float64(s.weight.Load()) / weightScale }

// Mean writes base + rate x (weighted mean) to dst, rounded once to float32.
// dst may be base. It is an error when nothing has been added.
func (s *Sum) Mean(dst, base []float32, rate float64) error {
	w := s.Weight()
	if w <= 0 {
		return fmt.Errorf("combine: mean of no contributions")
	}
	factor := rate / (w * s.scale)
	for i, c := range s.counts {
		// The conversion keeps the product from being fused into the sum.
		step := float64(float64(c) * factor)
		dst[i] = float32(float64(base[i]) + step)
	}
	return nil
}

// Clear empties the sum.
func (s *Sum) Clear() {
	clear(s.counts)
	s.weight.Store(0)
}

package data

import (
	"math"
	"slices"
)

// Statistics counts the labels of every part: result[k][c] examples of part k
// have label c.
func Statistics(parts [][]int32, labels []uint8, classes int) [][]int {
	counts := make([][]int, len(parts))
	for k, part := range parts {
		counts[k] = make([]int, classes)
		for _, i := range part {
			counts[k][labels[i]]++
		}
	}
	return counts
}

// Count returns how many labels are of each class.
func Count(labels []uint8, classes int) []int {
	counts := make([]int, classes)
	for _, y := range labels {
		counts[y]++
	}
	return counts
}

// BalancedWeights returns a weight for each class, by which its examples count as much
// as those of any other class together: n/(k n_c) for class c, which n_c of the n
// labels are of; k is the number of classes that have examples. The mean weight of the
// examples is 1. A class without examples has weight 1.
func BalancedWeights(labels []uint8, classes int) []float32 {
	counts := Count(labels, classes)
	present := 0
	for _, n := range counts {
		if n > 0 {
			present++
		}
	}
	weights := make([]float32, classes)
	for c, n := range counts {
		weights[c] = 1
		if n > 0 {
			weights[c] = float32(float64(len(labels)) / (float64(present) * float64(n)))
		}
	}
	return weights
}

// Skew measures how much the parts of a partition differ.
type Skew struct {
	Clients                         int
	SmallestSize, LargestSize       int
	MedianSize                      float64
	FewestClasses, MostClasses      int     // of one client
	MeanClasses                     float64 // 0 without labels
	MeanVariation, LargestVariation float64 // total variation distance of a client's class distribution from that of all examples
	EffectiveClients                float64 // (sum of sizes)^2 / (sum of squared sizes); equals Clients if all sizes are equal
}

// MeasureSkew measures parts; it needs at least one. counts is the result of
// Statistics for them, or nil if the examples have no labels.
//
// The total variation distance of two distributions is half the sum of the
// absolute differences of their probabilities: 0 if they are equal, 1 if no class
// is in both.
func MeasureSkew(parts [][]int32, counts [][]int) Skew {
	sizes := make([]int, len(parts))
	sum, squares := 0.0, 0.0
	for k, p := range parts {
		sizes[k] = len(p)
		sum += float64(len(p))
		squares += float64(len(p)) * float64(len(p))
	}
	slices.Sort(sizes)
	n := len(sizes)
	s := Skew{
		Clients: n, SmallestSize: sizes[0], LargestSize: sizes[n-1],
		MedianSize: float64(sizes[(n-1)/2]+sizes[n/2]) / 2,
	}
	if squares > 0 {
		s.EffectiveClients = sum * sum / squares
	}
	if len(counts) == 0 {
		return s
	}
	all := make([]int, len(counts[0]))
	for _, of := range counts {
		for c, x := range of {
			all[c] += x
		}
	}
	s.FewestClasses = len(all)
	for _, of := range counts {
		have := len(of)
		for _, x := range of {
			if x == 0 {
				have--
			}
		}
		s.FewestClasses, s.MostClasses = min(s.FewestClasses, have), max(s.MostClasses, have)
		s.MeanClasses += float64(have)
		v := Variation(of, all)
		s.MeanVariation += v
		s.LargestVariation = max(s.LargestVariation, v)
	}
	s.MeanClasses /= float64(n)
	s.MeanVariation /= float64(n)
	return s
}

// Variation returns the total variation distance of two distributions, given by
// counts of equal length. It is 0 if all counts of one are 0.
func Variation(a, b []int) float64 {
	var na, nb float64
	for i := range a {
		na += float64(a[i])
		nb += float64(b[i])
	}
	if na == 0 || nb == 0 {
		return 0
	}
	d := 0.0
	for i := range a {
		d += math.Abs(float64(a[i])/na - float64(b[i])/nb)
	}
	return d / 2
}

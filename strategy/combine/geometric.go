package combine

import (
	"fmt"
	"math"
	"slices"
)

// Constants of the geometric median, in units of the models' typical
// distance, which is the weighted median of their distances from the
// coordinate-wise median.
const (
	// weiszfeldSmoothing is the distance below which a model pulls no
	// harder.
	weiszfeldSmoothing = 1e-6
	// weiszfeldStop is the length of the step after which no other is made.
	weiszfeldStop = 1e-8
	// weiszfeldSteps is the number of steps after which none is made.
	weiszfeldSteps = 200
)

// GeometricMedian writes the point z with the least sum of distances
// sum_i weight_i ||z - x_i|| to dst, by the smoothed Weiszfeld algorithm
// (Pillutla, Kakade and Harchaoui, "Robust Aggregation for Federated
// Learning", 2022, Algorithm 2):
//
//	w_i = weight_i / max(nu, ||z - x_i||);  z = sum w_i x_i / sum w_i
//
// It begins at the coordinate-wise median, which few bad models do not move
// far; with s the weighted median of the distances from there, nu is 1e-6 s,
// and it stops after a step no longer than 1e-8 s or after 200 steps. It
// returns the number of steps. If s is 0, half of the weight lies in one
// point, which is a geometric median.
//
// With a share a < 1/2 of the weight behind bad models and all good ones
// within R of a point, it stays within R (1-a)/sqrt(1-2a) of that point
// (Minsker, "Geometric median and robust estimation in Banach spaces", 2015,
// Lemma 2.1); it may leave the range of the good in single coordinates.
//
// weights may be nil: then models count alike and a is a share of the
// clients. Each step takes O(n d); memory is 8 d bytes beside the models. It
// returns ErrTooFew if there are no models, and ErrParameter for a weight
// that is not positive and finite.
func GeometricMedian(dst []float32, models [][]float32, weights []float64) (steps int, err error) {
	n, d := len(models), len(dst)
	if err := checkWeights("geometric median", n, weights); err != nil {
		return 0, err
	}
	if err := Median(dst, models); err != nil {
		return 0, err
	}
	g := weiszfeld{
		z: make([]float64, d), pull: make([]float64, n), distances: make([]float64, n),
		models: make([][]float32, n), weights: make([]float64, n),
	}
	for to, from := range canonical(models, weights) {
		g.models[to], g.weights[to] = models[from], 1
		if weights != nil {
			g.weights[to] = weights[from]
		}
	}
	for j, x := range dst {
		g.z[j] = float64(x)
	}
	g.measure()
	s := weightedMedian(g.distances, g.weights)
	for s > 0 && steps < weiszfeldSteps {
		steps++
		if g.step(weiszfeldSmoothing*s) <= weiszfeldStop*s {
			break
		}
	}
	for j, x := range g.z {
		dst[j] = float32(x)
	}
	return steps, nil
}

// weiszfeld is the state of the iteration.
type weiszfeld struct {
	models    [][]float32 // in canonical order
	weights   []float64
	z         []float64
	distances []float64 // of the models from z
	pull      []float64
}

// measure computes the distances.
func (g *weiszfeld) measure() {
	for i, m := range g.models {
		g.distances[i] = math.Sqrt(squaredGap(m, g.z))
	}
}

// step moves z and returns how far. It passes over the models once: a block of
// the new z is made and the distances from it are taken while it is in the
// cache.
func (g *weiszfeld) step(nu float64) float64 {
	var total float64
	for i, d := range g.distances {
		g.pull[i] = g.weights[i] / max(nu, d)
		total += g.pull[i]
	}
	for i := range g.pull {
		g.pull[i] /= total
	}
	clear(g.distances)
	var moved float64
	var next [blockWidth]float64
	for at := 0; at < len(g.z); at += blockWidth {
		z := g.z[at:min(at+blockWidth, len(g.z))]
		next := next[:len(z)]
		clear(next)
		for i, m := range g.models {
			p := g.pull[i]
			for j, x := range m[at:][:len(next)] {
				next[j] += p * float64(x)
			}
		}
		moved += squaredDistance(z, next)
		copy(z, next)
		for i, m := range g.models {
			g.distances[i] += squaredGap(m[at:][:len(z)], z)
		}
	}
	for i, d := range g.distances {
		g.distances[i] = math.Sqrt(d)
	}
	return math.Sqrt(moved)
}

// squaredGap returns the sum of (x[i] - z[i])^2.
func squaredGap(x []float32, z []float64) float64 {
	z = z[:len(x)]
	var a, b float64
	i := 0
	for ; i+2 <= len(x); i += 2 {
		e, f := float64(x[i])-z[i], float64(x[i+1])-z[i+1]
		a += e * e
		b += f * f
	}
	if i < len(x) {
		e := float64(x[i]) - z[i]
		a += e * e
	}
	return a + b
}

// weightedMedian returns the least of the values up to which half of the
// weight lies.
func weightedMedian(values, weights []float64) float64 {
	order := make([]int, len(values))
	var total float64
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case values[i] < values[j]:
			return -1
		case values[i] > values[j]:
			return 1
		}
		return 0
	})
	var below float64
	for _, i := range order {
		if below += weights[i]; below >= total/2 {
			return values[i]
		}
	}
	return values[order[len(order)-1]]
}

// checkWeights reports weights that are not positive and finite. It panics
// unless there are none or n.
func checkWeights(name string, n int, weights []float64) error {
	if weights == nil {
		return nil
	}
	if len(weights) != n {
		panic(fmt.Sprintf("combine: %s of %d vectors with %d weights", name, n, len(weights)))
	}
	for i, w := range weights {
		if !(w > 0) || math.IsInf(w, 0) {
			return fmt.Errorf("combine: %s: %w: weight %d is %g, want above 0 and finite", name, ErrParameter, i, w)
		}
	}
	return nil
}

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

// GeometricMedian writes the point z with the smallest sum of distances
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
// point, which is a geometric median. A model that pulls as hard as all others
// together is either the median or left (Vardi and Zhang, "The
// multivariate L1-median and associated data depth", 2000), for near a model
// the steps are short whether it is the median or not. Among models spread in
// many dimensions it makes about ten steps. Few models that almost balance each
// other near a line can take more than 200; then the result is the better of z
// and the best of the models, whose sum of distances is within a thousandth of
// the smallest.
//
// With a share a < 1/2 of the weight behind bad models and all good ones
// within R of a point, it stays within R (1-a)/sqrt(1-2a) of that point
// (Minsker, "Geometric median and robust estimation in Banach spaces", 2015,
// Lemma 2.1); it may leave the range of the good in single coordinates.
//
// weights may be nil: then models count alike and a is a share of the
// clients. Time is O(n d) a step, and O(n^2 d) after 200 of them; memory is 24 d
// bytes beside the models, and what Krum takes after 200 steps. It returns
// ErrTooFew if there are no models, and ErrParameter for a weight that is not
// positive and finite.
func GeometricMedian(dst []float32, models [][]float32, weights []float64) (steps int, err error) {
	n, d := len(models), len(dst)
	if err := checkWeights("geometric median", n, weights); err != nil {
		return 0, err
	}
	if err := Median(dst, models); err != nil {
		return 0, err
	}
	g := weiszfeld{z: make([]float64, d)}
	for _, i := range canonical(models, weights) {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		if last := len(g.models) - 1; last >= 0 && compareVectors(models[i], g.models[last]) == 0 {
			g.weights[last] += w // equal models are one
			continue
		}
		g.models, g.weights = append(g.models, models[i]), append(g.weights, w)
	}
	g.distances, g.pull = make([]float64, len(g.models)), make([]float64, len(g.models))
	for j, x := range dst {
		g.z[j] = float64(x)
	}
	g.measure()
	s := weightedMedian(g.distances, g.weights)
	tested := make([]bool, len(g.models))
	for s > 0 && steps < weiszfeldSteps {
		steps++
		moved := g.step(weiszfeldSmoothing * s)
		if k := g.strongest(); g.pull[k] >= .5 && !tested[k] {
			tested[k] = true
			if g.test(k) {
				copy(dst, g.models[k])
				return steps, nil
			}
			continue
		}
		if moved <= weiszfeldStop*s {
			break
		}
	}
	if steps == weiszfeldSteps {
		if k, sum := g.bestModel(); sum < g.objective() {
			copy(dst, g.models[k])
			return steps, nil
		}
	}
	for j, x := range g.z {
		dst[j] = float32(x)
	}
	return steps, nil
}

// weiszfeld is the state of the iteration.
type weiszfeld struct {
	models    [][]float32 // in canonical order, each once
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

// strongest returns the model that pulled hardest in the last step.
func (g *weiszfeld) strongest() int {
	k := 0
	for i, p := range g.pull {
		if p > g.pull[k] {
			k = i
		}
	}
	return k
}

// test says whether model k is a geometric median: whether the others, each
// drawing towards itself with its weight, cannot outweigh it.
//
//	R = sum_{i != k} weight_i (x_i - x_k) / ||x_i - x_k||
//	||R|| <= weight_k
//
// If they can, it moves z to where they draw it from x_k, if that is better:
//
//	z = x_k + (1 - weight_k/||R||) R / sum_{i != k} weight_i / ||x_i - x_k||
func (g *weiszfeld) test(k int) bool {
	at, force := make([]float64, len(g.z)), make([]float64, len(g.z))
	for j, x := range g.models[k] {
		at[j] = float64(x)
	}
	var own, total float64
	for i, m := range g.models {
		d := math.Sqrt(squaredGap(m, at))
		if d == 0 { // k itself, or one that differs in the sign of a zero
			own += g.weights[i]
			continue
		}
		w := g.weights[i] / d
		total += w
		for j, x := range m {
			force[j] += w * (float64(x) - at[j])
		}
	}
	var norm float64
	for _, f := range force {
		norm += f * f
	}
	norm = math.Sqrt(norm)
	if norm <= own {
		return true
	}
	before := g.objective()
	for j, f := range force {
		at[j] += (1 - own/norm) * f / total
	}
	g.z, at = at, g.z
	g.measure()
	if g.objective() > before {
		g.z = at
		g.measure()
	}
	return false
}

// bestModel returns the model with the smallest weighted sum of distances, and
// that sum.
func (g *weiszfeld) bestModel() (best int, smallest float64) {
	n := len(g.models)
	squares := pairwise(g.models)
	smallest = math.Inf(1)
	for k := range n {
		var sum float64
		for i, s := range squares[k*n:][:n] {
			sum += g.weights[i] * math.Sqrt(s)
		}
		if sum < smallest {
			best, smallest = k, sum
		}
	}
	return best, smallest
}

// objective returns the weighted sum of the distances.
func (g *weiszfeld) objective() float64 {
	var sum float64
	for i, d := range g.distances {
		sum += g.weights[i] * d
	}
	return sum
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

// weightedMedian returns the smallest of the values up to which half of the
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

package combine

import (
	"fmt"
	"math"
	"slices"
)

// FedNova (Wang, Liu, Liang, Joshi and Poor, "Tackling the Objective
// Inconsistency Problem in Heterogeneous Federated Optimization", NeurIPS
// 2020) divides a client's delta by the norm of its local work before
// averaging, so that a client with more steps does not pull the model towards
// its own minimum:
//
//	next = base + (sum_k p_k a_k) sum_k p_k delta_k / a_k,   p_k = n_k / sum_j n_j
//
// where n_k counts examples and a_k is the sum of the factors with which
// client k's gradients enter its delta: SGDNorm, MomentumNorm or
// ProximalNorm. If all a_k are equal, it is federated averaging.
//
// It is linear: add the deltas with NovaWeight, and NovaRate times their
// weighted mean is the pseudo-gradient.

// SGDNorm returns a_k for plain local SGD: the number of steps.
func SGDNorm(steps int) float64 {
	checkSteps(steps)
	return float64(steps)
}

// MomentumNorm returns a_k for local SGD with momentum 0 <= rho < 1, in the
// form v = rho v + g; w -= lr v from v = 0:
//
//	a_k = sum_{s=1}^{steps} (1 - rho^s)/(1 - rho) = (steps - rho (1 - rho^steps)/(1 - rho)) / (1 - rho)
//
// rho of 0 gives SGDNorm.
func MomentumNorm(steps int, rho float64) float64 {
	checkSteps(steps)
	if !(rho >= 0 && rho < 1) {
		panic(fmt.Sprintf("combine: MomentumNorm with momentum %g, want 0 <= rho < 1", rho))
	}
	n := float64(steps)
	return (n - rho*(1-math.Pow(rho, n))/(1-rho)) / (1 - rho)
}

// ProximalNorm returns a_k for local SGD with FedProx's proximal term, where
// shrink = lr mu, 0 <= shrink < 1:
//
//	a_k = sum_{s=0}^{steps-1} (1 - shrink)^s = (1 - (1 - shrink)^steps) / shrink
//
// shrink of 0 gives SGDNorm.
func ProximalNorm(steps int, shrink float64) float64 {
	checkSteps(steps)
	if !(shrink >= 0 && shrink < 1) {
		panic(fmt.Sprintf("combine: ProximalNorm with lr mu of %g, want 0 <= lr mu < 1", shrink))
	}
	if shrink == 0 {
		return float64(steps)
	}
	// 1 - (1-shrink)^steps without cancellation
	return -math.Expm1(float64(steps)*math.Log1p(-shrink)) / shrink
}

func checkSteps(steps int) {
	if steps < 1 {
		panic(fmt.Sprintf("combine: the norm of %d local steps, want at least 1", steps))
	}
}

// NovaWeight returns the weight that a client's delta enters the sum with:
// n_k / a_k.
func NovaWeight(examples, norm float64) float64 { return examples / norm }

// NovaRate returns what the weighted mean of the deltas is multiplied with:
//
//	(sum_k n_k a_k) W / (sum_k n_k)^2
//
// examples holds n_k, norms a_k, in any order of the clients (the result is
// the same, bit for bit), and weight is W = sum_k n_k / a_k as the sum that
// took the deltas has rounded it (Sum.Weight), so that W cancels.
// It panics unless there are as many norms as examples, and at least one.
func NovaRate(examples, norms []float64, weight float64) float64 {
	if len(examples) != len(norms) || len(examples) == 0 {
		panic(fmt.Sprintf("combine: NovaRate of %d clients with %d norms", len(examples), len(norms)))
	}
	products := make([]float64, len(norms))
	for k, a := range norms {
		products[k] = examples[k] * a
	}
	n := sum(examples)
	return sum(products) * weight / (n * n)
}

// sum adds values in ascending order.
func sum(values []float64) float64 {
	var s float64
	for _, v := range slices.Sorted(slices.Values(values)) {
		s += v
	}
	return s
}

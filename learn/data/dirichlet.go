package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"fedtab/learn/rng"
)

// Dirichlet draws, for every class, the clients' shares of that class from the
// symmetric Dirichlet distribution Dir(alpha, ..., alpha) over the clients
// (Yurochkin et al., "Bayesian nonparametric federated learning of neural
// networks", ICML 2019; also NIID-Bench's "noniid-labeldir" and Flower's
// DirichletPartitioner). Clients differ in their classes and in their sizes, the
// more the smaller alpha is; a large alpha approaches IID.
//
// An empty part takes one example from the largest part. NIID-Bench and Flower
// draw all shares again instead, until every client has 10 examples.
func Dirichlet(labels []uint8, classes, clients int, alpha float64, seed uint64) ([][]int32, error) {
	of, err := checkDirichlet(labels, classes, clients, alpha)
	if err != nil {
		return nil, err
	}
	parts := make([][]int32, clients)
	share := make([]float64, clients)
	for c, class := range of[:classes] {
		r := rng.Stream(seed, "dirichlet", uint64(c))
		dirichlet(share, alpha, r)
		r.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
		from, below := 0, 0.0
		for k := range parts {
			below += share[k]
			to := len(class)
			if k < clients-1 {
				to = min(max(int(math.Round(below*float64(len(class)))), from), len(class))
			}
			parts[k] = append(parts[k], class[from:to]...)
			from = to
		}
	}
	for k := range parts {
		if len(parts[k]) > 0 {
			continue
		}
		largest := 0
		for j := range parts {
			if len(parts[j]) > len(parts[largest]) {
				largest = j
			}
		}
		last := len(parts[largest]) - 1
		parts[k] = []int32{parts[largest][last]}
		parts[largest] = parts[largest][:last]
	}
	return parts, nil
}

// DirichletClients draws, for every client, its class distribution q from
// Dir(alpha * p), where p is the class distribution of all examples (Hsu, Qi and
// Brown, "Measuring the effects of non-identical data distribution for federated
// visual classification", 2019). Clients differ in their classes alone: sizes
// differ by at most one. A small alpha gives a client one class, a large one
// approaches IID.
//
// alpha is the sum of the distribution's parameters: with ten equally frequent
// classes, alpha 10 is what a symmetric Dir(1, ..., 1) is.
//
// The clients take turns in drawing one example each, without replacement: first
// the class, by q, then the example. Where a class has no examples left, q is
// renormalised over the other classes; taking turns spreads that over all clients
// instead of the last ones.
func DirichletClients(labels []uint8, classes, clients int, alpha float64, seed uint64) ([][]int32, error) {
	of, err := checkDirichlet(labels, classes, clients, alpha)
	if err != nil {
		return nil, err
	}
	n := len(labels)
	order := rng.Stream(seed, "dirichlet clients order")
	var left [][]int32  // the examples that no client has, by class
	var prior []float64 // the class distribution of all examples
	for _, class := range of {
		if len(class) > 0 {
			order.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
			left, prior = append(left, class), append(prior, float64(len(class))/float64(n))
		}
	}
	draws := make([]mixture, clients)
	for k := range draws {
		r := rng.Stream(seed, "dirichlet clients", uint64(k))
		m := mixture{r: r, log: make([]float64, len(left)), sum: make([]float64, len(left))}
		for c, p := range prior {
			// The logarithm of a Gamma number is -Inf where alpha * p is below 1e-306.
			m.log[c] = max(logGamma(alpha*p, r), -math.MaxFloat64)
		}
		m.normalise(left)
		draws[k] = m
	}
	parts := make([][]int32, clients)
	for i := range n {
		k := i % clients
		c := draws[k].class(left)
		last := len(left[c]) - 1
		parts[k] = append(parts[k], left[c][last])
		left[c] = left[c][:last]
	}
	return parts, nil
}

// mixture is a client's class distribution.
type mixture struct {
	r   *rand.Rand
	log []float64 // logarithm of each class's probability, up to a constant
	sum []float64 // cumulative probabilities, up to a factor, of the classes that had examples left
}

// normalise computes the cumulative probabilities over the classes that have
// examples left.
func (m *mixture) normalise(left [][]int32) {
	largest := math.Inf(-1)
	for c, l := range m.log {
		if len(left[c]) > 0 {
			largest = max(largest, l)
		}
	}
	sum := 0.0
	for c, l := range m.log {
		if len(left[c]) > 0 {
			sum += math.Exp(l - largest)
		}
		m.sum[c] = sum
	}
}

// class draws a class that has examples left. At least one must have.
func (m *mixture) class(left [][]int32) int {
	for {
		u := m.r.Float64() * m.sum[len(m.sum)-1]
		c := sort.Search(len(m.sum), func(c int) bool { return m.sum[c] > u })
		if c < len(left) && len(left[c]) > 0 {
			return c
		}
		m.normalise(left)
	}
}

// DirichletSizes gives every client a random sample whose size is drawn from the
// symmetric Dirichlet distribution over the clients (quantity skew of Li, Diao,
// Chen and He, "Federated learning on non-IID data silos", ICDE 2022). The smaller
// alpha is, the more the sizes differ. Every client gets at least one example.
func DirichletSizes(n, clients int, alpha float64, seed uint64) ([][]int32, error) {
	if err := check(n, clients); err != nil {
		return nil, err
	}
	if err := checkAlpha(alpha); err != nil {
		return nil, err
	}
	r := rng.Stream(seed, "dirichlet sizes")
	share := make([]float64, clients)
	dirichlet(share, alpha, r)
	return sized(n, share, r), nil
}

// checkDirichlet checks the arguments of a division by classes, and returns the
// examples of each label.
func checkDirichlet(labels []uint8, classes, clients int, alpha float64) (of [256][]int32, err error) {
	if err := check(len(labels), clients); err != nil {
		return of, err
	}
	if err := checkAlpha(alpha); err != nil {
		return of, err
	}
	if classes < 0 || classes > len(of) {
		return of, fmt.Errorf("data: classes is %d, want 0 to %d: %w", classes, len(of), ErrSettings)
	}
	of = byLabel(labels)
	for c := classes; c < len(of); c++ {
		if len(of[c]) > 0 {
			return of, fmt.Errorf("data: example %d has label %d, want less than %d: %w", of[c][0], c, classes, ErrSettings)
		}
	}
	return of, nil
}

func checkAlpha(alpha float64) error {
	if !(alpha > 0) || math.IsInf(alpha, 1) {
		return fmt.Errorf("data: alpha is %v, want a finite number > 0: %w", alpha, ErrSettings)
	}
	return nil
}

// dirichlet draws p from the symmetric Dirichlet distribution: independent
// Gamma(alpha, 1) numbers divided by their sum. It computes with logarithms,
// because all of the numbers may underflow to 0 where alpha is small.
func dirichlet(p []float64, alpha float64, r *rand.Rand) {
	largest := math.Inf(-1)
	for k := range p {
		p[k] = logGamma(alpha, r)
		largest = max(largest, p[k])
	}
	sum := 0.0
	for k := range p {
		p[k] = math.Exp(p[k] - largest)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
}

// logGamma draws the logarithm of a Gamma(alpha, 1) number by the rejection
// method of Marsaglia and Tsang ("A simple method for generating gamma
// variables", ACM Transactions on Mathematical Software 26, 2000). For alpha < 1
// it uses their remark that Gamma(alpha) is Gamma(alpha+1) * U^(1/alpha).
func logGamma(alpha float64, r *rand.Rand) float64 {
	if alpha < 1 {
		u := 1 - r.Float64() // in (0, 1]
		return logGamma(alpha+1, r) + math.Log(u)/alpha
	}
	d := alpha - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		u := 1 - r.Float64()
		if math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return math.Log(d) + math.Log(v)
		}
	}
}

package dataset

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// maxFedProx is the max number of examples times features of generator fedprox, in which a
// client may have thousands of examples: 256 MB.
const maxFedProx = 1 << 26

// sample is what a generator makes: examples, and their classes or targets.
type sample struct {
	features int
	x        []float32 // [n, features]
	y        []uint8   // [n]; nil for a regression
	targets  []float32 // [n]; nil with classes
}

func (s *sample) len() int { return len(s.x) / s.features }

// generate makes the data of a task with source synthetic.
func generate(t *task.Task) (*Dataset, error) {
	g := t.Data.Generator
	seed := cmp.Or(g.Seed, t.DataSeed())
	stream := rng.Stream(seed, "generator "+g.Kind)
	d := &Dataset{Public: true}
	var s *sample
	var what string
	switch g.Kind {
	case task.Moons:
		s, what = moons(g.Examples, *g.Noise, stream), "two moons"
	case task.Blobs:
		s, what = blobs(g.Examples, g.Features, g.Classes, g.Spread, stream), fmt.Sprintf("%d blobs", g.Classes)
	case task.Linear:
		s, d.Optimum = linear(g.Examples, g.Features, *g.Noise, stream)
		what = "linear regression"
		d.Notes = append(d.Notes, fmt.Sprintf("optimum: weights %s, bias 0, where the RMSE is %g", shownWeights(d.Optimum), *g.Noise))
	case task.FedProx:
		return generateClients(t, seed)
	default:
		return nil, fmt.Errorf("data.generator.kind is %q, want a generator", g.Kind)
	}
	train, test, err := data.Holdout(s.len(), t.Data.Holdout, rng.Derive(t.DataSeed(), "holdout"))
	if err != nil {
		return nil, fmt.Errorf("data.holdout: %w", err)
	}
	return d, d.take(s, what, train, test, g.Classes)
}

// take makes the sets of a sample. classes is 0 for two classes, and for a regression.
func (d *Dataset) take(s *sample, what string, train, test []int32, classes int) (err error) {
	if s.y != nil {
		classes = max(classes, 2)
	}
	if d.Train, err = s.set(train, classes); err != nil {
		return err
	}
	if d.Test, err = s.set(test, classes); err != nil {
		return err
	}
	d.plain()
	d.Summary = fmt.Sprintf("synthetic data, %s: %d examples of %d features, %d more for testing", what, len(train), s.features, len(test))
	return nil
}

// set returns the examples index.
func (s *sample) set(index []int32, classes int) (*data.Set, error) {
	x := make([]float32, 0, len(index)*s.features)
	var y []uint8
	var targets []float32
	for _, i := range index {
		x = append(x, s.x[int(i)*s.features:][:s.features]...)
		if s.y == nil {
			targets = append(targets, s.targets[i])
		} else {
			y = append(y, s.y[i])
		}
	}
	if s.y == nil {
		return data.NewMeasured([]int{s.features}, x, targets)
	}
	return data.NewLabelled([]int{s.features}, x, y, classes)
}

// moons makes two half circles that interleave, as scikit-learn's make_moons: the first
// around (0, 0), the second, upside down, around (1, 0.5). noise is the standard deviation
// of what is added to both coordinates.
func moons(n int, noise float64, r *rand.Rand) *sample {
	s := &sample{features: 2}
	for i := range n {
		sin, cos := math.Sincos(math.Pi * r.Float64())
		if i%2 == 1 {
			sin, cos = .5-sin, 1-cos
		}
		s.x = append(s.x, float32(cos+noise*r.NormFloat64()), float32(sin+noise*r.NormFloat64()))
		s.y = append(s.y, uint8(i%2))
	}
	return s
}

// blobs makes a Gaussian of standard deviation spread for each class, around a centre that
// is uniform in [-10, 10] along each feature, as scikit-learn's make_blobs.
func blobs(n, features, classes int, spread float64, r *rand.Rand) *sample {
	centres := make([]float64, classes*features)
	for i := range centres {
		centres[i] = 20*r.Float64() - 10
	}
	s := &sample{features: features}
	for i := range n {
		class := i % classes
		for _, c := range centres[class*features:][:features] {
			s.x = append(s.x, float32(c+spread*r.NormFloat64()))
		}
		s.y = append(s.y, uint8(class))
	}
	return s
}

// linear makes a regression y = w.x + noise, w and x drawn from N(0, 1), and returns w.
func linear(n, features int, noise float64, r *rand.Rand) (s *sample, w []float32) {
	for range features {
		w = append(w, float32(r.NormFloat64()))
	}
	s = &sample{features: features}
	for range n {
		y := 0.
		for j := range features {
			x := float32(r.NormFloat64())
			s.x = append(s.x, x)
			y += float64(w[j]) * float64(x)
		}
		s.targets = append(s.targets, float32(y+noise*r.NormFloat64()))
	}
	return s, w
}

// shownWeights returns the first weights as a text.
func shownWeights(w []float32) string {
	const maxShown = 10
	text := fmt.Sprintf("%.4g", w[:min(len(w), maxShown)])
	if more := len(w) - maxShown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// generateClients makes Synthetic(alpha, beta) of Li, Sahu, Zaheer, Sanjabi, Talwalkar and
// Smith, "Federated optimization in heterogeneous networks" (2020), section 5.1: each
// client has a model and a distribution of features of its own. As in the authors' code,
// alpha and beta are standard deviations, and sizes are int(lognormal(4, 2)) + 50. Client k
// is the same whatever the number of clients. Each holds out a share of its examples.
func generateClients(t *task.Task, seed uint64) (*Dataset, error) {
	g, clients := t.Data.Generator, t.Data.Partition.Clients
	streams, sizes, n := make([]*rand.Rand, clients), make([]int, clients), 0
	for k := range sizes {
		streams[k] = rng.Stream(seed, "generator fedprox", uint64(k))
		sizes[k] = int(min(math.Exp(4+2*streams[k].NormFloat64()), maxFedProx)) + 50
		n += sizes[k]
		if n > maxFedProx/task.FedProxFeatures {
			return nil, fmt.Errorf("data.generator: %d of %d clients have %d examples of %d features, want at most %d examples: fewer clients, or another seed",
				k+1, clients, n, task.FedProxFeatures, maxFedProx/task.FedProxFeatures)
		}
	}
	s := &sample{features: task.FedProxFeatures, x: make([]float32, 0, n*task.FedProxFeatures), y: make([]uint8, 0, n)}
	d := &Dataset{Public: true}
	var train, test []int32
	for k, size := range sizes {
		first := int32(s.len())
		s.client(size, g.Alpha, g.Beta, streams[k])
		mine, held, err := data.Holdout(size, t.Data.Holdout, rng.Derive(t.DataSeed(), "holdout of a client", uint64(k)))
		if err != nil {
			return nil, fmt.Errorf("data.holdout: client %d: %w", k, err)
		}
		var shard []int32 // indices into the training set
		for _, i := range mine {
			shard = append(shard, int32(len(train)))
			train = append(train, first+i)
		}
		d.clients = append(d.clients, shard)
		for _, i := range held {
			test = append(test, first+i)
		}
	}
	return d, d.take(s, fmt.Sprintf("Synthetic(%g, %g)", g.Alpha, g.Beta), train, test, task.FedProxClasses)
}

// client adds n examples of a client:
//
//	u ~ N(0, alpha), W and b ~ N(u, 1), B ~ N(0, beta), v ~ N(B, 1),
//	x ~ N(v, diag(j^-1.2)), y = argmax softmax(W x + b)
func (s *sample) client(n int, alpha, beta float64, r *rand.Rand) {
	const features, classes = task.FedProxFeatures, task.FedProxClasses
	normal := func(mean, deviation float64) float64 { return mean + deviation*r.NormFloat64() }
	u, around := normal(0, alpha), normal(0, beta)
	var w [features * classes]float64 // [features, classes]
	var b [classes]float64
	var v, deviation [features]float64
	for i := range w {
		w[i] = normal(u, 1)
	}
	for i := range b {
		b[i] = normal(u, 1)
	}
	for j := range v {
		v[j] = normal(around, 1)
		deviation[j] = math.Sqrt(math.Pow(float64(j+1), -1.2))
	}
	for range n {
		z := b
		for j := range features {
			x := normal(v[j], deviation[j])
			s.x = append(s.x, float32(x))
			for c := range classes {
				z[c] += x * w[j*classes+c]
			}
		}
		best := 0 // softmax keeps the order
		for c := range z {
			if z[c] > z[best] {
				best = c
			}
		}
		s.y = append(s.y, uint8(best))
	}
}

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

// generate makes the data of a task with source synthetic.
func generate(t *task.Task) (*Dataset, error) {
	g := t.Data.Generator
	seed := cmp.Or(g.Seed, t.DataSeed())
	stream := rng.Stream(seed, "generator "+g.Kind)
	d := &Dataset{Public: true}
	var s *data.Sample
	var what string
	switch g.Kind {
	case task.Moons:
		s, what = data.Moons(g.Examples, *g.Noise, stream), "two moons"
	case task.Blobs:
		s, what = data.Blobs(g.Examples, g.Features, g.Classes, g.Spread, stream), fmt.Sprintf("%d blobs", g.Classes)
	case task.Linear:
		s, d.Optimum = linear(g.Examples, g.Features, *g.Noise, stream)
		what = "linear regression"
		d.Notes = append(d.Notes, fmt.Sprintf("optimum: weights %s, bias 0, where the RMSE is %g", shownWeights(d.Optimum), *g.Noise))
	case task.FedProx:
		return generateClients(t, seed)
	default:
		return nil, fmt.Errorf("data.generator.kind is %q, want a generator", g.Kind)
	}
	train, test, err := data.Holdout(s.Len(), t.Data.Holdout, rng.Derive(t.DataSeed(), "holdout"))
	if err != nil {
		return nil, fmt.Errorf("data.holdout: %w", err)
	}
	return d, d.take(s, what, train, test, g.Classes)
}

// take makes the sets of a sample. classes is 0 for two classes, and for a regression.
func (d *Dataset) take(s *data.Sample, what string, train, test []int32, classes int) (err error) {
	if s.Y != nil {
		classes = max(classes, 2)
	}
	if d.Train, err = s.Set(train, classes); err != nil {
		return err
	}
	if d.Test, err = s.Set(test, classes); err != nil {
		return err
	}
	d.plain()
	d.Summary = fmt.Sprintf("synthetic data, %s: %d examples of %d features, %d more for testing", what, len(train), s.Features, len(test))
	return nil
}

// linear makes a regression y = w.x + noise, w and x drawn from N(0, 1), and returns w.
func linear(n, features int, noise float64, r *rand.Rand) (s *data.Sample, w []float32) {
	for range features {
		w = append(w, float32(r.NormFloat64()))
	}
	s = &data.Sample{Features: features}
	for range n {
		y := 0.
		for j := range features {
			x := float32(r.NormFloat64())
			s.X = append(s.X, x)
			y += float64(w[j]) * float64(x)
		}
		s.Targets = append(s.Targets, float32(y+noise*r.NormFloat64()))
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
	s := &data.Sample{Features: task.FedProxFeatures, X: make([]float32, 0, n*task.FedProxFeatures), Y: make([]uint8, 0, n)}
	d := &Dataset{Public: true}
	var train, test []int32
	for k, size := range sizes {
		first := int32(s.Len())
		client(s, size, g.Alpha, g.Beta, streams[k])
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
func client(s *data.Sample, n int, alpha, beta float64, r *rand.Rand) {
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
			s.X = append(s.X, float32(x))
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
		s.Y = append(s.Y, uint8(best))
	}
}

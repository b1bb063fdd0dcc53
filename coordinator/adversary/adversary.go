// Package adversary is clients that lie, for simulations and swarms: what they do to
// their examples, and to the answers that an honest client has packed. A lie is well
// formed, within the protocol's bounds, and sent as float32, so that nothing is lost of
// it.
package adversary

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"fedtab/compress"
	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
	"fedtab/protocol"
)

// Choose returns which of some clients are adversaries, drawn from the run's stream
// "adversaries".
func Choose(t *task.Adversaries, clients int, seed uint64) []bool {
	chosen := make([]bool, clients)
	if t.Kind == "" {
		return chosen
	}
	order := rng.Stream(seed, "adversaries").Perm(clients)
	for _, i := range order[:int(math.Round(t.Fraction*float64(clients)))] {
		chosen[i] = true
	}
	return chosen
}

// A Gang is the adversaries of one run, who know what honest clients send.
type Gang struct {
	spec task.Adversaries
	seed uint64

	mu     sync.Mutex
	honest map[uint32]answer // newest of each honest client
}

type answer struct {
	order   uint64
	vectors [][]float32
}

// NewGang returns adversaries without a member.
func NewGang(spec task.Adversaries, seed uint64) *Gang {
	return &Gang{spec: spec, seed: seed, honest: map[uint32]answer{}}
}

// Colludes reports whether the adversaries need what honest clients send.
func (g *Gang) Colludes() bool {
	return g.spec.Kind == "little-is-enough" || g.spec.Kind == "inner-product"
}

// Overhear tells the gang an honest client's answer. It keeps the vectors.
func (g *Gang) Overhear(client uint32, order uint64, vectors [][]float32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.honest[client] = answer{order, vectors}
}

// known returns the honest answers to an order, or the newest of every client if there
// are fewer than two: orders of some schemes are one client's.
func (g *Gang) known(order uint64) (all [][][]float32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	clients := make([]uint32, 0, len(g.honest))
	for c := range g.honest {
		clients = append(clients, c)
	}
	slices.Sort(clients)
	for _, same := range []bool{true, false} {
		all = nil
		for _, c := range clients {
			if a := g.honest[c]; !same || a.order == order {
				all = append(all, a.vectors)
			}
		}
		if len(all) > 1 {
			return all
		}
	}
	return all
}

// Examples returns what an adversary trains on instead of its examples.
func (g *Gang) Examples(e data.Examples, shape []int) data.Examples {
	switch g.spec.Kind {
	case "label-flip":
		return &flipped{e}
	case "backdoor":
		return &poisoned{Examples: e, patch: Patch(shape), target: float32(g.spec.Target), half: true}
	}
	return e
}

// Refuses reports whether the adversaries decline every order.
func (g *Gang) Refuses() bool { return g.spec.Kind == "decline" }

// Idles reports whether the adversaries answer nothing.
func (g *Gang) Idles() bool { return g.spec.Kind == "idle" }

// Lie changes the answer of an adversary to an order that a number of clients got.
// vectors are those that an honest client would send.
func (g *Gang) Lie(client uint32, c *protocol.Contribution, vectors [][]float32, clients int) {
	lies := make([][]float32, len(vectors))
	for i, own := range vectors {
		lies[i] = g.lie(client, c.Order, i, own, clients)
	}
	for i, lie := range lies {
		v := &c.Vectors[i]
		limit := float32(protocol.MaxDelta)
		if v.Role == protocol.RoleGradient {
			limit *= float32(c.Weight)
		}
		for j, x := range lie {
			lie[j] = min(max(x, -limit), limit)
		}
		v.Codec, v.Size = protocol.CodecFloat32, 0
		v.Block = compress.AppendFloat32(nil, lie)
	}
}

// lie returns vector i of the answer.
func (g *Gang) lie(client uint32, order uint64, i int, own []float32, clients int) []float32 {
	scale := g.spec.Scale
	lie := make([]float32, len(own))
	switch g.spec.Kind {
	case "sign-flip":
		kernel.Axpy(lie, float32(-scale), own)
	case "scale":
		kernel.Axpy(lie, float32(scale), own)
	case "backdoor": // model replacement (Bagdasaryan et al. 2020)
		if scale == 0 {
			scale = float64(clients)
		}
		kernel.Axpy(lie, float32(scale), own)
	case "noise":
		r := rand.New(rand.NewPCG(rng.Derive(g.seed, "adversary noise", uint64(client), order, uint64(i)), 0))
		sigma := scale * math.Sqrt(kernel.SquaredNorm(own)/float64(len(own)))
		for j, x := range own {
			lie[j] = x + float32(sigma*r.NormFloat64())
		}
	case "little-is-enough", "inner-product":
		mean, deviation := spread(g.known(order), i, own)
		for j := range lie {
			if g.spec.Kind == "inner-product" { // Xie, Koyejo and Gupta 2019
				lie[j] = float32(-scale * mean[j])
			} else { // Baruch, Baruch and Goldberg 2019
				lie[j] = float32(mean[j] - scale*deviation[j])
			}
		}
	default:
		copy(lie, own)
	}
	return lie
}

// spread returns the mean and the standard deviation of vector i of some answers; of own
// if there are none.
func spread(all [][][]float32, i int, own []float32) (mean, deviation []float64) {
	mean, deviation = make([]float64, len(own)), make([]float64, len(own))
	n := 0.0
	for _, a := range all {
		if i < len(a) {
			n++
			for j, x := range a[i] {
				mean[j] += float64(x)
			}
		}
	}
	if n == 0 {
		for j, x := range own {
			mean[j] = float64(x)
		}
		return mean, deviation
	}
	for j := range mean {
		mean[j] /= n
	}
	for _, a := range all {
		if i < len(a) {
			for j, x := range a[i] {
				d := float64(x) - mean[j]
				deviation[j] += d * d / n
			}
		}
	}
	for j, v := range deviation {
		deviation[j] = math.Sqrt(v)
	}
	return mean, deviation
}

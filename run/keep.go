package run

import (
	"fmt"
	"slices"

	"fedtab/combine"
	"fedtab/learn"
	"fedtab/learn/kernel"
	"fedtab/protocol"
	"fedtab/strategy"
)

// kept is a contribution that the strategy keeps. Its vectors are copies, outside
// of the connections' lease.
type kept struct {
	accepted
	vectors  [][]float32
	place    Elsewhere // of the vectors, which are not here; nil: they are
	release  func()    // of what is held there
	payloads []combine.Payload
}

func (r *Run) keep(e strategy.Keep) {
	offer, c := r.accept(e.Handle)
	k := &kept{accepted: c, payloads: offer.Payloads}
	if k.place = offer.Elsewhere; k.place != nil {
		if e.Scale != 0 {
			panic("run: a contribution to be multiplied is at an edge, want a whole one (strategy.Config.Keeps)")
		}
		k.release = offer.Release
		r.kept[e.Handle] = k
		return
	}
	for _, v := range offer.Vectors {
		if e.Scale != 0 {
			k.Scale = e.Scale
		}
		k.vectors = append(k.vectors, scaled(v, k.Scale))
	}
	offer.Release()
	r.kept[e.Handle] = k
}

// forgetKept drops a contribution that is kept.
func (r *Run) forgetKept(h strategy.Handle) {
	if k := r.kept[h]; k != nil {
		k.drop()
		if k.release != nil {
			k.release()
		}
		delete(r.kept, h)
	}
}

// mean is the mean of kept contributions, a delta against the newest version.
// Clients start from it; it is not a version. Where local models are packed with
// loss, it is what the packed block decodes to, so that the coordinator, the
// strategy's condition and every client have the same values.
type mean struct {
	ready   bool
	delta   []float32
	block   []byte   // delta, packed by Packing.Local; nil if that loses nothing
	hash    [32]byte // of the version plus the delta
	waiting []func() // called once it is ready
	message map[protocol.Codec]*Shared
}

// average computes a mean. The strategy may drop the kept contributions at once.
func (r *Run) average(e strategy.Mean) {
	m := &mean{delta: make([]float32, r.n), message: map[protocol.Codec]*Shared{}}
	r.means[e.Mean] = m
	vectors := make([][]float32, len(e.Handles))
	for i, h := range e.Handles {
		vectors[i] = r.kept[h].vectors[0]
	}
	base := r.down.params
	var norm2 float64
	r.env.Compute(func() {
		var err error
		if norm2, err = combine.Mean(m.delta, vectors, e.Weights); err != nil {
			panic(fmt.Sprintf("run: mean of %d kept contributions: %v", len(vectors), err))
		}
		if m.block = r.down.packLocal(m.delta); m.block != nil {
			norm2 = combine.SquaredNorm(m.delta)
		}
		local := slices.Clone(base)
		kernel.Axpy(local, 1, m.delta)
		m.hash = learn.Hash(local)
	}, func() {
		m.ready = true
		if r.means[e.Mean] != m || r.finished != "" {
			return // dropped meanwhile
		}
		for _, f := range m.waiting {
			f()
		}
		m.waiting = nil
		r.step(strategy.Averaged{Mean: e.Mean, Norm2: norm2})
	})
}

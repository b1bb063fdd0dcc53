package hostile

import (
	"math"
	"math/rand/v2"
	"slices"

	"fedtab/compress"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// liar is a participant that trains like any other, and changes what it sends. What
// it sends is well formed, within the protocol's bounds, and raw, so that no codec
// blunts it.
type liar struct {
	lie func(delta []float32, round uint64) // nil: it sends what it has trained
	// flip has it train on other labels.
	flip bool

	welcome *protocol.Welcome
}

func (l *liar) saw(m protocol.Message, _ bool) {
	if w, ok := m.(*protocol.Welcome); ok {
		l.welcome = w
	}
}

func (l *liar) edit(c *protocol.Contribution) {
	if l.lie == nil || len(c.Vectors) == 0 {
		return
	}
	v := &c.Vectors[0]
	delta := make([]float32, l.welcome.Parameters)
	k, err := compress.Lookup(v.Codec)
	if err != nil {
		panic(err) // the client has packed with it
	}
	seed := compress.DitherSeed(l.welcome.Seed, l.welcome.Participant, c.Order, 0)
	if err := compress.DecodeWith(k.NewDecoder(), delta, v.Block, compress.Options{Seed: seed}); err != nil {
		panic(err)
	}
	l.lie(delta, c.Round)
	for i, x := range delta {
		delta[i] = min(max(x, -protocol.MaxDelta), protocol.MaxDelta)
	}
	v.Codec, v.Block = protocol.CodecFloat32, compress.AppendFloat32(nil, delta)
}

// shard gives every class the label of its opposite: 9 for 0, 8 for 1.
func (l *liar) shard(s *data.Set) {
	if !l.flip || len(s.Y) == 0 {
		return
	}
	last := slices.Max(s.Y)
	for i, y := range s.Y {
		s.Y[i] = last - y
	}
}

// scaled multiplies the liar's own delta.
func scaled(by float32) func([]float32, uint64) {
	return func(delta []float32, _ uint64) {
		for i := range delta {
			delta[i] *= by
		}
	}
}

// filled sends one value in every parameter.
func filled(x float32) func([]float32, uint64) {
	return func(delta []float32, _ uint64) {
		for i := range delta {
			delta[i] = x
		}
	}
}

// noise adds Gaussian noise of ten times the delta's norm.
func noise(delta []float32, round uint64) {
	var square float64
	for _, x := range delta {
		square += float64(x) * float64(x)
	}
	sigma := 10 * math.Sqrt(square/float64(len(delta)))
	r := rand.New(rand.NewPCG(round, 1))
	for i := range delta {
		delta[i] += float32(sigma * r.NormFloat64())
	}
}

// spikes sends the largest value in every hundredth parameter, and nothing else.
func spikes(delta []float32, _ uint64) {
	for i := range delta {
		delta[i] = 0
		if i%100 == 0 {
			delta[i] = protocol.MaxDelta
		}
	}
}

// from is honest before a round.
func from(round uint64, lie func([]float32, uint64)) func([]float32, uint64) {
	return func(delta []float32, r uint64) {
		if r >= round {
			lie(delta, r)
		}
	}
}

// everySecond is honest in odd rounds.
func everySecond(lie func([]float32, uint64)) func([]float32, uint64) {
	return func(delta []float32, r uint64) {
		if r%2 == 0 {
			lie(delta, r)
		}
	}
}

package hostile

import (
	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// liar is a participant that trains like any other, and changes what it sends. What
// it sends is well formed, within the protocol's bounds, and raw, so that no codec
// blunts it.
type liar struct {
	kind adversary.Config // of package adversary; zero: lie says what it sends
	lie  func(delta []float32, round uint64)

	welcome *protocol.Welcome
}

func (l *liar) saw(m protocol.Message, _ bool) {
	if w, ok := m.(*protocol.Welcome); ok {
		l.welcome = w
	}
}

func (l *liar) edit(c *protocol.Contribution) {
	if len(c.Vectors) == 0 {
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

// filled sends one value in every parameter.
func filled(x float32) func([]float32, uint64) {
	return func(delta []float32, _ uint64) {
		for i := range delta {
			delta[i] = x
		}
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

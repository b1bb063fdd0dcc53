package adversary

import (
	"encoding/binary"
	"math"
	"slices"

	"fedtab/learn/rng"
	"fedtab/protocol"
)

// moments are sums of the honest deltas of one round, by vector of an answer. A gradient
// sum counts by example.
type moments struct {
	round   round
	n       []int
	sum     [][]float64
	squares [][]float64
}

// round is a round, or where contributions count for any (round 0) the version that they
// were trained from.
type round struct {
	number uint64
	base   string
}

func roundOf(c *protocol.Contribution) round { return round{c.Round, string(c.Vectors[0].BaseHash)} }

// unit returns the number of deltas that vector v of c sums up.
func unit(c *protocol.Contribution, v *protocol.Vector) float64 {
	if v.Role == protocol.RoleGradient {
		return float64(c.Weight)
	}
	return 1
}

// observe adds the honest deltas of c, at least one, to the moments of their round.
func (g *Group) observe(c *protocol.Contribution, deltas [][]float32) {
	r := roundOf(c)
	i := slices.IndexFunc(g.honest, func(m *moments) bool { return m.round == r })
	if i < 0 {
		if i = len(g.honest); i == maxRounds {
			g.honest = slices.Delete(g.honest, 0, 1)
			i--
		}
		g.honest = append(g.honest, &moments{round: r})
	}
	m := g.honest[i]
	for i, v := range deltas {
		if i == len(m.n) {
			m.n = append(m.n, 0)
			m.sum = append(m.sum, make([]float64, len(v)))
			m.squares = append(m.squares, make([]float64, len(v)))
		}
		m.n[i]++
		per := unit(c, &c.Vectors[i])
		for j, x := range v {
			x := float64(x) / per
			m.sum[i][j] += x
			m.squares[i][j] += x * x
		}
	}
}

// known returns the honest deltas of the round of c or, if there are none, of the newest
// round that has some; nil if the adversaries have seen none.
func (g *Group) known(c *protocol.Contribution) *moments {
	r := roundOf(c)
	for _, m := range g.honest {
		if m.round == r {
			return m
		}
	}
	if n := len(g.honest); n > 0 {
		return g.honest[n-1]
	}
	return nil
}

// mean returns the mean and the standard deviation of coordinate j of vector i; of an
// unknown vector, own and 0.
func (m *moments) mean(i, j int, own float64) (mean, deviation float64) {
	if m == nil || i >= len(m.n) {
		return own, 0
	}
	n := float64(m.n[i])
	mean = m.sum[i][j] / n
	return mean, math.Sqrt(max(0, m.squares[i][j]/n-mean*mean))
}

// Lie returns what the member sends in place of its client's contribution, and c itself
// if that is sent as it is. It does not change c. The values of a lie are raw float32,
// clipped to the bounds of the protocol.
func (m *Member) Lie(c *protocol.Contribution) *protocol.Contribution {
	switch m.group.cfg.Kind {
	case SignFlip, Scale, Noise, Backdoor, LittleIsEnough, InnerProduct:
	default:
		return c
	}
	if !m.lies {
		return c
	}
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	lie := *c
	lie.Vectors = slices.Clone(c.Vectors)
	for i, own := range m.deltas(c) {
		v := &lie.Vectors[i]
		per := unit(c, v)
		g.attack(m, c, i, own, per)
		limit := float32(protocol.MaxDelta * per)
		v.Codec, v.Block = protocol.CodecFloat32, make([]byte, 0, 4*len(own))
		for _, x := range own {
			v.Block = binary.LittleEndian.AppendUint32(v.Block, math.Float32bits(min(max(x, -limit), limit)))
		}
	}
	return &lie
}

// attack replaces vector i of c, whose honest values are own, by the lie. Its values are
// sums of per deltas.
func (g *Group) attack(m *Member, c *protocol.Contribution, i int, own []float32, per float64) {
	factor := g.cfg.Scale
	n, liars := g.size(c.Order)
	switch g.cfg.Kind {
	case SignFlip:
		factor = -factor
		fallthrough
	case Scale:
		multiply(own, factor)
	case Backdoor:
		if factor == 0 { // together the adversaries replace the model
			factor = float64(n) / float64(liars)
		}
		multiply(own, factor)
	case Noise:
		addNoise(own, g.cfg.Noise, rng.Derive(g.seed, "adversary-noise", uint64(m.client), c.Order, uint64(i)))
	case LittleIsEnough, InnerProduct:
		honest := g.known(c)
		shift, z := -factor, 0.
		if g.cfg.Kind == LittleIsEnough {
			shift, z = 1, zMax(n, liars)
		}
		for j, x := range own {
			mean, deviation := honest.mean(i, j, float64(x)/per)
			own[j] = float32(per * (shift*mean - z*deviation))
		}
	}
}

func multiply(v []float32, factor float64) {
	for i, x := range v {
		v[i] = float32(factor * float64(x))
	}
}

// addNoise adds to v Gaussian noise, scaled to ratio times the norm of v.
func addNoise(v []float32, ratio float64, seed uint64) {
	r := rng.Stream(seed, "values")
	noise := make([]float64, len(v))
	var norm, length float64
	for i, x := range v {
		noise[i] = r.NormFloat64()
		norm += float64(x) * float64(x)
		length += noise[i] * noise[i]
	}
	if length == 0 {
		return // there are no values
	}
	factor := ratio * math.Sqrt(norm/length)
	for i, x := range v {
		v[i] = float32(float64(x) + factor*noise[i])
	}
}

package faults

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"fedtab/learn/rng"
	"fedtab/privacy/integers"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// Kinds of differentially private strategies.
const (
	privatePrefix = "private-"
	ofPoisson     = "poisson" // each client by chance, and a bound that adapts
	treeNoise     = "tree"    // noise of a tree, and limits on participation
	ofShares      = "shares"  // beneath secure aggregation: noise of the clients
)

func (s *scheme) differential() bool { return s.setup.Private != nil }

// limits returns in how many attempts a client may be asked, 0 for any number, and how many
// rounds these are apart.
func (s *scheme) limits() (times, apart int) {
	switch p := s.setup.Private; {
	case p == nil:
		return 0, 0
	case p.Tree != nil:
		return p.Tree.Participations, p.Tree.Separation
	case p.Distributed != nil:
		return p.Distributed.Participations, 0
	}
	return 0, 0
}

// drawPrivate makes a scheme differentially private.
func (s *scheme) drawPrivate(r *rand.Rand, clients int, of string) {
	c := &s.Config
	c.Correction, c.Combine, c.MaxKept, c.MinReports, s.binary = "", "", 0, 0, false
	c.Guard, c.LRScale, c.Warmup = math.Inf(1), "none", 0
	if c.Fraction < .3 {
		c.Fraction = .3
	}
	s.maxRounds = min(s.maxRounds, 12) // a round lasts until its deadline
	noise := one(r, .5, 1, 2)
	p := &strategy.Private{Noise: noise, Vector: noise, Clip: one(r, .05, .3, 2), Population: clients}
	switch of {
	case ofPoisson:
		p.Vector, p.Count = 1.5*noise, one(r, .1, 1)
	case treeNoise:
		p.Tree = &strategy.Tree{Participations: 2 + r.IntN(8), Separation: 1 + r.IntN(3), Restart: one(r, 0, 0, 1, 3)}
	case ofShares:
		p.Distributed = &strategy.Distributed{Participations: one(r, 0, 2, 4, 12)}
		c.Fraction = one(r, 1, .8)
	}
	s.setup.Private = p
}

// drawShares puts the noise into the terms of secure aggregation.
func (s *scheme) drawShares(r *rand.Rand) {
	p := s.setup.Private
	t := &s.terms
	t.Examples, t.Bits, t.Subset = 1, one[uint32](r, 14, 16), 1
	t.Noise, t.Clip, t.Participations = p.Noise, p.Clip, uint32(p.Distributed.Participations)
}

// private is what a schedule knows of the noise, over all processes.
type private struct {
	source io.Reader           // of random bytes: none comes twice
	drawn  *draw               // for the newest version
	used   map[[32]byte]uint64 // version, by the first of the random bytes

	attempts uint64 // that are durable, each of which is charged
	asked    map[uint32]part
	bound    float64
	nodes    [][32]byte // seed of each durable version's node of a tree

	encoded map[key][]uint32 // integers of a client's update, without its noise
	shares  [][]int64        // noise of clients
}

// part is in how many attempts a client was asked, and in which round last.
type part struct {
	times int
	last  uint64
}

// draw is the random bytes of a version.
type draw struct {
	of    io.Reader
	bytes []byte
}

func (d *draw) Read(b []byte) (int, error) {
	n, err := d.of.Read(b)
	d.bytes = append(d.bytes, b[:n]...)
	return n, err
}

func newPrivate(s *sim) *private {
	if !s.differential() {
		return nil
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], s.seed)
	return &private{
		source: rand.NewChaCha8(seed), used: map[[32]byte]uint64{}, asked: map[uint32]part{}, bound: s.setup.Private.Clip, encoded: map[key][]uint32{},
	}
}

// faultsDelta is that of the account.
const faultsDelta = 1e-5

// account stands for the accountant: it is known what it says.
func account(releases uint64) (float64, error) { return float64(releases) / 8, nil }

// noise returns what a run needs for its noise, nil if it has none.
func (s *sim) noise() *run.Differential {
	if !s.differential() {
		return nil
	}
	source := s.private.source
	if s.mutant.noise != nil {
		source = s.mutant.noise(source)
	}
	return &run.Differential{Delta: faultsDelta, Epsilon: account, Noise: func(uint64) io.Reader {
		s.private.drawn = &draw{of: source}
		return s.private.drawn
	}}
}

// checkAsked comes when an attempt is durable for the first time: it is charged, and no client is
// asked beyond its limits, whatever processes there were.
func (s *sim) checkAsked(o run.OpenRound) {
	v := s.private
	v.attempts++
	times, apart := s.limits()
	for _, number := range o.Cohort {
		was := v.asked[number]
		s.must(times == 0 || was.times < times, "no client is asked beyond its limits", "participant %d is asked in order %d, after %d attempts, want at most %d", number, o.Order, was.times, times)
		s.must(was.times == 0 || o.Round >= was.last+uint64(apart), "no client is asked beyond its limits", "participant %d is asked in round %d after round %d, want %d apart", number, o.Round, was.last, apart)
		v.asked[number] = part{was.times + 1, o.Round}
		if times > 0 && was.times+1 == times {
			s.result["limits reached"]++
		}
	}
}

// checkNoised is checkCommit of a version with noise.
func (s *sim) checkNoised(p *process, c run.Commit, in input) {
	o, v := p.observer, s.private
	s.must(len(c.Participants)+len(c.Contributions) == 0 && math.IsNaN(c.Weight) && math.IsNaN(c.TrainLoss) && c.Norms == nil && c.Times == nil,
		"what has no noise is left out", "version %d says %v, %v, weight %g, loss %g", c.Round, c.Participants, c.Contributions, c.Weight, c.TrainLoss)
	charged := v.attempts
	if s.setup.Private.Tree != nil { // an attempt without a version has no node
		charged = c.Round
	}
	if spent := c.Spent; spent == nil || spent.Releases < charged {
		s.violated("every attempt is charged", "version %d has the account %+v, want at least %d releases", c.Round, spent, charged)
		return
	}
	epsilon, _ := account(c.Spent.Releases)
	s.must(c.Spent.Epsilon == epsilon && c.Spent.Delta == faultsDelta, "an account is that of its releases", "%+v, want epsilon %g", *c.Spent, epsilon)
	for k, a := range o.counting {
		if a.sum != nil {
			n := len(a.sum.Participants)
			s.must(len(o.counting) == 1 && n >= int(s.terms.Min), "a version has enough shares", "version %d is made of %d sums, one of %d, want one of %d", c.Round, len(o.counting), n, s.terms.Min)
			in.given = append(in.given, given{vectors: a.vectors, scale: a.sum.total.Weight})
			continue
		}
		s.must(!s.counted[k], "no contribution is counted twice", "participant %d's answer to order %d is in version %d again", k.participant, k.order, c.Round)
		s.counted[k] = true
		in.given = append(in.given, given{participant: k.participant, order: k.order, vectors: a.vectors})
	}
	s.checkFresh(c.Round)
	exact, server := s.checkRounded(c)
	if err := s.verifyNoised(in, exact, server); err != nil {
		s.violated("a version is what its contributions and its noise make of its base", "version %d, %s: %v; given %+v", c.Round, s.Server, err, in.given)
	}
	s.backoff = o.backoff.committed()
	s.result["noised"]++
}

// checkFresh: the random bytes of a version have made no other.
func (s *sim) checkFresh(version uint64) {
	v := s.private
	if s.setup.Private.Distributed != nil {
		s.must(v.drawn == nil || len(v.drawn.bytes) == 0, "the coordinator adds no noise to that of clients", "version %d took %d random bytes", version, len(v.drawn.bytes))
		return
	}
	if v.drawn == nil || len(v.drawn.bytes) < 32 {
		s.violated("a version has noise", "version %d took %d random bytes, want 32 or more", version, len(v.drawn.bytes))
		return
	}
	first := [32]byte(v.drawn.bytes)
	was, again := v.used[first]
	s.must(!again, "noise is never used again", "version %d has that of version %d", version, was)
	v.used[first] = version
}

// verifyNoised says whether a version is a step along (sum of bounded deltas + noise) / (C N).
func (s *sim) verifyNoised(in input, next []float32, state map[string][]float32) error {
	p, v, d := s.setup.Private, s.private, len(in.base)
	rate := s.rate(s.Config, in)
	divisor := s.PrivateRate() * float64(p.Population)
	below := 0
	for i := range in.given {
		g := &in.given[i]
		if p.Distributed != nil {
			continue // clients have clipped theirs
		}
		norm := 0.0
		for _, x := range g.vectors[0] {
			norm += float64(x) * float64(x)
		}
		norm = math.Sqrt(norm)
		if g.scale = 1; norm > v.bound*(1-1e-5) {
			g.scale = v.bound * (1 - 1e-5) / norm
		}
		if norm <= v.bound {
			below++
		}
	}
	noise := make([]float64, d)
	switch {
	case p.Tree != nil:
		grown := append(slices.Clone(v.nodes), [32]byte(v.drawn.bytes))
		noise = ofTree(grown, p.Tree.Restart, d)
		for i, x := range ofTree(v.nodes, p.Tree.Restart, d) {
			noise[i] -= x
		}
		v.nodes = grown
	case p.Distributed == nil:
		noise = normals(v.drawn.bytes, d+1)
	}
	g := make([]interval, d)
	for j := range g {
		sum := p.Vector * v.bound * noise[j]
		if p.Distributed != nil {
			sum = 0
		}
		for _, of := range in.given {
			sum += of.scale * float64(of.vectors[0][j])
		}
		g[j] = point(sum / divisor).widen(ulp(sum/divisor) + noisedUnit/divisor)
	}
	if p.Count > 0 { // the bound follows the noised share of norms below it; the noise is in steps of 2^-20
		count := math.RoundToEven(p.Count*noise[d]*0x1p20) * 0x1p-20
		share := .5 + (float64(below)-float64(len(in.given))/2+count)/divisor
		v.bound *= math.Exp(-.2 * (share - .5))
		v.bound = min(max(v.bound, 1e-4), 1000)
	}
	return s.stepped(in, rate, g, map[string][]interval{}, next, state)
}

// noisedUnit bounds what rounding to fixed-point sums does to one with noise.
const noisedUnit = 1e-7

// normals returns n standard normal variables, by the transform of Box and Muller, from random
// bytes: 53 bits for the radius, then 53 for the angle, of two variables.
func normals(random []byte, n int) (all []float64) {
	uniform := func(b []byte) float64 { return float64(binary.LittleEndian.Uint64(b)>>11) * 0x1p-53 }
	for ; len(all) < n; random = random[16:] {
		radius := math.Sqrt(-2 * math.Log(uniform(random)+0x1p-53))
		angle := 2 * math.Pi * uniform(random[8:])
		all = append(all, radius*math.Cos(angle), radius*math.Sin(angle))
	}
	return all[:n]
}

// ofNode returns the noise of a tree's node.
func ofNode(seed [32]byte, n int) []float64 {
	random := make([]byte, 16*n)
	rand.NewChaCha8(seed).Read(random)
	return normals(random, n)
}

// ofTree returns the noise of the sum of a number of steps: of the nodes of a binary tree that
// it is made of, each of which has the seed of its last step; and of the trees before.
func ofTree(nodes [][32]byte, restart, n int) []float64 {
	total := make([]float64, n)
	for first := 0; first < len(nodes); {
		steps := len(nodes) - first
		if restart > 0 {
			steps = min(steps, restart)
		}
		for last := steps; last > 0; last &= last - 1 {
			for i, x := range ofNode(nodes[first+last-1], n) {
				total[i] += x
			}
		}
		first += steps
	}
	return total
}

// altered is told an update before it is encoded.
func (p *peer) altered(o *protocol.Order, u *integers.Update) {
	s, plain := p.sim, *u
	plain.Values, plain.Residual = slices.Clone(u.Values), slices.Clone(u.Residual)
	turn := integers.Turn{Seed: s.seed, Round: o.Round, Bound: o.Hyper.Bound}
	s.private.encoded[key{p.number(), o.Order}] = s.secure.format.Encode(&plain, turn, rng.Stream(s.seed, "plain"))
}

// rounded is by how much two roundings of an update differ at most.
const rounded = 1

// checkShare: a client adds noise to its integers, and none that anyone has added before.
func (p *peer) checkShare(o *protocol.Order, values []uint32) {
	s := p.sim
	plain := s.private.encoded[key{p.number(), o.Order}]
	share, shift := make([]int64, len(values)), 32-s.secure.terms.Bits
	for i := range values {
		share[i] = int64(int32((values[i]-plain[i])<<shift) >> shift)
	}
	near := func(of []int64, by int64) bool {
		for i := range share {
			if d := share[i] - of[i]; max(d, -d) > by {
				return false
			}
		}
		return true
	}
	s.must(!near(make([]int64, len(share)), 2*rounded), "a client adds noise", "client %d adds %v for order %d", p.index, share, o.Order)
	for _, was := range s.private.shares {
		s.must(!near(was, 4*rounded), "noise is never used again", "client %d adds %v for order %d, and has been added before", p.index, share, o.Order)
	}
	s.private.shares = append(s.private.shares, share)
	s.result["shares"]++
}

// deadlined bounds a round that lasts until its deadline.
func (s *sim) deadlined() time.Duration { return s.Deadline + 30*time.Second }

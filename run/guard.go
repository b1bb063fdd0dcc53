package run

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"fedtab/combine"
	"fedtab/protocol"
	"fedtab/strategy"
)

// guard bounds the loss of a version, and of single contributions, by that of the base, on
// few examples of the validation set or of the training set (of own data, of the organiser's
// test file). When a version exceeds the bound, it looks for the contributions without which it
// would not.
type guard struct {
	evaluate Evaluator // nil: nothing is judged

	mu    sync.Mutex
	floor float64  // least loss that the bound is a multiple of; 0: not known
	known *float32 // first parameter of the model whose loss is known; nil: of none
	loss  float64
}

// floorShare is the floor, as a share of the loss of version 0: below it a multiple of
// the loss says nothing.
const floorShare = .01

// lossOf returns the loss of a base, or the floor.
func (g *guard) lossOf(r *Run, base []float32) float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.floor == 0 {
		initial := make([]float32, r.n)
		r.cfg.Model.Init(initial, r.cfg.Seed)
		loss := g.evaluate(initial).Figures().Loss
		g.floor = floorShare * loss
	}
	if g.known != &base[0] || r.cfg.Drifts {
		g.loss = g.evaluate(base).Figures().Loss
		g.known = &base[0]
	}
	return max(g.loss, g.floor)
}

// accepted keeps the loss of a version: the next is compared with it.
func (g *guard) accepted(version []float32, loss float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known, g.loss = &version[0], loss
}

// guardVersion is a step of the pipeline. Its error wraps nothing: the version is
// rolled back, unless c.blamed says whose contributions to take out.
func (r *Run) guardVersion(c *commit) error {
	if c.Guard == 0 || r.guard.evaluate == nil {
		return nil
	}
	before := r.guard.lossOf(r, c.published)
	bound := c.Guard * before
	after := r.guard.evaluate(c.vectors.Next).Figures().Loss
	if after <= bound {
		r.guard.accepted(c.vectors.Next, after)
		return nil
	}
	// Without those to blame it must be well within the bound: where it hardly is, the
	// rate is too large, and nobody is to blame.
	c.blamed = c.search(r, math.Sqrt(c.Guard)*before)
	return fmt.Errorf("loss: %.4g after %.4g, want at most %.4g", after, before, bound)
}

// A suspect is a contribution to a version.
type suspect struct {
	handle strategy.Handle
	part   *part // nil: it is kept, and no part of a sum
	out    bool  // it is taken out
}

// search returns the handles of contributions without which the loss is within a
// bound: of a half, of half of that half, and so on; otherwise one after the other, the
// worst first, fewer than half of all. It returns nil if that does not help.
func (c *commit) search(r *Run, bound float64) []strategy.Handle {
	var all []*suspect
	for i := range c.attempt.parts {
		p := &c.attempt.parts[i]
		if p.packed != nil {
			all = append(all, &suspect{handle: p.add.Handle, part: p})
		}
	}
	for _, h := range c.Kept {
		all = append(all, &suspect{handle: h})
	}
	total := len(c.attempt.parts) + len(c.Kept)
	if lost := total - len(all); lost > 0 {
		r.log.Warn("contributions could not be kept for the guard", "round", c.Round, "contributions", lost, "of", total)
	}
	if total < 2 || len(all) == 0 {
		return nil
	}
	s := &trial{run: r, commit: c, all: all}
	group := all
	for len(group) > 1 {
		half := len(group) / 2
		a, b := s.without(group[:half]...), s.without(group[half:]...)
		if min(a, b) > bound || s.err != nil {
			break
		}
		if a <= b {
			group = group[:half]
		} else {
			group = group[half:]
		}
	}
	var blamed []*suspect
	if len(group) == 1 && s.without(group...) <= bound {
		blamed = group
	} else {
		blamed = s.worst(bound, (total-1)/2)
	}
	if s.err != nil {
		r.log.Warn("cannot look for the contributions to blame", "round", c.Round, "error", s.err)
		return nil
	}
	s.take(blamed)
	var handles []strategy.Handle
	for _, b := range blamed {
		handles = append(handles, b.handle)
	}
	return handles
}

// maxGreedy bounds the contributions of which each is tried alone.
const maxGreedy = 64

// trial evaluates a version without some of its contributions.
type trial struct {
	run    *Run
	commit *commit
	all    []*suspect
	next   []float32
	err    error
}

// worst takes out one contribution after the other, always the one without which the
// loss is least.
func (s *trial) worst(bound float64, most int) []*suspect {
	if len(s.all) > maxGreedy {
		return nil
	}
	var out []*suspect
	for len(out) < most && s.err == nil {
		var best *suspect
		var least float64
		for _, x := range s.all {
			if slices.Contains(out, x) {
				continue
			}
			if loss := s.without(append(out, x)...); best == nil || loss < least {
				best, least = x, loss
			}
		}
		if best == nil {
			return nil
		}
		if out = append(out, best); least <= bound {
			return out
		}
	}
	return nil
}

// take takes exactly these contributions out of the sums.
func (s *trial) take(out []*suspect) {
	for _, x := range s.all {
		want := slices.Contains(out, x)
		if want == x.out {
			continue
		}
		if x.out = want; x.part == nil {
			continue
		}
		sign := 1.0
		if want {
			sign = -1
		}
		if err := x.part.addTo(s.commit.vectors.Sums, sign); err != nil {
			s.err = err
		}
	}
}

// without returns the loss of the version without some contributions.
func (s *trial) without(out ...*suspect) float64 {
	s.take(out)
	v := s.commit.vectors
	v.State = maps.Clone(s.commit.state)
	if v.State == nil {
		v.State = map[string][]float32{}
	}
	if s.next == nil {
		s.next = make([]float32, len(v.Next))
	}
	v.Next = s.next
	v.Kept, v.Payloads = nil, nil
	for i, h := range s.commit.Kept {
		if !slices.ContainsFunc(out, func(x *suspect) bool { return x.handle == h }) {
			v.Kept, v.Payloads = append(v.Kept, s.commit.vectors.Kept[i]), append(v.Payloads, s.commit.vectors.Payloads[i])
		}
	}
	if err := s.commit.Plan.Combine(&v); err != nil {
		return maxLoss // too few are left for the combiner
	}
	loss := s.run.guard.evaluate(v.Next).Figures().Loss
	if !(loss <= maxLoss) {
		return maxLoss
	}
	return loss
}

// addTo adds the contribution to the sums once more, or takes it out, exactly.
func (p *part) addTo(sums []*combine.Sum, sign float64) error {
	vectors, release, err := p.packed.Unpack()
	if err != nil {
		return fmt.Errorf("contribution of participant %d: %w", p.Participant, err)
	}
	defer release()
	for i, sum := range sums {
		v := vectors[i]
		if p.multiplied != 1 {
			v = scaled(v, p.multiplied)
		}
		sum.AddScaled(v, sign*p.add.Scale, sign*p.add.Weight)
	}
	return nil
}

// blame takes the contributions to blame out of a version that is not made, and tells
// the strategy and their senders.
func (r *Run) blame(c *commit, why error) {
	a := c.attempt
	for i, h := range c.Kept {
		if slices.Contains(c.blamed, h) {
			r.accuse(c.kept[i].accepted, why)
			continue
		}
		r.kept[h] = c.kept[i] // the strategy commits it again, or drops it
	}
	a.parts = slices.DeleteFunc(a.parts, func(p part) bool {
		if !slices.Contains(c.blamed, p.add.Handle) {
			return false
		}
		r.accuse(p.accepted, why)
		return true
	})
	a.recount()
	r.step(strategy.Blamed{Round: c.Round, Handles: c.blamed})
}

// accuse forgets a contribution that has made a version worse.
func (r *Run) accuse(c accepted, why error) {
	c.drop()
	r.log.Warn("contribution taken out", "participant", c.Participant, "order", c.Order, "reason", why)
	r.record("taken out", c.Participant, fmt.Sprintf("order %d: %v", c.Order, why))
	m := r.roster.members[c.Participant]
	if m == nil {
		return
	}
	if m.order != nil && uint64(m.order.order) == c.Order {
		m.order = nil
	}
	r.send(m, &protocol.Ack{Order: c.Order, Reason: protocol.ReasonAbandoned, Detail: "it made the model worse on examples that the coordinator has; your next answers are judged before they count"})
}

// judgeAlone evaluates the base plus one contribution, and forgets it.
func (r *Run) judgeAlone(e strategy.Judge) {
	offer, c := r.accept(e.Handle)
	if r.guard.evaluate == nil || e.Guard == 0 {
		c.drop()
		offer.Release()
		r.step(strategy.Judged{Client: e.Client, Good: true})
		return
	}
	base := r.down.params
	verdict := "bad"
	r.env.Compute(func() {
		vectors, release, err := offer.vectors(c.packed)
		if err != nil {
			verdict = "not to be had: " + err.Error()
			return
		}
		defer release()
		params := slices.Clone(base)
		for i, d := range vectors[0] {
			params[i] += float32(e.Scale * float64(d))
		}
		if r.guard.evaluate(params).Figures().Loss <= e.Guard*r.guard.lossOf(r, base) {
			verdict = "good"
		}
	}, func() {
		c.drop()
		offer.Release()
		if r.finished != "" {
			return
		}
		r.record("judged", c.Participant, fmt.Sprintf("order %d: %s", c.Order, verdict))
		r.step(strategy.Judged{Client: e.Client, Good: verdict == "good"})
	})
}

// scaled returns a copy of v, multiplied by a factor.
func scaled(v []float32, factor float64) []float32 {
	s := make([]float32, len(v))
	for i, x := range v {
		s[i] = float32(float64(x) * factor)
	}
	return s
}

package faults

import (
	"math"
	"slices"
	"time"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"

	"github.com/cespare/xxhash/v2"
)

// checkOpen comes before an attempt at a round is durable.
func (s *sim) checkOpen(p *process, o run.OpenRound) {
	n := uint64(len(s.disk.commits))
	s.must(o.Round == n+1 && o.Base == n, "rounds form a chain", "round %d opens on version %d, and version %d is the newest", o.Round, o.Base, n)
	s.must(!s.ended() && o.Round <= uint64(s.rounds), "the end is the end", "round %d opens, and the run makes %d", o.Round, s.rounds)
	s.must((len(o.Cohort) > 0 || s.shape == buffered || s.differential()) && slices.IsSorted(o.Cohort) && len(slices.Compact(slices.Clone(o.Cohort))) == len(o.Cohort) &&
		!slices.ContainsFunc(o.Cohort, func(n uint32) bool { return s.numbers[n] == nil }), "a cohort is a set of participants", "order %d has %v", o.Order, o.Cohort)
	was, again := s.cohorts[o.Order]
	s.must(!again || was.Round == o.Round && was.Base == o.Base && slices.Equal(was.Cohort, o.Cohort), "an order number is used once", "order %d was %+v and becomes %+v", o.Order, was, o)
	if !again && s.differential() {
		s.checkAsked(o)
	}
	open := s.disk.open
	s.must(open == nil || o.Order >= open.Order, "order numbers grow", "order %d is opened after %+v", o.Order, open)
	s.cohorts[o.Order] = o
	if c := s.secure; c != nil && c.opener[o.Order] == 0 {
		c.opener[o.Order] = p.number
	}
	s.backoff = p.observer.backoff // it is written down with the round
}

// given is an answer as the reference arithmetic takes it.
func (s *sim) given(a *answer) given {
	return given{
		participant: a.Participant, order: a.Contribution.Order, stale: uint64(len(s.disk.commits)) - a.base,
		weight: float64(a.Weight), steps: a.steps, vectors: a.vectors,
	}
}

// checkCommit comes before a version is durable: it follows the newest one, and is
// what its accepted contributions make of it, each counted once and none left out.
func (s *sim) checkCommit(p *process, c run.Commit) {
	o, open := p.observer, s.disk.open
	n := uint64(len(s.disk.commits))
	s.must(c.Round == n+1 && c.Base == n, "rounds form a chain", "version %d is made from version %d, and version %d is the newest", c.Round, c.Base, n)
	s.must(!s.ended(), "the end is the end", "version %d becomes durable after it", c.Round)
	s.must(o.round == committing && open != nil && open.Round == c.Round && open.Order == uint64(o.open.Order), "only an open round is committed", "version %d is, and %+v is durable", c.Round, open)
	s.must(c.Hash == learn.Hash(c.Params), "a version has its hash", "version %d has another", c.Round)
	params, state := s.disk.newest()
	in := input{seed: s.seed, version: c.Base, base: params, state: state, max: s.maxExamples(), present: s.present[o.open.Order], cohort: len(o.open.Cohort), backoff: o.backoff}
	if exact := state[exactVector]; exact != nil {
		in.base = exact
	}
	if s.differential() {
		s.checkNoised(p, c, in)
		s.checkTraffic(p, c)
		return
	}
	counting := o.counting
	if s.secured() {
		counting = o.members(&in)
	}
	weight, clients := 0.0, []clientID(nil)
	for _, k := range c.Contributions {
		id := key{k.Participant, k.Order}
		s.must(!s.counted[id], "no contribution is counted twice", "participant %d's answer to order %d is in version %d again", k.Participant, k.Order, c.Round)
		s.counted[id] = true
		was := counting[id]
		recorded := k
		if was != nil {
			recorded.Scale, recorded.Counted = was.Scale, was.Counted // compared below
		}
		if was == nil || was.Contribution != recorded {
			s.violated("a version is made of what was accepted", "version %d counts %+v, and %+v was accepted", c.Round, k, was)
			return
		}
		if !s.secured() {
			in.given = append(in.given, s.given(was))
		}
		weight += float64(k.Weight)
		clients = append(clients, clientID(k.Participant))
	}
	s.must(len(c.Contributions) == len(counting), "every accepted contribution counts", "version %d is made of %d contributions, and %d were accepted", c.Round, len(c.Contributions), len(counting))
	for _, g := range in.given {
		if s.secured() {
			weight += g.weight
		}
	}
	in.contributors = len(c.Contributions)
	slices.Sort(clients)
	clients = slices.Compact(clients)
	s.must(slices.EqualFunc(clients, c.Participants, same) && slices.Equal(clients, o.clients), "a version names its participants", "version %d names %v, the strategy %v, and %v were accepted", c.Round, c.Participants, o.clients, clients)
	s.must(c.Weight == weight || s.secured() && math.Abs(c.Weight-weight) <= 1e-9*weight, "a version names its weight", "version %d says %g, its contributions %g", c.Round, c.Weight, weight)
	exact, server := s.checkRounded(c)
	if err := s.verify(in, exact, server); err != nil {
		s.violated("a version is what its contributions make of its base", "version %d, %s %s %s: %v; rate %g, base %v, given %+v",
			c.Round, s.Server, s.Correction, s.Combine, err, s.rate(s.Config, in), in.base, in.given)
	}
	for _, k := range c.Contributions {
		was := counting[key{k.Participant, k.Order}]
		s.must(was.Contribution == k, "a version says by how much contributions count", "version %d says %+v, it was %+v", c.Round, k, was)
	}
	s.backoff = o.backoff.committed()
	s.checkTraffic(p, c)
}

// checkTraffic: bytes are counted up to the moment when the commit was asked for first.
func (s *sim) checkTraffic(p *process, c run.Commit) {
	s.must(c.Traffic.Up+c.Traffic.Down == p.asked-p.previous, "rounds account for all bytes", "version %d says %d up and %d down since the last, the peers %d", c.Round, c.Traffic.Up, c.Traffic.Down, p.asked-p.previous)
}

// The server vectors of a version that is rounded before it is sent.
const (
	exactVector = "exact"
	stepVector  = "step"
	variateStep = "control step"
)

// checkRounded: the version that is sent is the exact one, rounded to what can be
// sent. It returns the exact one, and the server's other vectors.
func (s *sim) checkRounded(c run.Commit) (exact []float32, server map[string][]float32) {
	server = clone(c).State
	if s.packing.Down != protocol.CodecGrid && s.packing.Down != protocol.CodecFloat16 {
		return c.Params, server
	}
	exact, step := c.State[exactVector], c.State[stepVector]
	delete(server, exactVector)
	delete(server, stepVector)
	delete(server, variateStep)
	onGrid := s.packing.Down == protocol.CodecGrid
	s.must(len(exact) == len(c.Params) && onGrid == (len(step) == 1 && step[0] > 0), "a version is the exact one, rounded", "version %d has %d exact values and the step %v", c.Round, len(exact), step)
	for i, x := range exact {
		ok := c.Params[i] == float16(x)
		if onGrid { // version 0 plus integers times the step
			base, step := float64(s.initial[i]), float64(step[0])
			at := base + step*math.Round((float64(c.Params[i])-base)/step)
			ok = c.Params[i] == float32(at) && math.Abs(float64(x)-at) <= step/2*(1+1e-9)
		}
		s.must(ok, "a version is the exact one, rounded", "parameter %d of version %d is %v, the exact one %v (step %v)", i, c.Round, c.Params[i], x, step)
	}
	return exact, server
}

// float16 rounds to 11 significant bits, of which the last is at least 2^-24.
func float16(x float32) float32 {
	_, exp := math.Frexp(float64(x))
	last := math.Ldexp(1, max(exp-11, -24))
	return float32(math.RoundToEven(float64(x)/last) * last)
}

// checkSent looks at what a participant is sent.
func (s *sim) checkSent(c *socket, m protocol.Message) {
	s.must(!c.left && c.code != protocol.CloseSuperseded, "nothing is sent to a socket that is gone", "participant %d gets %T on one", c.number, m)
	durable := uint64(len(s.disk.commits))
	told := func(version uint64, hash []byte) {
		if version > durable {
			s.violated("a version is told only when it is durable", "participant %d is told of version %d, and %d are (%T)", c.number, version, durable, m)
		} else if want := s.disk.hash(version); hash != nil {
			s.must(string(hash) == string(want[:]), "a version has its hash", "participant %d is told another of version %d (%T)", c.number, version, m)
		}
	}
	switch m := m.(type) {
	case *protocol.Welcome:
		told(m.Version, nil)
		owner := s.numbers[m.Participant]
		s.must(c.resumes == 0 || c.resumes == m.Participant, "a participant keeps its number", "participant %d comes back as %d", c.resumes, m.Participant)
		s.must(c.resumes != 0 || owner == nil, "a number is given to one participant", "%d is given to a second", m.Participant)
		s.numbers[m.Participant] = c.peer
	case *protocol.Status:
		told(max(m.Version, m.Closed, m.Evaluated), nil)
		s.must(m.Phase != protocol.PhaseFinished || s.ended(), "the end is told only when it is durable", "participant %d is (%T)", c.number, m)
	case *protocol.Model:
		first := &m.Vectors[0]
		for _, v := range m.Vectors {
			s.must(slices.Contains(c.codecs, v.Codec), "a client can decode what it is sent", "participant %d gets version %d by %v, and has %v", c.number, m.Version, v.Codec, c.codecs)
		}
		if first.Role == protocol.RoleDelta {
			told(m.Base, first.BaseHash)
			if first.Codec != protocol.CodecGrid {
				s.checkMean(c, m)
				return
			}
			s.must(m.Base == 0 || m.Base == c.holds, "a difference is from what its receiver holds", "participant %d gets one from version %d, and holds version %d", c.number, m.Base, c.holds)
			s.result["differences"]++
		}
		told(m.Version, m.Hash)
		c.holds = m.Version
		control := m.Version > 0 && m.Version <= durable && s.disk.commits[m.Version-1].State["control"] != nil
		s.must((len(m.Vectors) == 2) == control, "a control variate travels with its model", "participant %d gets %d vectors of version %d", c.number, len(m.Vectors), m.Version)
	case *protocol.Order:
		told(m.Base, m.BaseHash)
		s.checkOrder(c, m)
	}
}

// checkLocal: a local model is the newest version plus a mean.
func (s *sim) checkLocal(invariant string, number uint32, mean *mean, local []float32) {
	if mean == nil {
		s.violated(invariant, "participant %d gets a mean, and its order starts from none", number)
		return
	}
	base, _ := s.disk.newest()
	c := s.process.observer.compute(mean)
	want := make([]interval, len(base))
	for j, x := range mean.delta {
		want[j] = affine(base[j], 1, x.widen(ulp(x.mid())+s.localSlack(c)))
	}
	if err := within("local model", local, want); err != nil {
		s.violated(invariant, "participant %d, mean %v of squared norm %g: %v", number, mean.delta, c, err)
	}
}

// checkMean: a model to start from that is no version is the mean that the
// participant's order starts from.
func (s *sim) checkMean(c *socket, m *protocol.Model) {
	o := c.process.observer
	local := make([]float32, len(s.initial))
	err := compress.Decode(m.Vectors[0].Codec, local, m.Vectors[0].Block)
	base, _ := s.disk.newest()
	for j := range local {
		local[j] += base[j]
	}
	hash := learn.Hash(local)
	s.must(err == nil && string(m.Hash) == string(hash[:]), "a mean has its hash", "participant %d gets %v (%v)", c.number, local, err)
	s.checkLocal("a mean is what it is made of", c.number, o.means[o.starts[clientID(c.number)]], local)
}

// checkStart: a client of a balancing set that takes up the order after the
// resolution trains from the mean.
func (c *socket) checkStart(m *protocol.Order) {
	o := c.process.observer
	if owed, ok := o.owed[clientID(c.number)]; ok && !c.process.over && uint64(owed.Order) == m.Order && !c.peer.lied {
		delete(o.owed, clientID(c.number))
		c.peer.sim.checkLocal("a balancing set trains from its mean", c.number, o.means[owed.Start], c.peer.client.Local())
	}
}

// checkOrder: orders are those of the durable round, and the same order asks for
// the same work whenever it is given.
func (s *sim) checkOrder(c *socket, m *protocol.Order) {
	s.note("participant %d is given order %d on version %d", c.number, m.Order, m.Base)
	want := run.Packing{Up: protocol.CodecFloat32}
	if up := s.packing.Up; slices.Contains(c.codecs, up) {
		want = run.Packing{Up: up, Bits: float64(float32(s.packing.Bits)), Feedback: s.packing.Feedback}
	}
	h := &m.Hyper
	s.must(run.Packing{Up: h.Codec, Bits: float64(h.Bits), Feedback: h.Feedback} == want, "an order says how to pack", "participant %d's order %d says %+v, want %+v", c.number, m.Order, *h, want)
	s.must(!c.process.run.State().Halted, "a halted run orders nothing", "participant %d is given order %d", c.number, m.Order)
	o := s.disk.open
	ok := o != nil && m.Round == o.Round && m.Base == o.Base
	switch s.shape {
	case inRounds, inLegs:
		ok = ok && m.Order == o.Order && slices.Contains(o.Cohort, c.number)
	case buffered: // the base is durable, which is all that matters
		ok = m.Round == 0 && (o != nil || len(s.disk.commits) > 0)
	}
	s.must(ok, "orders wait for the disk", "participant %d is given order %d of round %d on version %d, and %+v is durable", c.number, m.Order, m.Round, m.Base, o)
	k := key{c.number, m.Order}
	was, again := s.orders[k]
	s.must(!again || was.Round == m.Round && was.Base == m.Base && was.Hyper == m.Hyper && was.Seed == m.Seed && was.Kind == m.Kind,
		"the same order asks for the same work", "participant %d is given order %d again, as %+v after %+v", c.number, m.Order, *m, was)
	s.orders[k] = *m
}

// checkAnswer: a contribution gets one answer, an honest one the right one, and
// only what the strategy accepts is accepted.
func (c *socket) checkAnswer(m *protocol.Contribution, honest bool, right reasons) {
	s, o := c.peer.sim, c.process.observer
	reason, n := c.process.answers()
	if n != 1 {
		s.violated("every contribution gets one answer", "participant %d's to order %d gets %d", c.number, m.Order, n)
		return
	}
	c.due = append(c.due, ack{m.Order, reason})
	c.process.seen.Answers[reason]++
	s.note("participant %d's contribution to order %d: %v (honest %v)", c.number, m.Order, reason, honest)
	if honest && !slices.Contains(right, reason) {
		// Dither with few bits makes few and large values of a small model; and the
		// model that a leg begins with may be a hostile one.
		exempt := reason == protocol.ReasonOutOfBounds && slices.Contains(right, accepted) &&
			(s.shape == inLegs || slices.ContainsFunc(m.Vectors, func(v protocol.Vector) bool { return v.Codec == protocol.CodecDither }))
		s.must(exempt, "an honest contribution gets the right answer", "participant %d's to order %d gets %v, want %v", c.number, m.Order, reason, right)
	}
	a := o.fresh
	o.fresh = nil
	switch {
	case (a != nil) != (reason == accepted) || a != nil && (a.Participant != c.number || a.Contribution.Order != m.Order):
		s.violated("accepted is what the strategy accepts", "participant %d's to order %d is answered %v, and the strategy has accepted %+v", c.number, m.Order, reason, a)
	case a == nil:
		s.result["refused"]++
	default:
		s.result["accepted"]++
		c.checkAccepted(m, a, honest)
	}
}

// answers returns the reason of the contributions that the run has answered and
// checkAnswer has not seen, and their number.
func (p *process) answers() (reason protocol.Reason, n int64) {
	for r, answers := range p.run.State().Ledger.Answers {
		if new := answers - p.seen.Answers[r]; new != 0 {
			reason, n = protocol.Reason(r), n+new
		}
	}
	return reason, n
}

// maxCoding is more than messages that are being coded hold others up.
const maxCoding = 5 * time.Second

// checkAcks: the answers reach the socket, in their order.
func (c *socket) checkAcks() {
	s, n := c.peer.sim, min(len(c.due), len(c.acks))
	if n > 0 || len(c.due) == 0 {
		c.since = s.clock.Now()
	}
	s.must(slices.Equal(c.due[:n], c.acks[:n]) && len(c.acks) == n && s.clock.Now() < c.since+maxCoding, "every contribution gets one answer", "participant %d is sent %v, want %v", c.number, c.acks, c.due)
	c.due, c.acks = c.due[n:], c.acks[n:]
}

// checkAccepted: a contribution that is accepted is as its order asks, by shape,
// role, base and bounds, whatever it claims.
func (c *socket) checkAccepted(m *protocol.Contribution, a *answer, honest bool) {
	s, o := c.peer.sim, c.process.observer
	round, base := s.disk.open, s.disk.hash(a.base)
	number, ok := uint64(0), true
	if s.secured() {
		s.checkMasked(c.number, m)
		return
	}
	if s.shape != buffered {
		number = round.Round
	}
	cohort := make([]uint32, len(o.open.Cohort))
	for i, id := range o.open.Cohort {
		cohort[i] = uint32(id)
	}
	n, role := s.vectors(cohort, c.number)
	ok = m.Round == number && len(m.Vectors) == n && m.Weight > 0 && m.Weight <= s.maxWeight()
	limit := float64(protocol.MaxDelta)
	if role == protocol.RoleGradient {
		limit *= float64(m.Weight)
	}
	var print xxhash.Digest
	print.Reset()
	for i, v := range m.Vectors {
		print.Write(v.Block)
		values, err := s.decode(c.number, m, i)
		want, part := role, uint32(0)
		if i > 0 && s.Kind != "radon" {
			want = protocol.RoleControl
		} else if i > 0 {
			part = uint32(i)
		}
		ok = ok && err == nil && v.Role == want && v.Part == part && (want == protocol.RoleControl || string(v.BaseHash) == string(base[:])) &&
			!slices.ContainsFunc(values, func(x float32) bool { return !(math.Abs(float64(x)) <= float64(float32(limit))) })
		a.vectors = append(a.vectors, values)
	}
	s.must(ok, "only what is as ordered is accepted", "participant %d's answer to order %d: round %d, weight %d, vectors %+v; want %d of role %d, at most %g", c.number, m.Order, m.Round, m.Weight, m.Vectors, n, role, limit)
	a.steps, a.Weight, a.Fingerprint = m.Metrics.Steps, m.Weight, print.Sum64()
	if owed, waits := o.owed[clientID(c.number)]; waits && honest && !c.peer.lied {
		s.must(uint64(owed.Order) != m.Order, "a balancing set trains from its mean", "participant %d answers order %d without the mean", c.number, m.Order)
	}
}

// decode decodes vector i of a participant's contribution.
func (s *sim) decode(number uint32, m *protocol.Contribution, i int) ([]float32, error) {
	c, err := compress.Lookup(m.Vectors[i].Codec)
	if err != nil {
		return nil, err
	}
	values := make([]float32, len(s.initial))
	return values, compress.DecodeWith(c.NewDecoder(), values, m.Vectors[i].Block, compress.Options{Seed: compress.DitherSeed(s.seed, number, m.Order, i)})
}

// checkHeld: a client that holds a version holds its bits.
func (p *peer) checkHeld() {
	version, params := p.client.Held()
	p.sim.must(params == nil || learn.Hash(params) == p.sim.disk.hash(version), "all clients hold the same bits", "client %d holds version %d as %v", p.index, version, params)
}

// Bounds of checkNow.
const (
	strategyTimers = 3 // deadline, retry, gathering
	runTimers      = 5 // time limit, event log and what it left out, grace after a restart, division of shards
	maxWrites      = 7 // pending: a round, an evaluation, numbers, a pause, the end, the event log
)

// checkNow comes between any two events.
func (s *sim) checkNow() {
	p := s.process
	if over := s.clock.Now() - s.faultsEnd - settling; over > 0 && !s.ended() {
		s.must(float64(over) <= float64(s.maxRound)*float64(s.rounds), "the run ends", "%d of %d rounds, %v after the faults", len(s.disk.commits), s.rounds, over+settling)
	}
	if p == nil || p.run == nil || s.violation != nil {
		return
	}
	state, stats := p.run.State(), p.run.Stats()
	p.seen.Abandoned, p.seen.RolledBack = p.observer.abandoned, p.observer.rolledBack
	p.seen.Kinds = state.Ledger.Kinds // checked by their sum
	p.seen.Shapes = state.Ledger.Shapes
	contributed, accepted := state.Ledger.Shapes[run.Contributed], state.Ledger.Answers[protocol.ReasonAccepted]
	s.must(contributed == accepted, "every contribution ends its order", "%d orders have ended so, %d contributions were accepted", contributed, accepted)
	s.must(state.Ledger == p.seen, "the ledger is what the peers saw", "it says %+v, they %+v", state.Ledger, p.seen)
	for _, c := range p.sockets {
		c.checkAcks()
	}
	done := state.Finished != "" || state.Halted
	s.must((state.Finished != "") == (state.Phase == protocol.PhaseFinished), "the end is the end", "the run is over (%q, halted %v) and in phase %d", state.Finished, state.Halted, state.Phase)
	if !done && state.Version < uint64(s.rounds) {
		p.checkPresent(stats.Lost)
	}
	p.observer.checkKept(stats.Kept, done)
	// Each lost participant and each failed write has a timer.
	timers := stats.Lost + stats.Timers + stats.Retries + runTimers + s.mostGroups()
	s.must(stats.Offers == 0 && stats.Timers <= strategyTimers && stats.Members == state.Participants && p.timers <= timers && len(s.disk.pending) <= maxWrites+s.mostGroups(),
		"memory does not grow", "%+v of %d participants, %d timers, want at most %d; %d writes", stats, state.Participants, p.timers, timers, len(s.disk.pending))
	if state.Halted && !p.halted { // the organiser mends the disk and starts it again
		p.halted = true
		s.result["halts"]++
		s.note("the run is halted")
		s.soon(0, 0, func() {
			if s.process == p {
				s.disk.flush(.5)
				s.down()
			}
		})
	}
}

// checkPresent: the strategy knows which clients are present and able to work.
func (p *process) checkPresent(lost int) {
	for number, c := range p.sockets {
		able := c.tab != protocol.TabPaused && c.tab != protocol.TabFrozen
		p.sim.must(able == p.observer.present[clientID(number)], "the strategy knows which clients are present", "participant %d is able to work: %v (tab state %d); the strategy is told the opposite", number, able, c.tab)
		if !able {
			lost++ // not counted as present
		}
	}
	n := len(p.observer.present)
	p.sim.must(n <= len(p.sockets)+lost, "the strategy knows which clients are present", "it counts %d, there are %d and %d lost ones", n, len(p.sockets), lost)
}

// checkAbsent comes when the grace after a restart is over: no client of the open
// cohort is waited for that has not come back, or is paused.
func (p *process) checkAbsent() {
	o := p.observer
	if p.sim.shape&perRound == 0 || p.over || o.round != collecting || uint64(o.open.Order) != p.saved.Open.Order || p.run.State().Finished != "" {
		return
	}
	for _, id := range o.open.Cohort {
		p.sim.must(o.present[id] || o.left[id], "absent clients are not waited for", "participant %d of order %d is", id, o.open.Order)
	}
}

// checkEnd comes when no event is left: the run is over, and has forgotten its
// clients.
func (s *sim) checkEnd() {
	p := s.process
	if !s.ended() || p == nil || p.run == nil || p.run.State().Finished == "" {
		s.violated("the run never gets stuck", "no event is left after %d rounds of %d", len(s.disk.commits), s.rounds)
		return
	}
	n := len(s.disk.commits)
	s.must(n == s.rounds || n < s.rounds && (s.stopAt.Time > 0 || s.stopAt.Goals != nil), "the run makes its rounds", "it is over (%s) after %d rounds of %d", s.disk.finished, n, s.rounds)
	stats := p.run.Stats()
	s.must(stats == (run.Stats{}) && p.timers == 0, "memory does not grow", "%+v and %d timers are left when all clients are gone", stats, p.timers)
	for i := range maxBodies {
		if p.borrow(&protocol.Contribution{}) == nil {
			s.violated("memory does not grow", "%d of %d leased bodies were not given back", maxBodies-i, maxBodies)
			return
		}
	}
}

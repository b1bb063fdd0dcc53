package run

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/terms"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Secure is secure aggregation: contributions come masked, and the run learns the sums of
// groups of them. Package privacy/secagg is the protocol.
type Secure struct {
	Terms      protocol.SecureTerms
	Members    []secagg.Key      // that may take part; none: anyone
	Group      int               // participants of a group, at least; 0: a cohort is one group
	Primitives secagg.Primitives // cryptography
	Cores      int               // that unmasking uses; 0 means 1
}

// A Sum is what a group of participants have contributed in an attempt: durable before it is
// used, so that a restart commits it, and collects no other.
type Sum struct {
	Round        uint64
	Order        uint64 // of the attempt
	Group        int
	Participants []uint32 // ascending
	Bound        float64  // to which they clipped
	Packed       []byte   // the integers, as secagg.AppendPacked packs them
}

// phaseShare is how much of a round's time a phase may take in which no participant trains,
// and minPhase the least that each has.
const (
	phaseShare = 4
	minPhase   = time.Second
)

// secureRun is what secure aggregation is in a run.
type secureRun struct {
	Secure
	terms   secagg.Terms
	format  integers.Format
	attempt *secureAttempt // open; nil: none
}

// secureAttempt is an attempt at the open round: the groups of its cohort.
type secureAttempt struct {
	order    uint64
	bound    float64
	groups   []*secureGroup
	of       map[uint32]*secureGroup // by participant
	unmask   bool                    // the strategy awaits no more answers
	reported bool                    // and has been told the sums
}

// secureGroup is the coordinator's side of the protocol with one group, and its sum.
type secureGroup struct {
	run     *Run
	attempt *secureAttempt
	index   int
	server  machine
	phase   string // that the timer is of
	wait    time.Duration
	stop    func() // the timer; nil: none runs

	sum     *secagg.Sum
	pending [][]byte // masked vectors that are not added yet
	adding  bool
	masks   []uint32 // to be taken from the sum once all are added; nil: not known yet

	participants []uint32 // whose vectors are in the sum
	declined     bool     // the strategy knows
	total        *integers.Total
	why          string // there is no sum; empty: there is one, or may be
}

// machine is a *secagg.Server.
type machine interface {
	Step(secagg.Event) []secagg.Effect
	Phase() string
}

// newSecure returns what secure aggregation needs in a run of a model.
func newSecure(c *Config, parameters int) (*secureRun, error) {
	if c.Secure == nil {
		return nil, nil
	}
	if o := c.Own; o != nil && (o.Holdouts || o.Schema.Scale == data.FederatedScale) {
		return nil, fmt.Errorf("run %s: secure aggregation beside constants or evaluations that single participants tell of their own data, want neither", c.ID)
	}
	s := &secureRun{Secure: *c.Secure}
	var err error
	if s.terms, s.format, err = terms.Of(s.Terms, s.Members, c.ID, parameters); err != nil {
		return nil, fmt.Errorf("run %s: %w", c.ID, err)
	}
	if s.Members != nil {
		s.Terms.Members = terms.Digest(s.Members)
	}
	return s, nil
}

// payload is what an order asks for: a masked vector.
func (s *secureRun) payload() []strategy.Payload {
	return []strategy.Payload{{Kind: strategy.Masks, Name: protocol.SecurePayload, MaxBytes: s.terms.MaskedSize()}}
}

// beginSecure begins an attempt with the cohort of the open round.
func (r *Run) beginSecure() {
	s := r.secure
	if s == nil {
		return
	}
	r.endSecure()
	a := &secureAttempt{order: r.open.Order, of: map[uint32]*secureGroup{}}
	wait := max(r.open.Deadline.Sub(r.env.Now())/phaseShare, minPhase)
	var impossible []func()
	for i, cohort := range s.groups(r.open.Cohort, r.cfg.OrderSeed, a.order) {
		ids := make([]uint64, len(cohort))
		g := &secureGroup{run: r, attempt: a, index: i, wait: wait, sum: secagg.NewSum(s.terms.Length, s.terms.Bits)}
		for j, p := range cohort {
			ids[j], a.of[p] = uint64(p), g
		}
		var err error
		if g.server, err = newMachine(s.terms, secagg.Attempt{Round: r.open.Round, Number: a.order}, ids); err != nil {
			impossible = append(impossible, func() { g.fail(err.Error()) })
		}
		a.groups = append(a.groups, g)
	}
	s.attempt = a
	for _, fail := range impossible {
		fail()
	}
	for _, g := range a.groups {
		g.awaitPhase()
	}
	for _, p := range r.open.Cohort {
		if m := r.roster.members[p]; m == nil || !m.available() {
			r.secureLeft(p)
		}
	}
}

// groups divides a cohort at random into groups of at least Group.
func (s *secureRun) groups(cohort []uint32, seed, order uint64) [][]uint32 {
	if s.Group == 0 || len(cohort) < 2*s.Group {
		return [][]uint32{cohort}
	}
	cohort = slices.Clone(cohort)
	shuffle := rng.Stream(seed, "groups", order)
	shuffle.Shuffle(len(cohort), func(i, j int) { cohort[i], cohort[j] = cohort[j], cohort[i] })
	groups := make([][]uint32, len(cohort)/s.Group)
	for i, p := range cohort {
		groups[i%len(groups)] = append(groups[i%len(groups)], p)
	}
	for _, g := range groups {
		slices.Sort(g)
	}
	return groups
}

// endSecure forgets the open attempt.
func (r *Run) endSecure() {
	if r.secure == nil || r.secure.attempt == nil {
		return
	}
	for _, g := range r.secure.attempt.groups {
		g.stopTimer()
	}
	r.secure.attempt = nil
}

// groupOf returns the group of a participant in the open attempt, nil if it has none that
// goes on.
func (r *Run) groupOf(participant uint32) *secureGroup {
	if r.secure == nil || r.secure.attempt == nil {
		return nil
	}
	if g := r.secure.attempt.of[participant]; g != nil && !g.over() {
		return g
	}
	return nil
}

// over reports whether the group has its sum, or will have none.
func (g *secureGroup) over() bool { return g.total != nil || g.why != "" }

// secureLeft says that a participant is gone, or has no keys any more.
func (r *Run) secureLeft(participant uint32) {
	if g := r.groupOf(participant); g != nil {
		g.step(secagg.Left{From: uint64(participant)})
	}
}

// secureResumed gives a participant that is back the message of the phase again.
func (r *Run) secureResumed(participant uint32) {
	if g := r.groupOf(participant); g != nil {
		g.step(secagg.Resumed{From: uint64(participant)})
	}
}

// receiveSecure takes a message of the protocol that is no masked vector.
func (r *Run) receiveSecure(m *member, msg *protocol.Secure) {
	g := r.groupOf(m.number)
	switch {
	case g == nil || msg.Order != g.attempt.order: // of an attempt that is over
	case len(msg.Vectors) != 1:
		m.peer.Fault()
	default:
		effects, _, _ := g.receive(m, msg.Vectors[0].Block)
		g.apply(effects)
	}
}

// receive gives the server a message, and returns what follows. taken says that it was the
// masked vector that is awaited.
func (g *secureGroup) receive(m *member, message []byte) (effects []secagg.Effect, taken bool, err error) {
	effects = g.server.Step(secagg.Received{From: uint64(m.number), Message: message})
	for _, e := range effects {
		switch e := e.(type) {
		case secagg.Add:
			taken = true
		case secagg.Ignored:
			if err = e.Err; !errors.Is(err, secagg.ErrPhase) && m.peer != nil {
				m.peer.Fault()
			}
		}
	}
	return effects, taken, err
}

// offerMasked takes a masked vector that fits its order.
func (r *Run) offerMasked(m *member, o *Offer) {
	c := o.Contribution
	message := o.Payloads[0].Bytes
	o.Release()
	g := r.groupOf(m.number)
	if g == nil || c.Order != g.attempt.order {
		r.refuse(m, c, protocol.ReasonLate, "")
		return
	}
	effects, taken, err := g.receive(m, message)
	switch {
	case taken:
		// The group may end with this vector, and the round with it: the answer comes first.
		m.order.answered, m.order.accepted = true, true
		r.answer(m.number, m.peer, c, protocol.ReasonAccepted, "")
		r.step(strategy.Masked{Client: strategy.ClientID(m.number), Order: strategy.OrderID(c.Order), Took: r.env.Now().Sub(m.order.sent)})
	case err == nil || errors.Is(err, secagg.ErrPhase):
		r.refuse(m, c, protocol.ReasonLate, "")
	default:
		r.refuse(m, c, protocol.ReasonWrongShape, err.Error())
	}
	if g.current() {
		g.apply(effects)
	}
}

// step gives the group's server an event.
func (g *secureGroup) step(e secagg.Event) { g.apply(g.server.Step(e)) }

// apply does what the server wants.
func (g *secureGroup) apply(effects []secagg.Effect) {
	r := g.run
	for _, e := range effects {
		switch e := e.(type) {
		case secagg.Send:
			if m := r.roster.members[uint32(e.To)]; m != nil {
				m.asked++ // it declines if it has lost its keys
				r.send(m, secureMessage(g.attempt.order, e.Message))
			}
		case secagg.Compute:
			g.compute(e.Request)
		case secagg.Add:
			g.participants = append(g.participants, uint32(e.From))
			g.pending = append(g.pending, e.Vector)
			g.add()
		case secagg.Journal:
			g.masks = e.Masks
			g.add()
		case secagg.Failed:
			for _, id := range e.Spoiled {
				r.record("spoiled", uint32(id), "shares of its secret are lacking: it has sealed none that open, or its neighbours keep them back")
				r.step(strategy.Spoiled{Client: strategy.ClientID(id)})
			}
			g.fail(fmt.Sprintf("%s: %v", e.Phase, e.Err))
		case secagg.Ignored:
			r.log.Debug("message of secure aggregation ignored", "participant", e.From, "reason", e.Err)
		}
	}
	g.awaitPhase()
}

// secureMessage returns the wire form of a message.
func secureMessage(order uint64, message []byte) *protocol.Secure {
	return &protocol.Secure{Transfer: order, Order: order, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: message}}}
}

// current reports whether the group's attempt is open.
func (g *secureGroup) current() bool {
	return g.run.finished == "" && g.run.secure.attempt == g.attempt && !g.over()
}

// compute executes a request, on as many cores as may be used.
func (g *secureGroup) compute(request secagg.Request) {
	r := g.run
	then := func(answer secagg.Answer) {
		if g.current() {
			g.step(secagg.Computed{Answer: answer})
		}
	}
	parts := split(request, r.secure.Cores)
	answers, left := make([]secagg.Answer, len(parts)), len(parts)
	for i, part := range parts {
		r.env.Compute(func() { answers[i] = part.Execute(r.secure.Primitives) }, func() {
			if left--; left == 0 {
				then(join(answers))
			}
		})
	}
}

// add adds what has come to the sum, and at the end takes the masks away.
func (g *secureGroup) add() {
	switch {
	case g.adding:
	case len(g.pending) > 0:
		batch := g.pending
		g.pending, g.adding = nil, true
		var err error
		g.run.env.Compute(func() {
			for _, v := range batch {
				err = errors.Join(err, g.sum.Add(v))
			}
		}, func() {
			if err != nil {
				panic(err) // the server has checked its size
			}
			g.adding = false
			g.add()
		})
	case g.masks != nil && g.current():
		g.journal()
	}
}

// journal makes the sum durable.
func (g *secureGroup) journal() {
	r, s := g.run, g.run.secure
	g.sum.Subtract(g.masks)
	g.masks = nil
	slices.Sort(g.participants)
	sum := Sum{
		Round: r.open.Round, Order: g.attempt.order, Group: g.index, Participants: g.participants, Bound: g.attempt.bound,
		Packed: secagg.AppendPacked(nil, g.sum.Values(nil), s.terms.Bits),
	}
	r.saveWhile(g.current, "sum", func(j Journal) error { return j.Sum(r.cfg.ID, sum) }, func() {
		if total, err := r.decodeSum(&sum); err != nil {
			g.fail(err.Error())
		} else {
			g.total = total
			g.step(secagg.Persisted{})
		}
		r.tellSums()
	})
}

// decodeSum returns what a sum says.
func (r *Run) decodeSum(s *Sum) (*integers.Total, error) {
	sum := secagg.NewSum(r.secure.terms.Length, r.secure.terms.Bits)
	if err := sum.Add(s.Packed); err != nil {
		return nil, err
	}
	total, err := r.secure.format.Decode(sum.Values(nil), integers.Turn{Seed: r.cfg.Seed, Round: s.Round, Bound: s.Bound})
	if err == nil && kernel.Magnitude(total.Mean) > protocol.MaxDelta {
		err = fmt.Errorf("a mean with a value of %g, want at most %d in magnitude: one of %d participants has sent what is not an update", kernel.Magnitude(total.Mean), protocol.MaxDelta, len(s.Participants))
	}
	return total, err
}

// fail ends the group without a sum.
func (g *secureGroup) fail(why string) {
	if g.over() {
		return
	}
	g.why = why
	g.stopTimer()
	g.run.record("no sum", 0, why)
	g.run.log.Warn("secure aggregation: no sum", "round", g.run.open.Round, "group", g.index, "reason", why)
	g.decline()
	g.run.tellSums()
}

// awaitPhase bounds the phase of the server. The strategy ends that in which participants
// train.
func (g *secureGroup) awaitPhase() {
	if g.over() {
		g.stopTimer()
		return
	}
	phase := g.server.Phase()
	if phase == g.phase {
		return
	}
	g.stopTimer()
	g.phase = phase
	switch {
	case phase == secagg.PhaseMasked && !g.attempt.unmask:
		return
	case phase == secagg.PhaseOver:
		return
	case phase == secagg.PhaseConsent || phase == secagg.PhaseUnmask:
		g.decline()
	}
	if g.current() {
		g.stop = g.run.env.AfterFunc(g.wait, func() {
			g.stop = nil
			if g.current() {
				g.phase = "" // what follows has a timer of its own
				g.step(secagg.Deadline{})
			}
		})
	}
}

// decline tells the strategy, once, that those whose vectors have not come are not awaited
// any more.
func (g *secureGroup) decline() {
	if g.declined {
		return
	}
	g.declined = true
	var absent []uint32
	for p, of := range g.attempt.of {
		if of == g && !slices.Contains(g.participants, p) {
			absent = append(absent, p)
		}
	}
	slices.Sort(absent)
	for _, p := range absent {
		g.run.step(strategy.Declined{Client: strategy.ClientID(p), Order: strategy.OrderID(g.attempt.order)})
	}
}

func (g *secureGroup) stopTimer() {
	if g.stop != nil {
		g.stop()
		g.stop = nil
	}
}

// unmask ends the wait for masked vectors.
func (r *Run) unmask(e strategy.Unmask) {
	a := r.secure.attempt
	if a == nil || r.open == nil || r.open.Round != e.Round {
		return // a restart: tellSaved says what there is
	}
	a.unmask = true
	for _, g := range a.groups {
		switch {
		case g.over():
		case g.server.Phase() == secagg.PhaseMasked:
			g.step(secagg.Deadline{})
		case g.server.Phase() == secagg.PhaseKeys || g.server.Phase() == secagg.PhaseShares:
			g.fail("the time for training was over before the participants had exchanged their keys")
		}
	}
	r.tellSums()
}

// tellSums tells the strategy the sums of the attempt, once all have come that will and it
// awaits no more answers.
func (r *Run) tellSums() {
	a := r.secure.attempt
	if a == nil || !a.unmask || a.reported {
		return
	}
	for _, g := range a.groups {
		if !g.over() {
			return
		}
	}
	a.reported = true
	var sums []*sumOffer
	why := ""
	for _, g := range a.groups {
		if why == "" {
			why = g.why
		}
		if g.total != nil {
			sums = append(sums, &sumOffer{g.participants, a.order, g.total})
		}
	}
	r.offerSums(sums, why)
}

// sumOffer is a sum that is offered to the strategy.
type sumOffer struct {
	participants []uint32
	order        uint64
	total        *integers.Total
}

// weight returns the examples behind the sum.
func (s *sumOffer) weight(examples uint32) float64 { return s.total.Weight * float64(examples) }

// offerSums hands sums to the strategy.
func (r *Run) offerSums(sums []*sumOffer, why string) {
	round := r.open.Round
	for _, s := range sums {
		r.handles++
		r.offers[r.handles] = &Offer{Vectors: [][]float32{s.total.Mean}, sum: s}
		clients := make([]strategy.ClientID, len(s.participants))
		for i, p := range s.participants {
			clients[i] = strategy.ClientID(p)
		}
		r.step(strategy.Summed{Round: round, Handle: r.handles, Clients: clients, Weight: s.weight(r.secure.Terms.Examples), Below: s.total.Below})
	}
	r.step(strategy.Unmasked{Round: round, Why: why})
}

// tellSaved tells the strategy the sums that an earlier process has made durable.
func (r *Run) tellSaved(saved []Sum) {
	var sums []*sumOffer
	why := "the coordinator was restarted while participants exchanged masks"
	for i := range saved {
		s := &saved[i]
		if s.Order != r.open.Order {
			continue
		}
		total, err := r.decodeSum(s)
		if err != nil {
			why = err.Error()
			continue
		}
		sums = append(sums, &sumOffer{s.Participants, s.Order, total})
	}
	r.offerSums(sums, why)
}

// accepted returns the record of a sum: a contribution of each participant, whose weight is
// not known.
func (s *sumOffer) accepted(examples uint32) accepted {
	weight := s.weight(examples)
	c := accepted{lossSum: s.total.Loss * weight, examples: uint64(weight), total: weight}
	for _, p := range s.participants {
		c.members = append(c.members, Contribution{Participant: p, Order: s.order})
	}
	return c
}

package faults

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"fedtab/client"
	"fedtab/learn/rng"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/terms"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// Kinds of strategy beneath secure aggregation.
const (
	securePrefix = "secure-"
	secureGroups = securePrefix + ofGroups
	ofGroups     = "groups"  // federated averaging with a robust combiner of groups
	ofMembers    = "members" // federated averaging of those on a list, who sign
)

// The first bytes of what clients send in an attempt.
const (
	kindKeys    = 1
	kindShares  = 3
	kindConsent = 7
	kindReveal  = 9
)

// groupsNeeded is how many groups the robust combiners that are drawn need.
const groupsNeeded = 3

func (s *scheme) secured() bool { return s.terms.Max > 0 }

// drawSecure puts secure aggregation beneath a scheme.
func (s *scheme) drawSecure(r *rand.Rand, clients int, of string) {
	groups := of == ofGroups
	s.shape, s.maxRounds = inSums, min(s.maxRounds, 8)
	c := &s.Config
	c.Deadline += 5 * time.Second
	c.Correction, c.Combine, c.MaxKept, s.binary = "", "", 0, false
	s.terms = protocol.SecureTerms{
		Min: 3, Max: uint32(clients), Dropout: one(r, .1, .3, .4), Corrupt: one(r, .01, .1, .2),
		Examples: one[uint32](r, 1, 5, 1000), Bits: one[uint32](r, 10, 12, 16), Subset: one(r, 1, 1, .5, .3),
	}
	if groups {
		s.group, s.terms.Max, s.terms.Dropout, s.terms.Corrupt = 4, 7, .1, .01
		c.Combine, c.Server, c.MaxKept = one(r, "median", "geometric-median"), "", 0
	}
	if of == ofMembers {
		s.members = members(clients)
		s.terms.Members = terms.Digest(s.members)
	}
	if of == ofShares {
		s.drawShares(r)
	}
	fewest := s.fewest()
	if fewest == 0 { // no number of as many clients is enough
		s.terms.Dropout, s.terms.Corrupt = .1, .01
		if fewest = s.fewest(); fewest == 0 {
			panic("no terms that are possible")
		}
	}
	secure := &strategy.Secure{Fewest: fewest, Most: clients, Min: 3, Dropout: s.terms.Dropout, Groups: groups}
	if groups {
		secure.Fewest = max(s.group, secure.Fewest) * groupsNeeded
	}
	s.setup.Secure, s.reliable = secure, max(s.reliable, secure.Fewest)
}

// fewest returns of how many clients a sum is possible although some drop out, 0 if of none.
func (s *scheme) fewest() int {
	of, _, err := terms.Of(s.terms, nil, "", 1)
	if err != nil {
		return 0
	}
	of.Members = s.members
	return of.Fewest(int(s.terms.Max))
}

// identity returns the key with which a peer signs.
func identity(i int) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(i)
	return ed25519.NewKeyFromSeed(seed)
}

// members returns the public keys of n peers.
func members(n int) (all []secagg.Key) {
	for i := range n {
		all = append(all, secagg.Key(identity(i).Public().(ed25519.PublicKey)))
	}
	return all
}

// mostGroups returns how many groups a cohort has at most.
func (s *scheme) mostGroups() int {
	switch {
	case !s.secured():
		return 0
	case s.group == 0:
		return 1
	}
	return s.setup.Secure.Most / s.group
}

// securing is what a schedule knows of secure aggregation.
type securing struct {
	terms  secagg.Terms
	format integers.Format
	opener map[uint64]int // process that has opened the attempt of an order

	given     map[key][]uint32  // integers that a client has made for an order
	masked    map[key][]byte    // as it has sent them
	taken     map[key][]byte    // as the coordinator has taken them
	orderOf   map[string]uint64 // of a masked vector
	exchanges map[key]*exchange
}

// exchange is what a client has sent in an attempt.
type exchange struct {
	life     int             // of its peer
	messages map[byte][]byte // by their kind
}

// sum is a durable sum, and what the reference makes of it.
type sum struct {
	run.Sum
	total *integers.Total // nil: what was sent is no update
}

func newSecuring(s *sim) *securing {
	if !s.secured() {
		return nil
	}
	c := &securing{
		opener: map[uint64]int{}, given: map[key][]uint32{}, masked: map[key][]byte{}, taken: map[key][]byte{},
		orderOf: map[string]uint64{}, exchanges: map[key]*exchange{},
	}
	var err error
	if c.terms, c.format, err = terms.Of(s.scheme.terms, nil, "faults", len(s.initial)); err != nil {
		panic(err)
	}
	return c
}

// secureRun returns the secure aggregation of a run.
func (s *sim) secureRun() *run.Secure {
	if !s.secured() {
		return nil
	}
	return &run.Secure{Terms: s.scheme.terms, Members: s.members, Group: s.group, Primitives: native.Primitives{}, Cores: 1 + s.random.IntN(3)}
}

// integers returns the integers of a masked vector.
func (c *securing) integers(block []byte) []uint32 {
	size := (c.terms.Length*c.terms.Bits + 7) / 8
	values := secagg.NewSum(c.terms.Length, c.terms.Bits)
	if err := values.Add(block[len(block)-size:]); err != nil {
		panic(err) // the coordinator has taken it
	}
	return values.Values(nil)
}

// plain returns the sum of what participants have given. Where the coordinator has taken
// another vector than the client's, it differs by as much.
func (c *securing) plain(order uint64, participants []uint32) ([]uint32, error) {
	total := secagg.NewSum(c.terms.Length, c.terms.Bits)
	for _, p := range participants {
		k := key{p, order}
		if c.given[k] == nil || c.masked[k] == nil || c.taken[k] == nil {
			return nil, fmt.Errorf("participant %d has given nothing", p)
		}
		total.AddValues(c.given[k])
		total.AddValues(c.integers(c.taken[k]))
		total.Subtract(c.integers(c.masked[k]))
	}
	return total.Values(nil), nil
}

// checkSum comes before a sum is durable.
func (s *sim) checkSum(p *process, made run.Sum) *sum {
	c, open := s.secure, s.disk.open
	s.must(open != nil && made.Round == open.Round && made.Order == open.Order && !s.ended(), "a sum is of the open attempt", "%+v, and %+v is open", made, open)
	s.must(c.opener[made.Order] == p.number, "a restart collects no other sum", "process %d makes one of order %d, which process %d has opened", p.number, made.Order, c.opener[made.Order])
	n := len(made.Participants)
	s.must(n >= int(s.scheme.terms.Min) && n <= int(s.scheme.terms.Max), "a sum is of several", "it is of %v, want %d to %d", made.Participants, s.scheme.terms.Min, s.scheme.terms.Max)
	s.must(slices.IsSorted(made.Participants) && len(slices.Compact(slices.Clone(made.Participants))) == n, "a sum is of a set", "it is of %v", made.Participants)
	for _, number := range made.Participants {
		s.must(open != nil && slices.Contains(open.Cohort, number), "a sum is of the open attempt", "participant %d was not asked", number)
		s.must(s.orders[key{number, made.Order}].Hyper.Bound == made.Bound, "a sum says to what its participants clip", "it says %g", made.Bound)
	}
	for _, was := range s.disk.sums {
		same := was.Order == made.Order && was.Group == made.Group
		s.must(!same || bytes.Equal(was.Packed, made.Packed) && slices.Equal(was.Participants, made.Participants) && was.Bound == made.Bound,
			"a durable sum is never rewritten", "that of order %d and group %d was %+v and becomes %+v", made.Order, made.Group, was.Sum, made)
		s.must(same || was.Order != made.Order || !slices.ContainsFunc(made.Participants, func(p uint32) bool { return slices.Contains(was.Participants, p) }),
			"groups do not overlap", "%v after %v", made.Participants, was.Participants)
	}
	want, err := c.plain(made.Order, made.Participants)
	got := secagg.NewSum(c.terms.Length, c.terms.Bits)
	s.must(err == nil && got.Add(made.Packed) == nil && slices.Equal(got.Values(nil), want), "a sum is that of what its participants gave", "it is %v, want %v (%v)", got.Values(nil), want, err)
	s.result["sums"]++
	total, _ := c.format.Decode(want, integers.Turn{Seed: s.seed, Round: made.Round, Bound: made.Bound})
	made.Participants, made.Packed = slices.Clone(made.Participants), slices.Clone(made.Packed)
	return &sum{made, total}
}

// checkMasked comes when the coordinator has taken a masked vector.
func (s *sim) checkMasked(number uint32, m *protocol.Contribution) {
	k, c := key{number, m.Order}, s.secure
	ok := m.Weight == 1 && m.Metrics == (protocol.Metrics{}) && len(m.Vectors) == 1 && len(m.Vectors[0].Block) == c.terms.MaskedSize()
	s.must(ok && c.taken[k] == nil, "only what is as ordered is accepted", "participant %d's answer to order %d: %+v", number, m.Order, m)
	c.taken[k] = slices.Clone(m.Vectors[0].Block)
}

// secure returns what a client needs for secure aggregation.
func (p *peer) secure() *client.Secure {
	s := p.sim
	if !s.secured() {
		return nil
	}
	var seed [32]byte
	r := rng.Stream(s.seed, "secrets", uint64(p.index), uint64(p.life))
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	c := &client.Secure{
		Primitives: native.Primitives{Source: rand.NewChaCha8(seed), Identity: identity(p.index)}, Members: s.members, Member: p.index,
		Persist: p.persist, History: p.record, Apart: p.apart, Masks: p.made,
	}
	if s.differential() {
		c.Alter = p.altered
	}
	if s.mutant.client != nil {
		s.mutant.client(c)
	}
	return c
}

// persist writes down what a client must not forget: durably, unless the disk fails before.
func (p *peer) persist(record []byte) error {
	s := p.sim
	fails := !p.reliable && s.fault(s.rates.Fail)
	if !fails || s.chance(s.rates.FailLate) {
		p.record = slices.Clone(record)
	}
	if fails {
		s.result["records that failed"]++
		return errDisk
	}
	return nil
}

// made is told the integers of an update.
func (p *peer) made(o *protocol.Order, values []uint32) {
	p.sim.secure.given[key{p.number(), o.Order}] = slices.Clone(values)
	if p.sim.differential() {
		p.checkShare(o, values)
	}
}

func (p *peer) number() uint32 { return p.client.Welcome().Participant }

// exchange has the client answer messages of secure aggregation, perhaps while it trains.
func (p *peer) exchange() {
	s := p.sim
	if p.exchanging || !p.client.Exchanges() || p.tab() == protocol.TabFrozen {
		return
	}
	p.exchanging = true
	within := 200 * time.Millisecond
	if !p.reliable && s.fault(s.rates.Slow) {
		within = 30 * time.Second
	}
	s.soon(p.actor(), within, func() {
		p.exchanging = false
		if p.tab() != protocol.TabFrozen {
			p.send(p.client.Exchange())
			p.exchange()
		}
	})
}

// deliver hands what is trained to secure aggregation.
func (p *peer) deliver() {
	if p.apart {
		p.sim.soon(p.actor(), 100*time.Millisecond, func() { p.send(p.client.Deliver()) })
	}
}

// repeat sends a message of secure aggregation again, or another client's.
func (p *peer) repeat(c *socket, m *protocol.Secure, when time.Duration) {
	s := p.sim
	if p.reliable {
		return
	}
	later := func(m *protocol.Secure) {
		s.clock.At(when+s.between(0, 20*time.Second), 0, func() {
			if c := p.socket; c != nil {
				c.deliver(m)
			}
		})
	}
	if s.fault(s.rates.Duplicate) {
		later(m)
	}
	if s.fault(s.rates.Replay) {
		copied := *m
		copied.Order -= min(copied.Order, s.random.Uint64N(2))
		later(&copied)
	}
}

// checkExchange looks at what a client sends in secure aggregation. One message of each kind
// leaves it in an attempt: so it has one pair of keys, and releases the shares of one set of
// survivors, one of each neighbour.
func (p *peer) checkExchange(m protocol.Message) {
	s, c := p.sim, p.sim.secure
	if c == nil {
		return
	}
	history, err := secagg.ParseHistory(p.record)
	s.must(err == nil, "what a client writes down can be read", "client %d: %v", p.index, err)
	switch m := m.(type) {
	case *protocol.Secure:
		k, block := key{p.number(), m.Order}, m.Vectors[0].Block
		x := c.exchanges[k]
		if x == nil {
			x = &exchange{life: p.life, messages: map[byte][]byte{}}
			c.exchanges[k] = x
		}
		was := x.messages[block[0]]
		x.messages[block[0]] = slices.Clone(block)
		s.must(x.life == p.life, "a client that has lost its keys has dropped out", "client %d sends a message of kind %d for order %d", p.index, block[0], m.Order)
		s.must(was == nil || bytes.Equal(was, block), "a client sends one message of a kind", "client %d sends %x for order %d after %x", p.index, block, m.Order, was)
		s.must(history.Attempt.Number == m.Order && (block[0] != kindReveal || history.Released != secagg.History{}.Released),
			"what is revealed is written down first", "client %d sends a message of kind %d for order %d, and has written %+v", p.index, block[0], m.Order, history)
		if block[0] == kindReveal {
			s.result["reveals"]++
		} else if block[0] == kindConsent {
			s.result["consents"]++
		}
	case *protocol.Contribution:
		if len(m.Vectors) != 1 || m.Vectors[0].Kind != protocol.PayloadMasked {
			return
		}
		k, block := key{p.number(), m.Order}, m.Vectors[0].Block
		order, again := c.orderOf[string(block)]
		s.must(c.given[k] != nil && (!again || order == m.Order), "an update is in one attempt", "client %d sends for order %d what it has made for order %d", p.index, m.Order, order)
		s.must(c.masked[k] == nil || bytes.Equal(c.masked[k], block), "an update is masked once", "client %d sends another vector for order %d", p.index, m.Order)
		s.must(history.Update >= m.Order, "what is revealed is written down first", "client %d sends a masked vector for order %d, and has written %+v", p.index, m.Order, history)
		c.masked[k], c.orderOf[string(block)] = block, m.Order
	}
}

// masked books an answer that is in a sum.
func (o *observer) masked(e strategy.Masked) {
	k := key{uint32(e.Client), uint64(e.Order)}
	o.sim.must(!o.answered[k], "no contribution is accepted twice", "%+v", e)
	o.fresh, o.answered[k] = &answer{Contribution: run.Contribution{Participant: k.participant, Order: k.order}, base: o.open.Base}, true
}

// takeSum books a sum that the strategy accepts.
func (o *observer) takeSum(e strategy.Summed, keep bool) *answer {
	k := key{uint32(e.Clients[0]), uint64(o.open.Order)}
	a := &answer{Contribution: run.Contribution{Participant: k.participant, Order: k.order}, base: o.open.Base, kept: keep}
	for _, s := range o.sim.disk.sums {
		if s.Order == k.order && slices.EqualFunc(e.Clients, s.Participants, same) {
			a.sum = s
		}
	}
	if a.sum == nil || a.sum.total == nil {
		o.sim.violated("a sum is durable before it is used", "order %d, of %v", k.order, e.Clients)
		return a
	}
	want := a.sum.total.Weight * float64(o.sim.scheme.terms.Examples)
	o.sim.must(e.Below == a.sum.total.Below && e.Weight == want, "a sum is decoded as it was encoded", "%+v, want the weight %g and %d below the bound", e, want, a.sum.total.Below)
	a.vectors = [][]float32{a.sum.total.Mean}
	o.pending[k], o.handles[e.Handle] = a, k
	if keep {
		o.kept[e.Handle] = k
	}
	return a
}

// members returns the contributions in the sums that are being committed, and gives the sums
// to the reference arithmetic.
func (o *observer) members(in *input) map[key]*answer {
	all := map[key]*answer{}
	for _, a := range o.counting {
		in.given = append(in.given, given{
			participant: a.Participant, order: a.Contribution.Order,
			weight: a.sum.total.Weight * float64(o.sim.scheme.terms.Examples), vectors: a.vectors,
		})
		for _, p := range a.sum.Participants {
			all[key{p, a.sum.Order}] = &answer{Contribution: run.Contribution{Participant: p, Order: a.sum.Order}}
		}
	}
	return all
}

// checkGivenUp: a process that begins with the sums of an open attempt commits them.
func (o *observer) checkGivenUp(f strategy.Abandon, e strategy.Event) {
	saved := o.process.saved
	if _, told := e.(strategy.Unmasked); !told || saved == nil || saved.Open == nil || saved.Open.Order != uint64(f.Order) {
		return
	}
	sums, need := 0, 1
	if o.sim.group > 0 {
		need = groupsNeeded
	}
	for _, s := range o.sim.disk.sums {
		if s.Order == saved.Open.Order && s.total != nil {
			sums++
		}
	}
	o.sim.must(sums < need, "a restart commits the durable sum", "order %d is abandoned (%s), and has %d", f.Order, f.Reason, sums)
}

// exchanged names a message of secure aggregation.
func exchanged(m *protocol.Secure) string {
	if len(m.Vectors) != 1 || len(m.Vectors[0].Block) == 0 {
		return "nothing"
	}
	switch m.Vectors[0].Block[0] {
	case kindKeys:
		return "keys"
	case kindShares:
		return "shares"
	case kindConsent:
		return "its consent"
	case kindReveal:
		return "a reveal"
	}
	return "nonsense"
}

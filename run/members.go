package run

import (
	"bytes"
	"fmt"
	"slices"

	"fedtab/protocol"
	"fedtab/strategy"
)

// member is a participant: present, or lost and still waited for.
type member struct {
	number uint32
	peer   Peer   // nil while its socket is lost
	gone   func() // stops the timer that ends the waiting
	tab    protocol.TabState
	active bool // the strategy counts it as present

	codecs []protocol.Codec // that it has
	codec  protocol.Codec   // of its answers
	raw    bool             // it cannot make version 0, and gets versions in full
	holds  bool             // it holds version held of the model
	held   uint64

	wanted  uint64 // version that it has asked for
	wanting int    // how often

	shards []uint32
	order  *outstanding // newest
}

func (m *member) can(c protocol.Codec) bool { return slices.Contains(m.codecs, c) }

// able returns c if the member has that codec, or else the one that all have.
func (m *member) able(c protocol.Codec) protocol.Codec {
	if m.can(c) {
		return c
	}
	return protocol.CodecFloat32
}

// outstanding is an order that a participant has been given.
type outstanding struct {
	order    strategy.OrderID
	round    uint64
	base     [32]byte
	weight   uint64        // most examples that its answer may rest on
	role     protocol.Role // of the answer's first vector
	control  bool          // its second is the change of a control variate
	vectors  int           // 0: not known any more
	work     strategy.Work
	answered bool
	accepted bool // and the answer was good
}

// participantsAhead is how many numbers are reserved at a time, so that the
// journal is seldom asked.
const participantsAhead = 1000

// reserve asks for more numbers before those at hand run out.
func (r *Run) reserve() {
	if r.nextNumber+participantsAhead/2 < r.reserved {
		return
	}
	limit := r.nextNumber + participantsAhead
	r.save("participant numbers", func(j Journal) error { return j.ReserveParticipants(r.cfg.ID, limit) }, func() {
		r.reserved = max(r.reserved, limit)
	})
}

// Join takes a participant in: a new one, or, where its resume token was good,
// the one numbered resumed. It returns the participant's number, or false
// when the peer has been sent away.
func (r *Run) Join(h *protocol.Hello, resumed uint32, p Peer) (uint32, bool) {
	if r.finished != "" {
		if r.over {
			p.Close(protocol.CloseFinished, r.finished)
		} else { // a crash now would undo the end: come back and hear of it
			p.Close(protocol.CloseOverloaded, "the run is ending")
		}
		return 0, false
	}
	if !slices.Contains(h.Codecs, protocol.CodecFloat32) {
		p.Close(protocol.CloseCapability, "this task needs codec 0, float32")
		return 0, false
	}
	number := resumed
	if number == 0 {
		if r.nextNumber >= r.reserved || len(r.present) >= MaxParticipants {
			p.Close(protocol.CloseOverloaded, "too many participants at once")
			return 0, false
		}
		number = r.nextNumber
		r.nextNumber++
		r.reserve()
	}
	m := r.members[number]
	if m == nil {
		m = &member{number: number}
		r.members[number] = m
		i, _ := slices.BinarySearch(r.present, number)
		r.present = slices.Insert(r.present, i, number)
		r.record("join", number, h.Client)
	} else {
		if m.peer != nil {
			m.peer.Close(protocol.CloseSuperseded, "a newer connection took this participant's place")
		}
		if m.gone != nil {
			m.gone()
			m.gone = nil
		}
		r.record("resume", number, h.Client)
	}
	m.peer, m.tab = p, h.TabState
	m.codecs = slices.Clone(h.Codecs)
	m.codec = m.able(r.cfg.Packing.Up)
	if up := r.cfg.Packing.Up; m.codec != up {
		r.record("codec", number, fmt.Sprintf("it lacks %v, and sends %v", up, m.codec))
	}
	if down := r.cfg.Packing.Down; !m.can(down) {
		r.record("codec", number, fmt.Sprintf("it lacks %v, and gets versions in full", down))
	}
	m.holds, m.held = r.heldBy(h), h.Held
	r.count(number, h, true)

	w := &protocol.Welcome{
		Participant: number, Run: r.cfg.ID, Title: r.cfg.Title, Model: specMessage(r.cfg.Model.Spec()), Seed: r.cfg.Seed,
		InitialHash: r.initialHash[:], Parameters: uint64(r.n), Version: r.version,
		PingInterval: uint32(protocol.PingInterval.Seconds()),
	}
	if r.cfg.Token != nil {
		w.ResumeToken = r.cfg.Token(number)
	}
	r.send(m, w)
	r.divide()
	if resumed != 0 && r.cfg.Shards.Source != "" {
		r.sendShards(m) // a reloaded tab has lost its list
	}
	r.send(m, r.status())
	if o := r.open; o != nil && m.order == nil && slices.Contains(o.Cohort, number) {
		// It was chosen before it was lost, or the coordinator was: what it
		// has finished meanwhile is welcome, even from a tab that is paused now
		// and gets no order. Nobody remembers which shards it had then.
		m.order = &outstanding{order: strategy.OrderID(o.Order), round: o.Round, base: r.hash, weight: r.maxWeight()}
	}
	r.activate(m)
	r.notify(nil)
	return number, true
}

// heldBy says whether the client really holds the version that it names. A
// new participant makes version 0 from the seed.
func (r *Run) heldBy(h *protocol.Hello) bool {
	if len(h.HeldHash) == 0 {
		return h.Held == 0
	}
	if h.Held == r.version {
		return bytes.Equal(h.HeldHash, r.hash[:])
	}
	if h.Held == 0 {
		return bytes.Equal(h.HeldHash, r.initialHash[:])
	}
	i, ok := slices.BinarySearchFunc(r.rounds, h.Held, func(rec RoundRecord, v uint64) int {
		return int(int64(rec.Round) - int64(v))
	})
	return ok && bytes.Equal(h.HeldHash, r.rounds[i].Hash[:])
}

// activate tells the strategy that a participant takes part, or no longer
// does, as its tab's state and its socket allow.
func (r *Run) activate(m *member) {
	can := m.peer != nil && m.tab != protocol.TabPaused && m.tab != protocol.TabFrozen
	switch {
	case can:
		// Said again after a resume: a member of the open cohort gets its
		// order again.
		m.active = true
		r.step(strategy.Joined{Client: strategy.ClientID(m.number)})
	case m.active && m.peer != nil:
		m.active = false
		r.step(strategy.Left{Client: strategy.ClientID(m.number)})
	}
}

// Leave ends a peer's connection to its participant. A participant that said
// goodbye leaves at once; one whose socket was lost may come back within the
// grace period.
func (r *Run) Leave(number uint32, p Peer, goodbye bool) {
	m := r.members[number]
	if m == nil || m.peer != p {
		return // superseded
	}
	m.peer = nil
	if goodbye || r.cfg.ResumeGrace == 0 || r.finished != "" {
		r.remove(m)
		return
	}
	r.record("lost", number, "")
	m.gone = r.env.AfterFunc(r.cfg.ResumeGrace, func() { r.remove(m) })
}

func (r *Run) remove(m *member) {
	if m.gone != nil {
		m.gone()
	}
	delete(r.members, m.number)
	if i, ok := slices.BinarySearch(r.present, m.number); ok {
		r.present = slices.Delete(r.present, i, i+1)
	}
	r.record("leave", m.number, "")
	r.step(strategy.Left{Client: strategy.ClientID(m.number)})
	r.divide()
	r.notify(nil)
}

// divide gives every participant its shards of the public data. All shards
// are divided evenly among those present, and as few as possible change hands
// when somebody comes or goes.
func (r *Run) divide() {
	sizes := r.cfg.Shards.Sizes
	if len(sizes) == 0 || len(r.present) == 0 {
		return
	}
	wanted := make(map[uint32][]uint32, len(r.present))
	if !r.cfg.Shards.Divide {
		for _, p := range r.present {
			wanted[p] = []uint32{(p - 1) % uint32(len(sizes))}
		}
	} else {
		divideEvenly(wanted, r.present, len(sizes), func(p uint32) []uint32 { return r.members[p].shards })
	}
	for _, p := range r.present {
		m := r.members[p]
		if slices.Equal(m.shards, wanted[p]) {
			continue
		}
		m.shards = wanted[p]
		r.assignment++
		if m.peer != nil {
			r.sendShards(m)
		}
	}
}

// divideEvenly fills wanted: shards 0..total-1 over the participants, sizes
// differing by at most one, each keeping what it has as far as that allows.
// With more participants than shards, some share one.
func divideEvenly(wanted map[uint32][]uint32, present []uint32, total int, has func(uint32) []uint32) {
	if len(present) > total {
		for i, p := range present {
			wanted[p] = []uint32{uint32(i % total)}
		}
		return
	}
	base, extra := total/len(present), total%len(present)
	taken := make([]bool, total)
	quota := make([]int, len(present))
	// Those who hold more than the base keep the one that is over, first come
	// first served.
	for i, p := range present {
		quota[i] = base
		if extra > 0 && len(has(p)) > base {
			quota[i]++
			extra--
		}
	}
	for i := range present {
		if extra > 0 && quota[i] == base {
			quota[i]++
			extra--
		}
	}
	for i, p := range present {
		kept := make([]uint32, 0, quota[i])
		for _, s := range has(p) {
			if len(kept) < quota[i] && int(s) < total && !taken[s] {
				taken[s] = true
				kept = append(kept, s)
			}
		}
		wanted[p] = kept
	}
	next := 0
	for i, p := range present {
		for len(wanted[p]) < quota[i] {
			for taken[next] {
				next++
			}
			taken[next] = true
			wanted[p] = append(wanted[p], uint32(next))
		}
		slices.Sort(wanted[p])
	}
}

func (r *Run) sendShards(m *member) {
	r.send(m, &protocol.Shards{
		Assignment: r.assignment, Source: r.cfg.Shards.Source, Shards: m.shards, Total: uint32(len(r.cfg.Shards.Sizes)),
	})
	if m.order != nil {
		m.order.weight = max(m.order.weight, r.weightOf(m))
	}
}

// weightOf is the most examples that a participant can have.
func (r *Run) weightOf(m *member) uint64 {
	if len(r.cfg.Shards.Sizes) == 0 {
		return protocol.MaxWeight
	}
	var n uint64
	for _, s := range m.shards {
		n += uint64(r.cfg.Shards.Sizes[s])
	}
	return n
}

// Receive handles every message but a Hello and a Contribution. An error
// means that the sender does not keep to the protocol.
func (r *Run) Receive(number uint32, p Peer, msg protocol.Message) error {
	m := r.members[number]
	if m == nil || m.peer != p {
		return nil // superseded
	}
	r.count(number, msg, true)
	switch msg := msg.(type) {
	case *protocol.Progress:
	case *protocol.Tab:
		if msg.State != m.tab {
			m.tab = msg.State
			r.activate(m)
		}
	case *protocol.Decline:
		r.record("declined", number, msg.Reason.String()+" "+msg.Detail)
		if m.order != nil && uint64(m.order.order) == msg.Order {
			m.order.answered = true
		}
		r.step(strategy.Declined{Client: strategy.ClientID(number), Order: strategy.OrderID(msg.Order)})
	case *protocol.Want:
		r.want(m, msg)
	default:
		return fmt.Errorf("%T is not for the coordinator", msg)
	}
	return nil
}

// maxWants is how often a client may ask for one version: once is enough, and
// each answer is as large as the model.
const maxWants = 8

// want sends a model that a client asks for. Only the newest is to be had,
// and version 0 for a client that cannot make it. Who has an order on another
// learns by that that it must decline.
func (r *Run) want(m *member, w *protocol.Want) {
	if m.wanted != r.version {
		m.wanted, m.wanting = r.version, 0
	}
	if m.wanting++; m.wanting > maxWants {
		m.peer.Close(protocol.CloseAbuse, fmt.Sprintf("version %d asked for %d times", r.version, m.wanting))
		return
	}
	// Whoever wants version 0 cannot make it from the seed.
	m.raw = m.raw || w.Version == 0
	m.holds = m.holds && !w.Full
	if o := m.order; w.Version == 0 && r.version > 0 && (o == nil || o.answered) {
		m.holds = false // it gets the newest with its next order
		return
	}
	if w.Full { // a difference, even from version 0, is not what helps
		r.sendShared(m, r.fullModel(m))
		m.holds, m.held = true, r.version
		return
	}
	r.sendModel(m)
}

package run

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// reserve asks for more participant numbers when half of a block is left: a write waits
// for the disk. One write is under way at a time, for a block beside the numbers of all
// that wait, so that a storm of joins takes no more writes than a slow disk can do.
func (r *Run) reserve() {
	needed := r.roster.next + uint32(len(r.roster.waiting))
	if r.roster.reserving || needed+numbersAhead/2 < r.roster.reserved {
		return
	}
	limit := needed + numbersAhead
	r.roster.reserving = true
	r.save("participant numbers", func(j Journal) error { return j.ReserveParticipants(r.cfg.ID, limit) }, func() {
		r.roster.reserved, r.roster.reserving = limit, false
		r.admit()
		r.reserve()
	})
}

// Admit calls join, which calls Join for a new participant, as soon as a number is
// reserved for it: at once, unless participants join faster than the journal reserves
// numbers. After numberTimeout it calls join all the same, and Join refuses.
func (r *Run) Admit(join func()) {
	if r.finished != "" || r.roster.full() || !r.roster.spent() {
		join()
		return
	}
	w := &waiter{join: join}
	w.expiry = r.env.AfterFunc(numberTimeout, func() {
		r.roster.waiting = slices.DeleteFunc(r.roster.waiting, func(o *waiter) bool { return o == w })
		join()
	})
	r.roster.waiting = append(r.roster.waiting, w)
	r.reserve()
}

// admit lets waiting participants join: those for whom a number is reserved, and all
// if none will be.
func (r *Run) admit() {
	for len(r.roster.waiting) > 0 && (r.finished != "" || r.roster.full() || !r.roster.spent()) {
		w := r.roster.waiting[0]
		r.roster.waiting = r.roster.waiting[1:]
		w.expiry()
		w.join()
	}
}

// Join adds a participant: a new one (resumed 0), which Admit has admitted, or the one
// whose resume token was valid. It returns the participant's number, or false if the
// peer was closed.
func (r *Run) Join(h *protocol.Hello, resumed uint32, p Peer) (uint32, bool) {
	return r.JoinAs(0, h, resumed, p)
}

// JoinAs is Join where it is known who the person is. One that joins anew while it has a
// participant takes that one's place.
func (r *Run) JoinAs(person strategy.Person, h *protocol.Hello, resumed uint32, p Peer) (uint32, bool) {
	if r.finished != "" {
		if r.over {
			p.Close(protocol.CloseFinished, r.finished)
		} else if r.halted {
			p.Close(protocol.CloseOverloaded, haltedReason)
		} else { // the end is not durable: a crash would undo it
			p.Close(protocol.CloseOverloaded, "the run is ending")
		}
		return 0, false
	}
	if !slices.Contains(h.Codecs, protocol.CodecFloat32) {
		p.Close(protocol.CloseCapability, "this task needs codec 0, float32")
		return 0, false
	}
	if r.cfg.Own != nil && !slices.Contains(h.Payloads, protocol.PayloadBytes) {
		p.Close(protocol.CloseCapability, "this task is trained on data that participants bring, and this client has none: bring data to the page, or run coordinator client --data FILE, or swarm --from TASK")
		return 0, false
	}
	if r.secure != nil && !slices.Contains(h.Payloads, protocol.PayloadMasked) {
		p.Close(protocol.CloseCapability, "this task has secure aggregation, and this client lacks the cryptography for it")
		return 0, false
	}
	if r.secure != nil && r.secure.Members != nil && !slices.Contains(h.Payloads, protocol.PayloadSigned) {
		p.Close(protocol.CloseCapability, "this task is for its members, who prove with a key who they are: run coordinator client --members FILE --identity FILE")
		return 0, false
	}
	if m := r.roster.persons[person]; resumed == 0 && m != nil {
		resumed = m.number
	}
	if resumed == 0 && r.roster.full() {
		p.Close(protocol.CloseOverloaded, fmt.Sprintf("participants: %d, limit %d", len(r.roster.present), MaxParticipants))
		return 0, false
	}
	if resumed == 0 && r.roster.spent() {
		reason := fmt.Sprintf("no participant number reserved within %v", numberTimeout)
		if r.durable.err != nil {
			reason = retryReason
		}
		p.Close(protocol.CloseOverloaded, reason)
		return 0, false
	}
	if resumed != 0 && r.departures.has(resumed) {
		p.Close(protocol.CloseBadToken, "the participant of this resume token has left: join anew")
		return 0, false
	}
	if resumed >= r.roster.next { // given out after a backup that this database is
		p.Close(protocol.CloseBadToken, "the participant of this resume token is not known here: join anew")
		return 0, false
	}
	m := r.roster.members[resumed]
	if m != nil && m.peer != nil && !r.takeOver(m) {
		p.Close(protocol.CloseContested, fmt.Sprintf("more than %d connections a minute take this participant over from one another: try again in %v", protocol.MaxTakeOvers, takeOverBudget.every))
		return 0, false
	}
	if m == nil {
		m = r.roster.add(resumed)
		if resumed == 0 {
			r.reserve()
		}
		m.address = p.Address()
		r.recordFrom(m, "join", h.Client)
	} else {
		if m.peer != nil {
			m.peer.Close(protocol.CloseSuperseded, "a newer connection took this participant's place")
		}
		if m.expiry != nil {
			m.expiry()
			m.expiry = nil
		}
		m.address = p.Address()
		r.recordFrom(m, "resume", h.Client)
	}
	m.peer, m.tab = p, h.TabState
	r.roster.name(m, person)
	m.blocked, m.outbox = false, nil // messages for the older socket
	m.codecs, m.payloads = slices.Clone(h.Codecs), slices.Clone(h.Payloads)
	m.codec = m.able(r.cfg.Packing.Up)
	if up := r.cfg.Packing.Up; m.codec != up {
		r.recordFrom(m, "codec", fmt.Sprintf("it lacks %v, and sends %v", up, m.codec))
	}
	if down := r.cfg.Packing.Down; !m.can(down) {
		r.recordFrom(m, "codec", fmt.Sprintf("it lacks %v, and gets versions in full", down))
	}
	m.holds, m.held = r.heldBy(h), h.Held
	r.accounts.count(m.number, h, true)

	w := &protocol.Welcome{
		Participant: m.number, Run: r.cfg.ID, Title: r.cfg.Title, Model: specMessage(r.cfg.Model.Spec()), Seed: r.cfg.Seed,
		InitialHash: r.down.initialHash[:], Parameters: uint64(r.n), Version: r.down.version,
		PingInterval: uint32(protocol.PingInterval.Seconds()),
	}
	if r.secure != nil {
		w.Secure = r.secure.Terms
	}
	if r.cfg.Token != nil {
		w.ResumeToken = r.cfg.Token(m.number, m.person, r.env.Now())
		r.renewLater(m)
	}
	r.send(m, w)
	sent := m.assignment
	r.share(m)
	if len(m.shards) > 0 && m.assignment == sent {
		r.sendShards(m) // a reloaded tab has lost its assignment
	}
	r.send(m, r.status())
	if r.constants != nil {
		r.send(m, r.constantsMessage())
	}
	if o := r.absent[m.number]; o != nil && m.order == nil {
		// The order is from before the client left or the coordinator restarted.
		// Its answer is accepted even from a paused tab, which gets no order.
		m.order = o
		delete(r.absent, m.number)
	}
	if m.order != nil {
		m.order.announced = time.Time{} // a body that was lost with the older socket
	}
	r.activate(m)
	r.secureResumed(m.number)
	r.notify(nil)
	return m.number, true
}

// Peer returns the connection of a participant, nil if it has none.
func (r *Run) Peer(number uint32) Peer {
	if m := r.roster.members[number]; m != nil {
		return m.peer
	}
	return nil
}

// takeOverBudget bounds the sockets that take a participant over from one that is open.
var takeOverBudget = budget{burst: protocol.MaxTakeOvers, every: time.Minute / protocol.MaxTakeOvers}

// takeOver takes one socket out of a participant's budget, and reports whether there was
// one left.
func (r *Run) takeOver(m *member) bool {
	if !m.takes.left(r.env.Now()) {
		r.recordFrom(m, "contested", "")
		return false
	}
	m.takes.spent++
	return true
}

// renewLater sends a participant a newer resume token when half of the life of its last
// one is over: it must come back as the same participant after the next restart.
func (r *Run) renewLater(m *member) {
	m.stopRenewing()
	if r.cfg.TokenLife == 0 {
		return
	}
	m.renew = r.env.AfterFunc(r.cfg.TokenLife/2, func() {
		s := *r.status()
		s.ResumeToken = r.cfg.Token(m.number, m.person, r.env.Now())
		r.send(m, &s)
		r.renewLater(m)
	})
}

func (m *member) stopRenewing() {
	if m.renew != nil {
		m.renew()
		m.renew = nil
	}
}

// heldBy reports whether the hash that the client sends is that of the version it
// names. A new participant holds version 0, which it makes from the seed.
func (r *Run) heldBy(h *protocol.Hello) bool {
	if len(h.HeldHash) == 0 {
		return h.Held == 0
	}
	hash, ok := r.hashOf(h.Held)
	return ok && bytes.Equal(h.HeldHash, hash[:])
}

// hashOf returns the hash of a version.
func (r *Run) hashOf(version uint64) (hash [32]byte, ok bool) {
	switch version {
	case r.down.version:
		return r.down.hash, true
	case 0:
		return r.down.initialHash, true
	}
	i, ok := slices.BinarySearchFunc(r.rounds, version, func(rec RoundRecord, v uint64) int {
		return cmp.Compare(rec.Round, v)
	})
	if !ok {
		return hash, false
	}
	return r.rounds[i].Hash, true
}

// available reports whether a participant can take an order: it is connected and its
// tab is not paused.
func (m *member) available() bool {
	return m.peer != nil && m.tab != protocol.TabPaused && m.tab != protocol.TabFrozen
}

// activate reports to the strategy whether a participant is available.
func (r *Run) activate(m *member) {
	switch {
	case m.available():
		// Repeated after a resume: a member of the open cohort gets its order
		// again.
		m.active = true
		r.enquireAgain(m)
		r.startSurvey()
		r.step(m.joined())
	case m.active && m.peer != nil:
		m.active = false
		r.settled(m, released)
		r.step(strategy.Left{Client: strategy.ClientID(m.number)})
	}
}

// joined tells the strategy of a participant that is available.
func (m *member) joined() strategy.Joined {
	return strategy.Joined{Client: strategy.ClientID(m.number), Address: m.peer.Address(), Person: m.person}
}

// Parting is how a peer's connection to its participant has ended.
type Parting int

// The partings.
const (
	Lost Parting = iota // without a word: the participant may resume within the grace period
	Left                // with a Bye: the participant leaves at once, and may come back
	Done                // the same with code CloseNormal: its resume tokens end
)

// Leave ends a peer's connection to its participant.
func (r *Run) Leave(number uint32, p Peer, how Parting) { r.leave(number, p, how, nil) }

// Revoke is Leave with Done for a client that may not know its resume token. It calls
// then once it is durable that the token has ended, unless the peer was superseded or
// the run is over.
func (r *Run) Revoke(number uint32, p Peer, then func()) { r.leave(number, p, Done, then) }

func (r *Run) leave(number uint32, p Peer, how Parting, then func()) {
	m := r.roster.members[number]
	if m == nil || m.peer != p {
		return // superseded
	}
	m.peer, m.blocked, m.outbox = nil, false, nil
	m.stopRenewing()
	if how == Done && r.finished == "" {
		r.depart(number, then)
	}
	if how != Lost || r.cfg.ResumeGrace == 0 || r.finished != "" {
		r.remove(m)
		return
	}
	r.recordFrom(m, "lost", "")
	m.expiry = r.env.AfterFunc(r.cfg.ResumeGrace, func() { r.remove(m) })
}

func (r *Run) remove(m *member) {
	if m.expiry != nil {
		m.expiry()
	}
	r.roster.remove(m)
	if o := m.order; o != nil && r.open != nil && o.round == r.open.Round && uint64(o.order) >= r.firstOrder {
		r.absent[m.number] = o // it may come back before the round is closed
	} else {
		r.interrupted(o)
	}
	r.recordFrom(m, "leave", "")
	r.settled(m, released)
	r.secureLeft(m.number)
	r.step(strategy.Left{Client: strategy.ClientID(m.number)})
	r.share(nil)
	r.notify(nil)
}

// Receive handles every message but a Hello and a Contribution. Its error is a
// CloseError: the sender breaks the protocol.
func (r *Run) Receive(number uint32, p Peer, msg protocol.Message) error {
	m := r.roster.members[number]
	if m == nil || m.peer != p {
		return nil // superseded
	}
	r.accounts.count(number, msg, true)
	switch msg := msg.(type) {
	case *protocol.Progress:
		if m.order != nil && uint64(m.order.order) == msg.Order {
			if m.order.begun = true; m.order.began.IsZero() {
				m.order.began = r.env.Now()
			}
			m.order.start, m.order.fresh = nil, false // progress: the client has the model that the order starts from
		}
	case *protocol.Tab:
		if msg.State != m.tab {
			took := m.takesPart()
			could := m.available()
			m.tab = msg.State
			if m.takesPart() != took {
				r.share(m)
			}
			if m.available() != could {
				r.activate(m)
			}
		}
	case *protocol.Decline:
		if msg.Order == 0 {
			return nil // of a message that it does not know
		}
		if m.asked == 0 {
			m.peer.Fault()
			return nil
		}
		m.asked--
		if msg.Order >= protocol.EnquiryOrders {
			if r.enquiry != nil && r.enquiry.order == msg.Order {
				r.settled(m, released)
			}
			return nil
		}
		r.recordFrom(m, "declined", msg.Reason.String()+" "+msg.Detail)
		if m.order != nil && uint64(m.order.order) == msg.Order {
			r.declined(m.order, msg.Reason)
			m.order.answered = true
		}
		if g := r.groupOf(number); g != nil && g.attempt.order == msg.Order {
			r.secureLeft(number)
		}
		r.step(strategy.Declined{Client: strategy.ClientID(number), Order: strategy.OrderID(msg.Order)})
	case *protocol.Secure:
		if protocol.Announced(msg) > 0 {
			return &protocol.CloseError{Code: protocol.CloseUnexpected, Detail: fmt.Sprintf("secure: a body of %d bytes, want at most %d, in one frame", protocol.Announced(msg), protocol.InlineBody)}
		}
		r.receiveSecure(m, msg)
	case *protocol.Want:
		r.want(m, msg)
	default:
		return &protocol.CloseError{Code: protocol.CloseUnexpected, Detail: fmt.Sprintf("%v: not a message for the coordinator", protocol.KindOf(msg))}
	}
	return nil
}

// want answers a client's request for the newest version, or for version 0. A
// client with an order on another version declines it when it gets the newest.
func (r *Run) want(m *member, w *protocol.Want) {
	if m.wanted != r.down.version {
		m.wanted, m.wants = r.down.version, 0
	}
	if m.wants++; m.wants > protocol.MaxWants {
		m.peer.Close(protocol.CloseAbuse, fmt.Sprintf("requests for version %d: %d, want at most %d", r.down.version, m.wants, protocol.MaxWants))
		return
	}
	m.initDiffers = m.initDiffers || w.Version == 0
	m.holds = m.holds && !w.Full
	if o := m.order; w.Version == 0 && r.down.version > 0 && (o == nil || o.answered) {
		m.holds = false // it gets the newest with its next order
		return
	}
	if w.Full { // this client cannot use a difference, even from version 0
		r.sendShared(m, r.fullModel(m))
		m.holds, m.held = true, r.down.version
		return
	}
	r.sendModel(m)
}

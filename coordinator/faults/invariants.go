package faults

import (
	"maps"
	"slices"
	"time"

	"fedtab/combine"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"github.com/cespare/xxhash/v2"
)

// What must hold whatever happens, and whatever the scheme.

// checkOpen is asked before an attempt at a round becomes durable.
func (w *world) checkOpen(l *life, o run.OpenRound) {
	n := uint64(len(w.journal.commits))
	if o.Round != n+1 || o.Base != n {
		w.violated("rounds form a chain", "round %d opens on version %d, and version %d is the newest", o.Round, o.Base, n)
	}
	if w.ended() || o.Round > uint64(w.rounds) {
		w.violated("the end is the end", "round %d opens, and the run makes %d", o.Round, w.rounds)
	}
	if len(o.Cohort) == 0 && w.scheme.Shape != buffered || !slices.IsSorted(o.Cohort) || len(slices.Compact(slices.Clone(o.Cohort))) != len(o.Cohort) {
		w.violated("a cohort is a set of participants", "order %d has %v, want different participants, ascending", o.Order, o.Cohort)
	}
	for _, p := range o.Cohort {
		if w.numbers[p] == nil {
			w.violated("a cohort is a set of participants", "order %d has %d, and nobody has that number", o.Order, p)
		}
	}
	was, again := w.cohorts[o.Order]
	if again && (was.Round != o.Round || was.Base != o.Base || !slices.Equal(was.Cohort, o.Cohort)) {
		w.violated("an order number is used once", "order %d was %+v and becomes %+v", o.Order, was, o)
	}
	if open := w.journal.open; open != nil && o.Order < open.Order {
		w.violated("order numbers grow", "order %d is opened after order %d", o.Order, open.Order)
	}
	w.cohorts[o.Order] = o
	w.backoff = l.witness.backoff // which is written down with it
}

// checkCommit is asked before a version becomes durable: it must follow the last
// one and be what the accepted contributions make of it, each counted once and
// none left out, and so must the server's state beside it.
func (w *world) checkCommit(l *life, c run.Commit) {
	if n := uint64(len(w.journal.commits)); c.Round != n+1 || c.Base != n {
		w.violated("rounds form a chain", "version %d is made from version %d, and version %d is the newest", c.Round, c.Base, n)
		return
	}
	if w.ended() {
		w.violated("the end is the end", "version %d becomes durable after it", c.Round)
	}
	a := l.witness.attempt
	if o := w.journal.open; a == nil || !a.committing || o == nil || o.Round != c.Round || o.Order != uint64(a.Order) {
		w.violated("only an open round is committed", "version %d is, and %+v is durable", c.Round, o)
		return
	}
	if c.Hash != learn.Hash(c.Params) {
		w.violated("a version has its hash", "version %d has another", c.Round)
	}
	given, weight := []Given(nil), 0.0
	counting := l.witness.counting
	for _, k := range c.Contributions {
		id := key{k.Participant, k.Order}
		if w.counted[id] {
			w.violated("no contribution is counted twice", "participant %d's answer to order %d is in version %d again", k.Participant, k.Order, c.Round)
		}
		w.counted[id] = true
		was := counting[id]
		if was == nil || was.Contribution != k {
			w.violated("a version is made of what was accepted", "version %d counts %+v, and %+v was accepted", c.Round, k, was)
			return
		}
		given = append(given, Given{
			Participant: k.Participant, Order: k.Order, Base: was.base, Vectors: was.vectors, Weight: k.Weight, Steps: was.steps,
		})
		weight += float64(k.Weight)
	}
	if len(c.Contributions) != len(counting) {
		w.violated("every accepted contribution counts", "version %d is made of %d contributions, and %d were accepted", c.Round, len(c.Contributions), len(counting))
	}
	var who []strategy.ClientID
	for k := range counting {
		who = append(who, strategy.ClientID(k.participant))
	}
	slices.Sort(who)
	who = slices.Compact(who)
	if !slices.EqualFunc(who, c.Participants, sameClient) || !slices.Equal(who, a.clients) {
		w.violated("a version names its participants", "version %d names %v, the strategy %v, and %v were accepted", c.Round, c.Participants, a.clients, who)
	}
	if c.Weight != weight {
		w.violated("a version names its weight", "version %d says %g, its contributions %g", c.Round, c.Weight, weight)
	}
	want, state, err := w.scheme.combine(made{
		seed: w.seed, version: c.Base, base: w.exact(), state: w.serverState(), given: given, most: w.mostExamples(),
		among: l.world.among[a.Order], halvings: l.witness.backoff.halvings, adds: l.witness.adds,
	})
	if err != nil {
		w.violated("a version is what its contributions make of its base", "version %d is %v, which %v make impossible: %v", c.Round, c.Params, given, err)
		return
	}
	w.checkRounded(c, want, state)
	if !maps.EqualFunc(c.State, state, slices.Equal) {
		w.violated("a version comes with the server's state", "version %d has %v, want %v", c.Round, c.State, state)
	}
	w.backoff = l.witness.backoff.committed()
	// Bytes are counted up to the moment when the commit was asked for first.
	if up, down := l.asked.Up-l.since.Up, l.asked.Down-l.since.Down; c.Traffic.Up != up || c.Traffic.Down != down {
		w.violated("rounds account for all bytes", "version %d says %d up and %d down since the last, the peers %d and %d", c.Round, c.Traffic.Up, c.Traffic.Down, up, down)
	}
}

// checkRepeated is asked when a version is made durable that already is.
func (w *world) checkRepeated(c run.Commit) {
	if was := w.journal.commits[c.Round-1]; was.Hash != c.Hash || !slices.Equal(was.Participants, c.Participants) {
		w.violated("a durable version is never rewritten", "version %d of %v was committed, and is again of %v", c.Round, was.Participants, c.Participants)
	}
}

// newest returns the newest durable version.
func (w *world) newest() []float32 {
	if n := len(w.journal.commits); n > 0 {
		return w.journal.commits[n-1].Params
	}
	return w.initial
}

// serverState returns what the server keeps beside the newest durable version.
func (w *world) serverState() map[string][]float32 {
	if n := len(w.journal.commits); n > 0 {
		return w.journal.commits[n-1].State
	}
	return nil
}

// checkSent looks at what the coordinator tells a participant.
func (w *world) checkSent(c *conn, m protocol.Message) {
	if c.left || c.code == protocol.CloseSuperseded {
		w.violated("nothing is sent to a socket that is gone", "participant %d gets %T on one", c.number, m)
	}
	durable := uint64(len(w.journal.commits))
	told := func(version uint64, hash []byte) {
		switch {
		case version > durable:
			w.violated("nobody is told of a version that is not durable", "participant %d is told of version %d, and %d are (%T)", c.number, version, durable, m)
		case hash == nil:
		case version == 0 && !slices.Equal(hash, w.initialHash[:]), version > 0 && !slices.Equal(hash, w.journal.commits[version-1].Hash[:]):
			w.violated("a version has its hash", "participant %d is told another of version %d (%T)", c.number, version, m)
		}
	}
	switch m := m.(type) {
	case *protocol.Welcome:
		told(m.Version, nil)
		w.checkNumber(c, m.Participant)
	case *protocol.Status:
		told(max(m.Version, m.Closed, m.Evaluated), nil)
		if (m.Phase == protocol.PhaseFinished || m.Reason != "") && !w.ended() {
			w.violated("nobody is told of an end that is not durable", "participant %d is (%T)", c.number, m)
		}
	case *protocol.Model:
		c.checkReadable(m)
		switch v := &m.Vectors[0]; {
		case v.Role == protocol.RoleDelta && v.Codec != protocol.CodecGrid:
			told(m.Version, v.BaseHash)
			w.checkLocal(c, m)
			return
		case v.Role == protocol.RoleDelta:
			told(m.Base, v.BaseHash)
		}
		told(m.Version, m.Hash)
		c.checkModel(m)
		var control []float32
		if m.Version > 0 && m.Version <= durable {
			control = w.journal.commits[m.Version-1].State[combine.ControlVector]
		}
		if len(m.Vectors) == 2 != (control != nil) {
			w.violated("a control variate travels with its model", "participant %d gets %d vectors of version %d", c.number, len(m.Vectors), m.Version)
		}
	case *protocol.Order:
		told(m.Base, m.BaseHash)
		w.checkOrder(c, m)
	}
}

// checkLocal: a model to start from that is no version is one of the means of
// what was kept.
func (w *world) checkLocal(c *conn, m *protocol.Model) {
	means := slices.AppendSeq(slices.Clone(c.life.witness.forgotten), maps.Values(c.life.witness.means))
	for _, mean := range means {
		if c.life.witness.compute(mean); string(m.Hash) == string(mean.hash[:]) {
			return
		}
	}
	w.violated("a mean is what it is made of", "participant %d gets %x, which is none of the %d means", c.number, m.Hash, len(means))
}

// checkOrder: orders are those of the durable round, and the same order asks for
// the same work whenever it is given.
func (w *world) checkOrder(c *conn, m *protocol.Order) {
	w.note("participant %d is given order %d on version %d", c.number, m.Order, m.Base)
	c.checkCodec(m)
	switch o := w.journal.open; w.scheme.Shape {
	case inRounds, inLegs:
		switch {
		case o == nil || m.Round != o.Round || m.Order != o.Order || m.Base != o.Base:
			w.violated("orders wait for the disk", "participant %d is given order %d of round %d, and %+v is durable", c.number, m.Order, m.Round, o)
		case !slices.Contains(o.Cohort, c.number):
			w.violated("orders go to the cohort", "participant %d is given order %d, whose cohort is %v", c.number, m.Order, o.Cohort)
		}
	case monitored:
		if o == nil || m.Round != o.Round || m.Base != o.Base {
			w.violated("orders wait for the disk", "participant %d is given order %d of round %d, and %+v is durable", c.number, m.Order, m.Round, o)
		}
	case buffered:
		// Its base is durable, which is all that matters.
		if m.Round != 0 || o == nil && len(w.journal.commits) == 0 {
			w.violated("orders wait for the disk", "participant %d is given order %d of round %d, and %+v is durable", c.number, m.Order, m.Round, o)
		}
	}
	k := key{c.number, m.Order}
	was, again := w.orders[k]
	if again && (was.Round != m.Round || was.Base != m.Base || was.Hyper != m.Hyper || was.Seed != m.Seed || was.Kind != m.Kind) {
		w.violated("the same order asks for the same work", "participant %d is given order %d again, as %+v after %+v", c.number, m.Order, *m, was)
	}
	w.orders[k] = *m
}

// checkNumber: a number belongs to one participant for ever.
func (w *world) checkNumber(c *conn, number uint32) {
	switch owner := w.numbers[number]; {
	case c.resumes != 0 && c.resumes != number:
		w.violated("a participant keeps its number", "participant %d comes back as %d", c.resumes, number)
	case c.resumes == 0 && owner != nil:
		w.violated("a number is given to one participant", "%d is given to a second", number)
	}
	w.numbers[number] = c.participant
}

// checkAnswer: a contribution that reaches the run on its participant's socket
// gets one answer; an honest one gets the right one; and only what is as ordered
// is accepted.
func (c *conn) checkAnswer(acks int, m *protocol.Contribution, honest bool, right []protocol.Reason) {
	w := c.participant.world
	if c.acks != acks+1 || c.ack.Order != m.Order {
		w.violated("every contribution gets one answer", "participant %d's to order %d gets %d, the last for order %d", c.number, m.Order, c.acks-acks, c.ack.Order)
		return
	}
	c.life.seen.Answers[c.ack.Reason]++
	w.note("participant %d's answer to order %d: %v (honest %v)", c.number, m.Order, c.ack.Reason, honest)
	if honest && !slices.Contains(right, c.ack.Reason) && !(c.ack.Reason == protocol.ReasonOutOfBounds && slices.Contains(right, protocol.ReasonAccepted) && w.blownUp(c.number, m)) {
		w.violated("an honest contribution gets the right answer", "participant %d's to order %d gets %v %q, want %v", c.number, m.Order, c.ack.Reason, c.ack.Detail, right)
	}
	a := c.life.witness.fresh
	c.life.witness.fresh = nil
	if (a != nil) != (c.ack.Reason == protocol.ReasonAccepted) || a != nil && (a.Participant != c.number || a.Contribution.Order != m.Order) {
		w.violated("accepted is what the strategy accepts", "participant %d's to order %d is answered %v, and the strategy has accepted %+v", c.number, m.Order, c.ack.Reason, a)
		return
	}
	if a == nil {
		w.result.Refused++
		return
	}
	w.result.Accepted++
	order := w.orders[key{c.number, m.Order}]
	vectors, role := 1, protocol.RoleDelta
	switch {
	case order.Kind == protocol.OrderBase:
		vectors = int(order.Hyper.Parts)
	case order.Hyper.Control:
		vectors = 2
	case order.Kind == protocol.OrderGradient:
		role = protocol.RoleGradient
	}
	if m.Round != order.Round || len(m.Vectors) != vectors || m.Vectors[0].Role != role {
		w.violated("only what is as ordered is accepted", "participant %d's answer %+v to %+v is", c.number, m, order)
		return
	}
	var print xxhash.Digest
	print.Reset()
	most := w.mostExamples()
	for i, v := range m.Vectors {
		print.Write(v.Block)
		values, err := w.decode(c.number, m, i)
		if err != nil || v.Role != protocol.RoleControl && !slices.Equal(v.BaseHash, order.BaseHash) {
			w.violated("only what is as ordered is accepted", "vector %d of participant %d's answer %+v to %+v is (%v)", i, c.number, m, order, err)
		}
		if m.Weight == 0 || m.Weight > most || !bounded(m, values) {
			w.violated("only what is within bounds is accepted", "participant %d's answer to order %d of weight %d is, and there are %d examples", c.number, m.Order, m.Weight, most)
		}
		a.vectors = append(a.vectors, values)
	}
	a.steps, a.Weight, a.Fingerprint = m.Metrics.Steps, m.Weight, print.Sum64()
}

// mostExamples is how many examples any participant can have.
func (w *world) mostExamples() uint64 {
	if len(w.sets) == 0 {
		return protocol.MaxWeight
	}
	n := 0
	for _, s := range w.sets {
		n += s.Len()
	}
	return uint64(n)
}

// checkNow is asked between any two events.
func (w *world) checkNow() {
	l := w.life
	if l == nil || l.run == nil {
		return
	}
	l.seen.Abandoned = l.witness.abandoned
	state := l.run.State()
	l.seen.Kinds = state.Ledger.Kinds // checked by their sum
	l.seen.RolledBack = l.witness.rolledBack
	if state.Ledger != l.seen {
		w.violated("the ledger is what the peers saw", "it says %+v, they %+v", state.Ledger, l.seen)
	}
	if (state.Finished != "") != (state.Phase == protocol.PhaseFinished) {
		w.violated("the end is the end", "the run is over (%q) and in phase %d", state.Finished, state.Phase)
	}
	s := l.run.Stats()
	l.checkPresent(state, s.Lost)
	if s.Offers != 0 {
		w.violated("memory does not grow", "%d contributions are kept between events", s.Offers)
	}
	l.witness.checkKept(s, state.Finished != "")
	if s.Timers > strategyTimers {
		w.violated("memory does not grow", "the strategy has %d timers", s.Timers)
	}
	if s.Members != state.Participants {
		w.violated("memory does not grow", "%d members are kept of %d participants", s.Members, state.Participants)
	}
	// Each lost participant has a timer, and so have writes that are to be
	// tried again; the rest is the strategy's and the run's own.
	if most := s.Lost + s.Timers + s.Retries + ownTimers; l.timers > most {
		w.violated("memory does not grow", "%d timers are set, want at most %d for %+v", l.timers, most, s)
	}
	if n := len(w.journal.pending); n > mostWrites {
		w.violated("memory does not grow", "%d writes wait for the disk", n)
	}
	if over := w.clock.Now() - w.calmAt - settling; over > w.calmRound*time.Duration(w.rounds) && !w.ended() {
		w.violated("the run ends", "it has made %d rounds of %d, %v after the storm", len(w.journal.commits), w.rounds, over+settling)
	}
}

// checkPresent: until the run has made its rounds, the strategy knows who is
// there and able to work, beside those who are lost and still waited for.
func (l *life) checkPresent(state run.State, lost int) {
	if state.Finished != "" || state.Version >= uint64(l.world.rounds) {
		return
	}
	for number, c := range l.peers {
		able := c.tab != protocol.TabPaused && c.tab != protocol.TabFrozen
		if able != l.witness.present[strategy.ClientID(number)] {
			l.world.violated("the strategy knows who is there", "participant %d is able to work: %v (tab state %d); the strategy believes the opposite", number, able, c.tab)
		}
		if !able {
			lost++ // not counted among those present
		}
	}
	if n := len(l.witness.present); n > len(l.peers)+lost {
		l.world.violated("the strategy knows who is there", "it believes in %d participants, there are %d and %d lost ones", n, len(l.peers), lost)
	}
}

// checkExcused is asked when the grace after a restart is over: of the cohort
// that was open, nobody is waited for who has not come back, or is paused.
func (l *life) checkExcused() {
	if shape := l.world.scheme.Shape; shape != inRounds && shape != inLegs {
		return
	}
	if a := l.witness.attempt; l.over || a == nil || a.Order != strategy.OrderID(l.saved.Open.Order) || a.committing || l.run.State().Finished != "" {
		return
	}
	for _, p := range l.saved.Open.Cohort {
		id := strategy.ClientID(p)
		if !l.witness.present[id] && !l.witness.left[id] {
			l.world.violated("nobody waits for who does not come back", "participant %d of order %d is still awaited", p, l.saved.Open.Order)
		}
	}
}

// Bounds of checkNow.
const (
	strategyTimers = 3 // of a strategy: deadline, retry, gathering
	ownTimers      = 3 // of a Run: its time limit, its event log, the grace after a restart
	mostWrites     = 6 // that wait for the disk: a round, an evaluation, numbers, the end, the event log
)

// checkEnd is asked when nothing is left to happen: the run is over, and has
// forgotten everybody.
func (w *world) checkEnd() {
	if !w.ended() || w.life == nil || w.life.run == nil || w.life.run.State().Finished == "" {
		w.violated("the run never gets stuck", "nothing is left to happen after %d rounds of %d", len(w.journal.commits), w.rounds)
		return
	}
	if n := len(w.journal.commits); n > w.rounds || n < w.rounds && w.stop.Time == 0 && w.stop.Accuracy == 0 {
		w.violated("the run makes its rounds", "it is over (%s) after %d rounds of %d", w.journal.finished, n, w.rounds)
	}
	l := w.life
	if s := l.run.Stats(); s != (run.Stats{}) || l.timers != 0 {
		w.violated("memory does not grow", "%+v and %d timers are left when everybody is gone", s, l.timers)
	}
	for i := range leased {
		if l.borrow(&protocol.Contribution{}) == nil {
			w.violated("memory does not grow", "%d of %d leased bodies were never given back", leased-i, leased)
			return
		}
	}
}

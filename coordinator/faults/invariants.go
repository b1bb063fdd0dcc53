package faults

import (
	"slices"

	"fedtab/coordinator/run"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// What must hold, whatever happens.

// checkOpen is asked before a round becomes durable.
func (w *world) checkOpen(o run.OpenRound) {
	switch n := uint64(len(w.journal.commits)); {
	case o.Round != n+1 || o.Base != n:
		w.violated("round %d opens on version %d, and version %d is the newest", o.Round, o.Base, n)
	case w.journal.open != nil && o.Order < w.journal.open.Order:
		w.violated("order %d is opened after order %d", o.Order, w.journal.open.Order)
	case len(o.Cohort) == 0 || !slices.IsSorted(o.Cohort) || len(slices.Compact(slices.Clone(o.Cohort))) != len(o.Cohort):
		w.violated("cohort %v, want different participants, ascending", o.Cohort)
	}
	for _, p := range o.Cohort {
		if w.numbers[p] == nil {
			w.violated("participant %d is chosen, and nobody has that number", p)
		}
	}
}

// checkCommit is asked before a version becomes durable: it must follow the last
// one, be made of accepted contributions, each counted once and none left out,
// and be what they make of the base, bit for bit.
func (w *world) checkCommit(c run.Commit) {
	l := w.life
	if l == nil {
		l = w.dying
	}
	base := w.newest()
	if c.Round != uint64(len(w.journal.commits))+1 || c.Base != c.Round-1 {
		w.violated("version %d is made from version %d, and %d are durable", c.Round, c.Base, len(w.journal.commits))
		return
	}
	if o := w.journal.open; o == nil || o.Round != c.Round {
		w.violated("version %d is committed, and its round was never opened", c.Round)
		return
	}
	sum, err := strategy.NewSum(len(base), float64(run.MaxParticipants)*protocol.MaxWeight*protocol.MaxDelta)
	if err != nil {
		panic(err)
	}
	var who []uint32
	for _, k := range c.Contributions {
		id := key{k.Participant, k.Order}
		if w.counted[id] {
			w.violated("version %d counts participant %d's answer to order %d again", c.Round, k.Participant, k.Order)
		}
		w.counted[id] = true
		if !l.accepted[id] {
			w.violated("version %d counts participant %d's answer to order %d, which was not accepted", c.Round, k.Participant, k.Order)
		}
		delete(l.accepted, id)
		if k.Order != w.journal.open.Order || !slices.Contains(w.journal.open.Cohort, k.Participant) {
			w.violated("version %d counts participant %d's answer to order %d; order %d went to %v", c.Round, k.Participant, k.Order, w.journal.open.Order, w.journal.open.Cohort)
		}
		delta := w.sent[k.Fingerprint]
		if delta == nil {
			w.violated("version %d counts a contribution that nobody sent", c.Round)
			return
		}
		sum.Add(delta, float64(k.Weight))
		who = append(who, k.Participant)
	}
	slices.Sort(who)
	if !slices.Equal(who, c.Participants) {
		w.violated("version %d names participants %v, and its contributions are of %v", c.Round, c.Participants, who)
	}
	for id := range l.accepted {
		if id.order == w.journal.open.Order {
			w.violated("version %d leaves out participant %d's answer, which was accepted", c.Round, id.participant)
		}
	}
	want := make([]float32, len(base))
	if err := sum.Mean(want, base, 1); err != nil {
		w.violated("version %d is made of nothing", c.Round)
		return
	}
	if !slices.Equal(c.Params, want) || c.Hash != learn.Hash(want) {
		w.violated("version %d is not what its contributions make of version %d", c.Round, c.Base)
	}
}

// newest returns the newest durable version.
func (w *world) newest() []float32 {
	if n := len(w.journal.commits); n > 0 {
		return w.journal.commits[n-1].Params
	}
	return w.initial
}

// checkSent looks at what the coordinator tells a participant.
func (w *world) checkSent(c *conn, m protocol.Message) {
	durable := uint64(len(w.journal.commits))
	told := func(version uint64, hash []byte) {
		switch {
		case version > durable:
			w.violated("participant %d is told of version %d, and %d are durable (%T)", c.number, version, durable, m)
		case hash == nil:
		case version == 0 && !slices.Equal(hash, w.initialHash[:]), version > 0 && !slices.Equal(hash, w.journal.commits[version-1].Hash[:]):
			w.violated("participant %d is told another hash of version %d (%T)", c.number, version, m)
		}
	}
	switch m := m.(type) {
	case *protocol.Welcome:
		told(m.Version, nil)
		w.checkNumber(c, m.Participant)
	case *protocol.Status:
		told(m.Version, nil)
		told(m.Closed, nil)
	case *protocol.Model:
		told(m.Version, m.Hash)
	case *protocol.Order:
		told(m.Base, m.BaseHash)
		switch o := w.journal.open; {
		case o == nil || m.Round != o.Round || m.Order != o.Order || m.Base != o.Base:
			w.violated("participant %d is given order %d of round %d, and %+v is durable", c.number, m.Order, m.Round, o)
		case !slices.Contains(o.Cohort, c.number):
			w.violated("participant %d is given order %d, whose cohort is %v", c.number, m.Order, o.Cohort)
		}
		// A round that was open when the coordinator died goes on as it was.
		if r := w.life.resumed; r != nil {
			if m.Round == r.Round && m.Order < r.Order {
				w.violated("order %d is given again after a restart, and order %d was open", m.Order, r.Order)
			}
			if !c.resumedSeen && m.Round == r.Round && w.journal.open.Order == r.Order && !slices.Equal(w.journal.open.Cohort, r.Cohort) {
				w.violated("order %d has another cohort after the restart", m.Order)
			}
		}
	case *protocol.Ack:
		w.life.perRun[c]++
		if m.Reason == protocol.ReasonAccepted && c.offering != nil {
			w.life.accepted[key{c.number, m.Order}] = true
		}
	}
}

// checkNumber: a number belongs to one participant for ever.
func (w *world) checkNumber(c *conn, number uint32) {
	switch owner := w.numbers[number]; {
	case c.resumes != 0 && c.resumes != number:
		w.violated("participant %d comes back as %d", c.resumes, number)
	case c.resumes == 0 && owner != nil:
		w.violated("number %d is given to a second participant", number)
	}
	w.numbers[number] = c.participant
}

// checkAnswer: a contribution that reaches the run gets one answer, and an
// honest one no blame.
func (w *world) checkAnswer(c *conn, before int, m *protocol.Contribution, honest bool, reason protocol.Reason) {
	if n := w.life.perRun[c] - before; n != 1 {
		w.violated("participant %d's answer to order %d is acknowledged %d times", c.number, m.Order, n)
		return
	}
	if !honest {
		return
	}
	switch reason {
	case protocol.ReasonAccepted, protocol.ReasonLate, protocol.ReasonDuplicate:
	default:
		w.violated("participant %d's honest answer to order %d is refused: %v", c.number, m.Order, reason)
	}
}

// checkLedger compares the run's ledger with what the peers were given and
// delivered.
func (l *life) checkLedger() {
	g := l.run.State().Ledger
	if g.Up != l.up || g.Down != l.down {
		l.world.violated("the ledger says %d bytes up and %d down, the peers say %d and %d", g.Up, g.Down, l.up, l.down)
	}
	if g.MessagesUp+g.MessagesDown != l.messages || g.ModelsDown != l.models {
		l.world.violated("the ledger says %d messages and %d models, the peers say %d and %d", g.MessagesUp+g.MessagesDown, g.ModelsDown, l.messages, l.models)
	}
}

// checkEnd is asked when the run is over.
func (w *world) checkEnd() {
	if n := len(w.journal.commits); n != w.rounds {
		w.violated("the run is over (%s) after %d rounds, want %d", w.journal.finished, n, w.rounds)
	}
	w.life.tally()
	w.life.checkLedger()
	var up, down int64
	for _, c := range w.journal.commits {
		up += c.BytesUp
		down += c.BytesDown
	}
	if up > w.up || down > w.down {
		w.violated("the rounds account for %d bytes up and %d down, the peers only saw %d and %d", up, down, w.up, w.down)
	}
	w.life.checkLease(w)
}

// checkLease: every body that was borrowed has been given back.
func (l *life) checkLease(w *world) {
	for i := range leased {
		if l.borrow() == nil {
			w.violated("%d of %d leased bodies were never given back", leased-i, leased)
			return
		}
	}
}

package run

import (
	"cmp"
	"slices"

	"fedtab/protocol"
)

// Ledger counts the traffic of a run and the answers to contributions.
type Ledger struct {
	Traffic
	MessagesUp   int64
	MessagesDown int64

	Answers    [protocol.Reasons]int64 // to contributions, by reason
	Abandoned  int64                   // attempts at rounds
	RolledBack int64                   // versions that were rolled back
	Shapes     [Shapes]int64           // orders that have ended, by how far they came
}

// accounts are the run's byte accounts: of the whole run, of the time since the
// last commit, and of each participant in that time.
type accounts struct {
	uncounted bool // nothing counts: the data is all in one place
	metered   bool // peers report what travels: messages do not count as they are handed over
	all       Ledger
	written   Ledger // all, as the journal has it
	period    Traffic
	clients   map[uint32]*ClientTraffic
}

func newAccounts(uncounted, metered bool) accounts {
	return accounts{uncounted: uncounted, metered: metered, clients: map[uint32]*ClientTraffic{}}
}

// Entry is bytes that have travelled to or from a participant.
type Entry struct {
	Kind     protocol.Kind // 0 for bytes that became no message
	Messages int64
	Bytes    int64 // WebSocket headers and masks included
	Models   int64 // vectors as long as the model
	Up       bool  // from the participant
}

// EntryOf returns the entry of a message in its canonical encoding. What clients
// send is masked.
func EntryOf(msg protocol.Message, up bool) Entry {
	return Entry{Kind: protocol.KindOf(msg), Messages: 1, Bytes: protocol.WireSize(msg, up), Models: models(msg), Up: up}
}

// Book enters what has travelled between a participant and a peer that measures
// its own traffic (Config.Metered). The participant may have left meanwhile.
func (r *Run) Book(number uint32, e Entry) { r.accounts.enter(number, e) }

// restore continues the ledger of an earlier process. What it has beyond the
// committed rounds belongs to the round that comes next; which participants it
// belongs to is not known any more.
func (a *accounts) restore(l Ledger, rounds []RoundRecord) {
	a.all, a.written = l, l
	if l == (Ledger{}) {
		return
	}
	a.period = l.Traffic
	for i := range rounds {
		a.period.Subtract(&rounds[i].Traffic)
	}
}

// models returns the number of models in a message.
func models(msg protocol.Message) int64 {
	switch m := msg.(type) {
	case *protocol.Contribution:
		return int64(len(m.Vectors))
	case *protocol.Model:
		return int64(len(m.Vectors))
	}
	return 0
}

// count books a message of a participant; frames that clients send are masked.
func (a *accounts) count(number uint32, msg protocol.Message, up bool) {
	a.book(number, EntryOf(msg, up))
}

// book enters what was handed over to a peer, or by it.
func (a *accounts) book(number uint32, e Entry) {
	if !a.metered {
		a.enter(number, e)
	}
}

// enter puts an entry in every account that it belongs to.
func (a *accounts) enter(number uint32, e Entry) {
	if a.uncounted {
		return
	}
	c := a.clients[number]
	if c == nil {
		c = &ClientTraffic{Participant: number}
		a.clients[number] = c
	}
	if e.Up {
		a.all.MessagesUp += e.Messages
	} else {
		a.all.MessagesDown += e.Messages
	}
	for _, t := range [...]*Traffic{&c.Traffic, &a.period, &a.all.Traffic} {
		if e.Up {
			t.Up += e.Bytes
			t.ModelsUp += e.Models
			t.Kinds[e.Kind].Up += e.Bytes
		} else {
			t.Down += e.Bytes
			t.ModelsDown += e.Models
			t.Kinds[e.Kind].Down += e.Bytes
		}
	}
}

// answered counts the answer to a contribution.
func (a *accounts) answered(reason protocol.Reason) {
	if int(reason) < len(a.all.Answers) {
		a.all.Answers[reason]++
	}
}

// perClient returns the participants' accounts since the last commit, by number.
func (a *accounts) perClient() []ClientTraffic {
	all := make([]ClientTraffic, 0, len(a.clients))
	for _, c := range a.clients {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b ClientTraffic) int { return cmp.Compare(a.Participant, b.Participant) })
	return all
}

// close ends the period and returns its accounts.
func (a *accounts) close() (Traffic, []ClientTraffic) {
	period, clients := a.period, a.perClient()
	a.period = Traffic{}
	clear(a.clients)
	return period, clients
}

// ClientTraffic returns the participants' accounts since the last commit, by
// number.
func (r *Run) ClientTraffic() []ClientTraffic { return r.accounts.perClient() }

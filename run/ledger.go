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
}

// accounts are the run's byte accounts: of the whole run, of the time since the
// last commit, and of each participant in that time.
type accounts struct {
	uncounted bool // Config.Uncounted
	all       Ledger
	period    Traffic
	clients   map[uint32]*ClientTraffic
}

func newAccounts(uncounted bool) accounts {
	return accounts{uncounted: uncounted, clients: map[uint32]*ClientTraffic{}}
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
	a.book(number, protocol.KindOf(msg), protocol.WireSize(msg, up), models(msg), up)
}

// book adds bytes to every account concerned.
func (a *accounts) book(number uint32, kind protocol.Kind, size, models int64, up bool) {
	if a.uncounted {
		return
	}
	c := a.clients[number]
	if c == nil {
		c = &ClientTraffic{Participant: number}
		a.clients[number] = c
	}
	if up {
		a.all.MessagesUp++
	} else {
		a.all.MessagesDown++
	}
	for _, t := range [...]*Traffic{&c.Traffic, &a.period, &a.all.Traffic} {
		if up {
			t.Up += size
			t.ModelsUp += models
			t.Kinds[kind].Up += size
		} else {
			t.Down += size
			t.ModelsDown += models
			t.Kinds[kind].Down += size
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

package run

import (
	"cmp"
	"slices"

	"fedtab/protocol"
)

// Ledger counts all that has travelled, and what became of it.
type Ledger struct {
	Traffic
	MessagesUp   int64
	MessagesDown int64

	Answers    [protocol.Reasons]int64 // to contributions, by reason
	Abandoned  int64                   // attempts at rounds
	RolledBack int64                   // versions that were not made
}

// count books a message of a participant; what clients send is masked.
func (r *Run) count(number uint32, msg protocol.Message, up bool) {
	r.book(number, protocol.KindOf(msg), protocol.WireSize(msg, up), models(msg), up)
}

// book enters bytes in every account that they belong to.
func (r *Run) book(number uint32, kind protocol.Kind, size, models int64, up bool) {
	if r.cfg.Uncounted {
		return
	}
	c := r.clients[number]
	if c == nil {
		c = &ClientTraffic{Participant: number}
		r.clients[number] = c
	}
	if up {
		r.ledger.MessagesUp++
	} else {
		r.ledger.MessagesDown++
	}
	for _, t := range [...]*Traffic{&c.Traffic, &r.period, &r.ledger.Traffic} {
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

// ClientTraffic returns the participants' accounts since the last commit, by
// number.
func (r *Run) ClientTraffic() []ClientTraffic {
	all := make([]ClientTraffic, 0, len(r.clients))
	for _, c := range r.clients {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b ClientTraffic) int { return cmp.Compare(a.Participant, b.Participant) })
	return all
}

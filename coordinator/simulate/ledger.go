package simulate

import (
	"encoding/json"
	"io"

	"fedtab/coordinator/account"
	"fedtab/run"
)

// Account is the traffic of one client.
type Account struct {
	Round  uint64 `json:"round,omitempty"` // whose commit ended the period; 0: the whole run
	Client uint32 `json:"client"`          // participant number
	account.Figures
}

func (l *ledger) account(round uint64, c *run.ClientTraffic) Account {
	return Account{Round: round, Client: c.Participant, Figures: account.Of(&c.Traffic, l.parameters)}
}

// ledger sums the clients' accounts, and writes those of each round if it has a
// writer.
type ledger struct {
	rounds     *json.Encoder // nil: not written
	total      []run.ClientTraffic
	parameters int   // of the model
	err        error // the first error of the writer
}

func newLedger(clients, parameters int, w io.Writer) *ledger {
	l := &ledger{total: make([]run.ClientTraffic, clients), parameters: parameters}
	for i := range l.total {
		l.total[i].Participant = uint32(i + 1)
	}
	if w != nil {
		l.rounds = json.NewEncoder(w)
	}
	return l
}

// close adds the period that ended with a round.
func (l *ledger) close(round uint64, clients []run.ClientTraffic) {
	for i := range clients {
		c := &clients[i]
		l.total[c.Participant-1].Add(&c.Traffic)
		if l.rounds != nil && l.err == nil {
			l.err = l.rounds.Encode(l.account(round, c))
		}
	}
}

// accounts returns the accounts of the whole run, by client.
func (l *ledger) accounts() []Account {
	all := make([]Account, len(l.total))
	for i := range l.total {
		all[i] = l.account(0, &l.total[i])
	}
	return all
}

package simulation

import (
	"fmt"

	"fedtab/protocol"
)

// declined detects a run without progress because its clients decline their orders,
// as when training diverges: strategies retry without end.
type declined struct {
	orders map[uint64]*answers // since the newest version and the last order that was not declined
	row    int                 // declined orders in a row
	times  int                 // declined answers to them
	last   string              // the last client that declined, and its reason
	rate   bool                // a smaller learning rate may help
}

// answers counts the answers to an order.
type answers struct{ asked, accepted, declined int }

// An order is declined if at least half of its clients have declined it: by default,
// the others are too few for a round. The run is stuck after maxDeclined such orders
// in a row with maxDeclinedTimes declined answers.
const (
	maxDeclined      = 8
	maxDeclinedTimes = 32
)

// reset clears the counts after progress.
func (d *declined) reset() { *d = declined{orders: map[uint64]*answers{}} }

// sent counts orders and acknowledgements sent to a participant.
func (d *declined) sent(number uint32, m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Order:
		a := d.orders[m.Order]
		if a == nil {
			a = new(answers)
			d.orders[m.Order] = a
		}
		a.asked++
	case *protocol.Ack:
		switch m.Reason {
		case protocol.ReasonAccepted:
			if a := d.orders[m.Order]; a != nil {
				if a.accepted++; 2*a.accepted > a.asked {
					d.reset()
				}
			}
		case protocol.ReasonNotFinite, protocol.ReasonOutOfBounds:
			d.decline(number, m.Order, m.Reason, m.Detail)
		}
	}
}

// decline counts an answer that is declined or refused.
func (d *declined) decline(number uint32, order uint64, reason protocol.Reason, detail string) {
	a := d.orders[order]
	if a == nil {
		return
	}
	d.last = fmt.Sprintf("%d: %v", number, reason)
	if detail != "" {
		d.last += ", " + detail
	}
	switch reason {
	case protocol.ReasonDiverged, protocol.ReasonNotFinite, protocol.ReasonOutOfBounds:
		d.rate = true
	}
	d.times++
	if a.declined++; 2*a.declined >= a.asked && 2*(a.declined-1) < a.asked {
		d.row++
	}
}

// err returns an error that wraps ErrStuck if the run is stuck.
func (d *declined) err(round uint64) error {
	if d.row < maxDeclined || d.times < maxDeclinedTimes {
		return nil
	}
	hint := ""
	if d.rate {
		hint = "; a smaller strategy.lr may help"
	}
	return fmt.Errorf("%w: the last %d orders of round %d were declined by at least half of their clients, last by client %s%s", ErrStuck, d.row, round, d.last, hint)
}

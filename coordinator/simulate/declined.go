package simulate

import (
	"fmt"

	"fedtab/protocol"
)

// declined notices that a run gets no further because its clients cannot do what
// they are asked, as when training diverges: strategies try again for ever.
type declined struct {
	orders map[uint64]*answers // since the last that was not declined, and the newest version
	row    int                 // of these: declined
	times  int                 // by so many clients in all
	last   string              // who declined last, and why
	rate   bool                // a smaller learning rate may help
}

// answers counts what has become of an order.
type answers struct{ asked, accepted, declined int }

// An order is declined when half of its clients have declined it: the others are
// too few for a round, by default. The run is given up after so many orders in a
// row that were declined by so many clients in all.
const (
	maxDeclined      = 8
	maxDeclinedTimes = 32
)

// reset begins anew: the run gets on.
func (d *declined) reset() { *d = declined{orders: map[uint64]*answers{}} }

// sent looks at what a participant is sent.
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

// decline notes that an order has no answer that can be used.
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

// err says that the run is to be given up.
func (d *declined) err(round uint64) error {
	if d.row < maxDeclined || d.times < maxDeclinedTimes {
		return nil
	}
	hint := ""
	if d.rate {
		hint = "; a smaller strategy.lr may help"
	}
	return fmt.Errorf("%w: the last %d orders of round %d were declined by half of their clients or more, lastly by client %s%s", ErrStuck, d.row, round, d.last, hint)
}

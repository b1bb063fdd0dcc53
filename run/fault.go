package run

import (
	"fedtab/protocol"
)

// faults are the refusals of values in the open round, whose peers are not blamed yet.
// Values that are not finite or out of bounds may come of the version that training
// began from: then they come of most participants, and say nothing about any of them.
type faults struct {
	refused  []Peer // a peer for each refusal
	accepted int    // contributions
}

// fault counts a refusal against a peer, unless its reason is not the peer's doing: a
// late contribution may have crossed the end of its round.
func fault(p Peer, reason protocol.Reason) {
	switch reason {
	case protocol.ReasonAccepted, protocol.ReasonLate, protocol.ReasonAbandoned, protocol.ReasonBusy:
		return
	}
	p.Fault()
}

// settleFaults counts the refusals of the round that ends against their peers, unless
// more contributions were refused than accepted.
func (r *Run) settleFaults() {
	if len(r.faults.refused) <= r.faults.accepted {
		for _, p := range r.faults.refused {
			p.Fault()
		}
	}
	r.faults = faults{}
}

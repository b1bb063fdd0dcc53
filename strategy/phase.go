package strategy

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A phase is one exchange of a round: an order to some clients, and their answers.
// Every round has at least one. A scheme that needs more, to hand models on before
// they are averaged, to collect statistics before training, or to agree on keys
// before sums are masked, declares them one after the other:
//
//   - whom to ask: ask, in the first phase the round's cohort, in later ones
//     usually the clients that have answered;
//   - what for: policy.work, which may look at rounds.phase;
//   - when it is over: when no answer is awaited any more, or at the deadline;
//   - what suffices: min answers, and what policy.enough says. With fewer the
//     attempt at the whole round is given up and tried again;
//   - what if a client leaves: it is no longer awaited, its answer, if there is one,
//     counts, and it may come back until the phase is over.
//
// A phase is durable before its orders leave: Open is written down again, with the
// phase's number and state, and with an order number of its own, so that an answer
// to an earlier phase is recognised as late.
type phase struct {
	ask   []ClientID // ascending
	min   int        // answers that it needs; 0: the task's min_reports
	state []byte     // what policy.resume needs after a restart
}

// next is part of policy for schemes of one phase.
func (fedavg) next(*rounds) (phase, bool) { return phase{}, false }

// resume is part of policy for schemes that go on with the phase that was open.
func (fedavg) resume(_ *rounds, number int, _ []byte) int { return number }

// openState is what is durable with an open round, beside its cohort.
type openState struct {
	backoff backoff
	present int // clients when the attempt was opened
	phase   int
	state   []byte // of the phase
}

// openFormat is the first number of an encoded openState. Builds before it wrote
// the halvings first, which are at most 64.
const openFormat = 1000

func (s *openState) encode() []byte {
	b := binary.AppendUvarint(nil, openFormat)
	b = s.backoff.appendHalvings(b)
	b = s.backoff.appendStreak(b)
	b = binary.AppendUvarint(b, uint64(s.present))
	b = binary.AppendUvarint(b, uint64(s.phase))
	return append(b, s.state...)
}

// decodeOpenState reads the state of an open round; no bytes are the zero state.
func decodeOpenState(b []byte) (s openState, err error) {
	if len(b) == 0 {
		return s, nil
	}
	d := stateReader{b: b}
	if format := d.uint(); format < openFormat { // of an older build
		d = stateReader{b: b}
		s.backoff.readHalvings(&d)
		s.present = int(min(d.uint(), math.MaxInt32))
		if len(d.b) > 0 {
			s.phase = int(min(d.uint(), math.MaxInt32))
		}
	} else {
		s.backoff.readHalvings(&d)
		s.backoff.readStreak(&d)
		s.present = int(min(d.uint(), math.MaxInt32))
		s.phase = int(min(d.uint(), math.MaxInt32))
		s.state, d.b = d.b, nil
	}
	if err := d.end(); err != nil {
		return openState{}, fmt.Errorf("strategy: state of an open round of %d bytes is %w", len(b), err)
	}
	return s, nil
}

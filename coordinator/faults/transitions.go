package faults

import (
	"reflect"

	"fedtab/protocol"
)

// state is the state of the open round. States are bits, so that a row of a table
// names several.
type state uint16

const (
	closed     state = 1 << iota // no attempt
	opening                      // asked for, not durable
	collecting                   // durable, answers may come
	rewriting                    // collecting, and being written down once more
	reopened                     // left open by an earlier process, whose clients have models of their own
	unmasking                    // no more masked answers are awaited, and their sums are
	committing
	blaming        // a version was not made, and some of its contributions are to blame
	over           // the run is, or the round of the contribution is closed
	anyState state = 1<<iota - 1
)

// match says in what an event or effect agrees with the open round.
type match uint8

const (
	ofRound   match = 1 << iota // it has its number
	ofOrder                     // and the order number of the attempt
	ofBase                      // and the base
	ofCohort                    // its client is in the cohort
	isPresent                   // its client is present
	isNewest                    // its order is the newest of its client
	ofAttempt = ofRound | ofOrder | ofBase | ofCohort
)

// transitions says in which states an event of a strategy may come, or an effect
// may follow, in what it must agree with the open round, and what state the round is
// in then (0: the same). Where no row of its name fits, it is a violation. Accept
// stands for the Add or Keep of the contribution that is offered.
var transitions = []struct {
	name   string
	shapes shape
	from   state
	to     state
	match  match
}{
	{"Reopened", perRound&^inSums | buffered, closed, collecting, 0},
	{"Reopened", inSums, closed, unmasking, 0}, // the keys are gone
	{"Reopened", monitored, closed, reopened, 0},
	{"Open", allShapes, closed, opening, 0},
	{"Open", inLegs, collecting, opening, ofRound},      // the next leg
	{"Open", monitored, collecting, rewriting, ofRound}, // a resolution
	{"Open", monitored, reopened, opening, ofRound},
	{"Opened", allShapes, opening | rewriting, collecting, ofRound},
	{"Expect", perRound &^ inSums, collecting, 0, ofAttempt},
	{"Order", perRound, collecting, 0, ofAttempt},
	{"Order", monitored, collecting | rewriting, 0, ofRound | ofBase | isPresent},
	{"Order", buffered, collecting | committing, 0, isPresent}, // again, after a lost socket
	{"Fetch", monitored, collecting | rewriting, 0, isNewest},
	{"Accept", perRound &^ inSums, collecting, 0, ofOrder | ofCohort},
	{"Masked", inSums, collecting, 0, ofOrder | ofCohort},
	{"Unmask", inSums, collecting, unmasking, ofRound},
	{"Summed", inSums, unmasking, 0, ofRound},
	{"Unmasked", inSums, unmasking, 0, ofRound},
	{"Accept", monitored, collecting | rewriting, 0, isNewest},
	{"Accept", buffered, opening | collecting | committing, 0, isNewest},
	{"Mean", inLegs | monitored, collecting, 0, 0},
	{"Abandon", perRound, opening | collecting, closed, ofRound | ofOrder},
	{"Abandon", inSums, unmasking, closed, ofRound | ofOrder},
	{"Abandon", monitored, opening | collecting | rewriting, closed, ofRound}, // by a pause
	{"Abandon", buffered, opening | collecting, closed, ofRound},
	{"Abandon", buffered, closed, 0, 0}, // what came in a pause, while the version before was being made
	{"Commit", allShapes &^ inSums, collecting, committing, ofRound | ofBase},
	{"Commit", inSums, unmasking, committing, ofRound | ofBase},
	{"Committed", allShapes, committing, closed, ofRound},
	{"RolledBack", allShapes, committing, closed, ofRound},
	{"Blamed", allShapes, committing, blaming, ofRound},
	{"Commit", allShapes, blaming, committing, ofRound | ofBase},
	{"Abandon", allShapes, blaming, closed, ofRound},
}

// next moves the round on by an event or effect.
func (o *observer) next(name string, what any) {
	v, m, known := reflect.ValueOf(what), match(0), false
	field := func(name string) uint64 {
		if f := v.FieldByName(name); f.IsValid() {
			return f.Uint()
		}
		return ^uint64(0)
	}
	client := clientID(field("Client"))
	for bit, ok := range map[match]bool{
		ofRound: field("Round") == o.open.Round, ofOrder: field("Order") == uint64(o.open.Order), ofBase: field("Base") == o.open.Base,
		ofCohort: o.inCohort(client), isPresent: o.present[client], isNewest: o.present[client] && field("Order") == uint64(o.orders[client].Order),
	} {
		if ok {
			m |= bit
		}
	}
	for _, t := range transitions {
		if known = known || t.name == name; t.name == name && t.shapes&o.sim.shape != 0 && t.from&o.round != 0 && t.match&^m == 0 {
			if t.to != 0 {
				o.round = t.to
			}
			return
		}
	}
	o.sim.must(!known, "events and effects follow the table of transitions", "%s %+v in state %b of %+v", name, what, o.round, o.open)
}

// orderState is the state of a participant's order, as far as the present process
// of the coordinator knows.
type orderState uint8

const (
	unknown  orderState = 1 << iota // no such order, or one of an earlier process
	earlier                         // the participant, or the round, has a newer one
	current                         // it may be answered
	declined                        // it was declined, or answered badly
	answered                        // its answer was accepted
	anyOrder orderState = 1<<iota - 1
)

const (
	accepted  = protocol.ReasonAccepted
	late      = protocol.ReasonLate
	unordered = protocol.ReasonUnordered
	duplicate = protocol.ReasonDuplicate
)

type reasons []protocol.Reason

// answers says which answers an honest contribution may get; the first row that
// fits counts. A contribution that is not honest may get any answer, but is
// accepted only if it is as ordered (checkAccepted).
var answers = []struct {
	shapes shape
	round  state
	order  orderState
	reasons
}{
	{allShapes, over, anyOrder, reasons{late}},

	// A group of participants ends before their round: its sum is there, or there will be none.
	{inSums, anyState, current, reasons{accepted, late, unordered}},
	{inSums, anyState, declined, reasons{accepted, late, unordered, duplicate}},
	{inSums, anyState, answered, reasons{duplicate, late, unordered}},

	{perRound, anyState, unknown, nil}, // order numbers are not guessed
	{inRounds | inSums, anyState, earlier, reasons{late}},
	{inLegs, anyState, earlier, reasons{late, unordered, duplicate}},
	{perRound, anyState, answered, reasons{duplicate}},
	{perRound, committing, declined, reasons{late, duplicate}},
	{perRound, committing, current, reasons{late}},
	{perRound, anyState, declined, reasons{accepted, duplicate}}, // accepted if it was ordered again
	{perRound, anyState, current, reasons{accepted}},

	{perClient, anyState, unknown | earlier | answered, reasons{late, unordered, duplicate}},
	{monitored, anyState &^ (collecting | rewriting), anyOrder, reasons{late, unordered, duplicate}},
	{perClient, anyState, declined, reasons{accepted, duplicate, late}},
	{perClient, anyState, current, reasons{accepted}},
}

// rightAnswers looks up which answers a contribution that arrives now may get.
func (p *process) rightAnswers(number uint32, m *protocol.Contribution) reasons {
	o, run := p.observer, p.run.State()
	round, order := o.round, o.orderState(key{number, m.Order})
	if run.Finished != "" || run.Halted || m.Round != 0 && m.Round <= run.Version || m.Round == 0 && run.Version >= uint64(p.sim.rounds) {
		round = over
	}
	for _, row := range answers {
		if row.shapes&p.sim.shape != 0 && row.round&round != 0 && row.order&order != 0 {
			return row.reasons
		}
	}
	return nil
}

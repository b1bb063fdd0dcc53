package run

import (
	"fedtab/protocol"
	"fedtab/strategy"
)

// Shape is how far a participant has come with an order, as in table 1 of Bonawitz et al.,
// "Towards federated learning at scale", 2019. It holds what the coordinator knows: that a
// model was downloaded shows once training has begun, and that training is completed once
// the contribution begins to come.
type Shape int

// The shapes.
const (
	Contributed   Shape  = iota // its contribution was accepted
	Refused                     // its contribution was refused, most often because it came too late
	BrokeUpload                 // it broke off, or the order ended, while its contribution came
	BrokeTraining               // the same while it trained
	FailedTrain                 // it declined the order while it trained
	BrokeStart                  // it broke off, or the order ended, and it had not told that it trains
	Declined                    // it declined the order before it trained
	Shapes        = iota        // their number
)

// shapes are their names: symbols, and words.
var shapes = [Shapes]struct{ symbols, words string }{
	{"-v[]+^", "contributed"},
	{"-v[]+#", "contribution refused"},
	{"-v[]+!", "interrupted while uploading"},
	{"-v[!", "interrupted while training"},
	{"-v[*", "failed while training"},
	{"-!", "interrupted before training"},
	{"-*", "declined"},
}

// Symbols returns the shape as a string of symbols: - the order was given, v the model
// downloaded, [ training begun, ] completed, + upload begun, ^ completed, # refused,
// ! interrupted, * error.
func (s Shape) Symbols() string { return shapes[s].symbols }

// String returns the shape in words.
func (s Shape) String() string { return shapes[s].words }

// shape counts how far a participant came with an order: once, unless an answer that was
// refused is followed by one that is accepted.
func (r *Run) shape(o *outstanding, s Shape) {
	switch {
	case o == nil || o.shaped && (s != Contributed || o.shape == Contributed):
		return
	case o.shaped:
		r.accounts.all.Shapes[o.shape]--
	}
	o.shape, o.shaped = s, true
	r.accounts.all.Shapes[s]++
}

// interrupted counts an order that has ended without an answer. One to monitor needs none.
func (r *Run) interrupted(o *outstanding) {
	switch {
	case o == nil || o.answered || o.work.Kind == strategy.Monitor:
	case !o.announced.IsZero():
		r.shape(o, BrokeUpload)
	case !o.began.IsZero():
		r.shape(o, BrokeTraining)
	default:
		r.shape(o, BrokeStart)
	}
}

// declined counts an order that its participant has declined. A pause is an interruption.
func (r *Run) declined(o *outstanding, reason protocol.Reason) {
	switch {
	case reason == protocol.ReasonPaused:
		r.interrupted(o)
	case !o.began.IsZero():
		r.shape(o, FailedTrain)
	default:
		r.shape(o, Declined)
	}
}

// answeredWith counts the answer to a contribution, if it is to the newest order of its
// participant.
func (r *Run) answeredWith(m *member, order uint64, reason protocol.Reason) {
	if m == nil || m.order == nil || uint64(m.order.order) != order {
		return
	}
	switch reason {
	case protocol.ReasonAccepted:
		r.shape(m.order, Contributed)
	case protocol.ReasonUnordered, protocol.ReasonDuplicate: // the order may yet be answered, or is
	default:
		r.shape(m.order, Refused)
	}
}

// interruptAll counts the orders that end with the run.
func (r *Run) interruptAll() {
	for _, p := range r.roster.present {
		r.interrupted(r.roster.members[p].order)
	}
	r.interruptAbsent()
}

// interruptAbsent counts the orders of absent clients, which end with the round.
func (r *Run) interruptAbsent() {
	for _, o := range r.absent {
		r.interrupted(o)
	}
}

package run

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Own is what a run knows of data that participants bring. What single participants tell
// of it is neither stored nor logged.
type Own struct {
	Schema   *data.Schema
	Fewest   int                  // participants without whom nothing is made of what is told; 0 means 3
	Holdouts bool                 // versions are evaluated on the participants' holdouts
	Known    func(data.Constants) // is called once, by the owner, when the constants are known; may be nil
}

// enquiryTime is how long participants have for their answer to an enquiry.
const enquiryTime = 30 * time.Second

// maxUnanswered is how many enquiries in a row a participant can leave unanswered until it is
// asked, and not waited for while others are.
const maxUnanswered = 2

// enquiry asks participants for totals of their own data, beside the rounds. A run has one
// at a time: a survey before its first round, then evaluations.
type enquiry struct {
	order   uint64
	kind    protocol.OrderKind
	payload string
	size    int // bytes of an answer
	version uint64
	hash    [32]byte
	asked   map[uint32]asked
	among   []uint32                                                    // ascending, who is asked; nil: all
	later   map[uint32]bool                                             // asked when their orders rest on the version
	before  *Shared                                                     // is sent before the order; nil: nothing
	waiting int                                                         // for how many answers the enquiry is open
	take    func(participant uint32, weight uint64, block []byte) error // keeps an answer, or says why it cannot be
	done    func()
	stop    func() // stops the deadline
}

// asked is how far an enquiry has come with a participant.
type asked int

const (
	pending  asked = iota + 1
	released       // it has paused, left or declined: it is not waited for, and may still answer
	answered
)

// private reports whether figures of fewer participants than three must not be shown: where
// the data is theirs. A simulation of one client has all in one place.
func (r *Run) private() bool { return r.cfg.Own != nil && !r.cfg.Uncounted }

// fewestShown is the number of participants from which a figure is shown.
const fewestShown = 3

// evaluators returns how many participants must evaluate a version.
func (r *Run) evaluators() int {
	if r.private() {
		return max(fewestShown, r.fewest())
	}
	return r.fewest()
}

// fewest returns how many participants must tell something before anything is made of it.
func (r *Run) fewest() int {
	if n := r.cfg.Own.Fewest; n > 0 {
		return n
	}
	return 3
}

// ask opens an enquiry to the available members.
func (r *Run) ask(e *enquiry) {
	// By the clock: a restart repeats no number, so that no late answer counts for another enquiry.
	r.enquiries = max(r.enquiries+1, uint64(max(r.env.Now().UnixMilli(), 0)))
	e.order = protocol.EnquiryOrders + r.enquiries
	e.version, e.hash = r.down.version, r.down.hash
	e.asked, e.later = map[uint32]asked{}, map[uint32]bool{}
	r.enquiry = e
	for _, p := range r.roster.present {
		if m := r.roster.members[p]; m.available() {
			r.askMember(m)
		}
	}
	if e.waiting == 0 { // all have left the last ones unanswered: they are waited for after all
		for p := range e.asked {
			r.roster.members[p].unanswered = 1
			e.waiting++
		}
	}
	e.stop = r.env.AfterFunc(enquiryTime, func() { r.closeEnquiry(e) })
	r.checkEnquiry()
}

// rests reports whether a newer version than that of the order would cost its client the
// work: one that has begun a fit keeps what it needs.
func (o *outstanding) rests(closed uint64, newest [32]byte) bool {
	kept := o.begun && o.work.Kind == strategy.Fit && !o.work.Control
	return !o.answered && (o.round == 0 || o.round > closed) && o.base != newest && !kept
}

// askMember sends the open enquiry to a member that it is not waiting for. One that would
// lose its work on an earlier version is asked with its next order.
func (r *Run) askMember(m *member) {
	e := r.enquiry
	if e.among != nil {
		if _, ok := slices.BinarySearch(e.among, m.number); !ok {
			return
		}
	}
	if e.asked[m.number] == pending || e.asked[m.number] == answered || !slices.Contains(m.payloads, protocol.PayloadBytes) {
		return
	}
	if o := m.order; o != nil && r.paused == "" && !r.roundsDone() && o.rests(r.closed, e.hash) {
		e.later[m.number] = true
		return
	}
	delete(e.later, m.number)
	e.asked[m.number] = pending
	if m.unanswered < maxUnanswered {
		e.waiting++
	}
	m.unanswered++
	r.sendEnquiry(m)
}

// sendEnquiry sends the open enquiry, and before it the version that it is about.
func (r *Run) sendEnquiry(m *member) {
	e := r.enquiry
	if e.kind == protocol.OrderEvaluate && (!m.holds || m.held != e.version) {
		r.sendModel(m)
	}
	if e.before != nil {
		r.sendShared(m, e.before)
	}
	m.asked++
	r.send(m, &protocol.Order{
		Order: e.order, Kind: e.kind, Base: e.version, BaseHash: e.hash[:], Deadline: uint32(enquiryTime.Milliseconds()),
		Payloads: []protocol.Payload{{Kind: protocol.PayloadBytes, Name: e.payload, MaxBytes: uint64(e.size)}},
	})
}

// enquireAgain asks a member that has come, or come back, or got an order.
func (r *Run) enquireAgain(m *member) {
	e := r.enquiry
	switch {
	case e == nil || !m.available() || e.kind == protocol.OrderEvaluate && e.version != r.down.version:
	case e.asked[m.number] == pending: // on a socket that was lost
		r.sendEnquiry(m)
	case e.asked[m.number] == released, e.later[m.number], e.payload == protocol.TotalsPayload:
		r.askMember(m)
	}
}

// judgeEnquiry checks the answer to an enquiry.
func (r *Run) judgeEnquiry(m *member, c *protocol.Contribution) (protocol.Reason, string) {
	e := r.enquiry
	if e == nil || c.Order != e.order {
		return protocol.ReasonLate, ""
	}
	switch state := e.asked[m.number]; {
	case state == 0:
		return protocol.ReasonUnordered, ""
	case state == answered:
		return protocol.ReasonDuplicate, ""
	case c.Round != 0 || len(c.Vectors) != 1:
		return protocol.ReasonWrongShape, fmt.Sprintf("vectors: %d, want 1, in no round", len(c.Vectors))
	}
	p := protocol.Payload{Kind: protocol.PayloadBytes, Name: e.payload, MaxBytes: uint64(e.size)}
	if err := p.Matches(&c.Vectors[0]); err != nil {
		return protocol.ReasonWrongShape, err.Error()
	}
	return protocol.ReasonAccepted, ""
}

var errWeight = errors.New("the weight is not the number of examples")

// offerTotals takes the answer to an enquiry.
func (r *Run) offerTotals(m *member, o *Offer) {
	reason, detail := r.judgeEnquiry(m, o.Contribution)
	if reason == protocol.ReasonAccepted {
		reason, detail = o.Reason, o.Detail
	}
	if reason == protocol.ReasonAccepted && len(o.Payloads) == 1 {
		if err := r.enquiry.take(m.number, o.Contribution.Weight, o.Payloads[0].Bytes); err != nil {
			reason, detail = protocol.ReasonOutOfBounds, err.Error()
		}
	}
	o.Release()
	fault(m.peer, reason)
	r.answerTotals(m, o.Contribution.Order, reason, detail)
}

// answerTotals acknowledges the answer to an enquiry.
func (r *Run) answerTotals(m *member, order uint64, reason protocol.Reason, detail string) {
	r.accounts.answered(reason)
	r.send(m, &protocol.Ack{Order: order, Reason: reason, Detail: protocol.ClipText(detail)})
	switch reason {
	case protocol.ReasonLate, protocol.ReasonUnordered, protocol.ReasonDuplicate:
		return
	case protocol.ReasonAccepted:
	default:
		r.recordFrom(m, "rejected", fmt.Sprintf("%s %v", r.enquiry.payload, reason)) // not what it told
	}
	r.settled(m, answered)
}

// settled ends the wait for a member's answer.
func (r *Run) settled(m *member, as asked) {
	e := r.enquiry
	if e == nil {
		return
	}
	delete(e.later, m.number)
	was := e.asked[m.number]
	if was != 0 {
		e.asked[m.number] = max(was, as)
	}
	if was == pending {
		if m.unanswered <= maxUnanswered { // it was waited for
			e.waiting--
		}
		m.unanswered = 0
	}
	r.checkEnquiry()
}

// checkEnquiry closes the enquiry once no participant is waited for.
func (r *Run) checkEnquiry() {
	if e := r.enquiry; e != nil && e.waiting <= 0 && len(e.later) == 0 {
		r.closeEnquiry(e)
	}
}

// closeEnquiry ends an enquiry with the answers that have come.
func (r *Run) closeEnquiry(e *enquiry) {
	if r.enquiry != e {
		return
	}
	r.enquiry = nil
	if e.stop != nil {
		e.stop()
	}
	e.done()
}

// overtaken ends the wait for members that would evaluate a version that is no longer the
// newest.
func (r *Run) overtaken() {
	if e := r.enquiry; e != nil && e.version != r.down.version {
		clear(e.later)
		r.checkEnquiry()
	}
}

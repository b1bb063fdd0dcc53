package run

import (
	"slices"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// MaxParticipants is the max number of participants of a run at a time.
const MaxParticipants = protocol.MaxParticipants

// numbersAhead is the number of participant numbers that one write reserves, beside
// those of the participants that wait for one. A restart skips the rest of them.
const numbersAhead = 256

// numberTimeout is how long a new participant waits for its number to be reserved.
const numberTimeout = protocol.HelloTimeout

// roster is the set of participants: their numbers, states and shards of the public
// data. It sends no messages.
type roster struct {
	shards     Shards
	most       uint64 // examples of a participant without shards
	members    map[uint32]*member
	persons    map[strategy.Person]*member
	present    []uint32  // participants, ascending
	next       uint32    // first free number
	reserved   uint32    // first number that is not reserved
	reserving  bool      // a write that reserves more is under way
	waiting    []*waiter // new participants, in order of arrival, until their numbers are reserved
	assignment uint64    // number of the newest assignment of shards
	divided    time.Time // when the shards were divided last
	due        func()    // stops the timer of the next division; nil if none is due
}

// member is a participant: connected, or lost and within the grace period.
type member struct {
	number uint32
	person strategy.Person
	peer   Peer   // nil while its socket is lost
	expiry func() // stops the timer that ends the grace period
	renew  func() // stops the timer that renews the resume token
	tab    protocol.TabState
	active bool // present for the strategy

	address    string  // of its newest socket
	events     budget  // of what it causes in the event log
	takes      budget  // of sockets that take it over from one that is open
	asked      int     // orders, fetches and messages of secure aggregation that it was sent and has not declined
	unanswered int     // enquiries in a row that it has not answered
	rate       float64 // examples a second of its newest training; 0: not known

	codecs      []protocol.Codec // that it has
	codec       protocol.Codec   // of its answers
	payloads    []protocol.PayloadKind
	initDiffers bool // it cannot make version 0, and gets versions in full
	holds       bool // it holds version held of the model
	held        uint64

	wanted uint64 // version of its last request
	wants  int    // number of requests for that version

	shards     []uint32
	assignment uint64       // of the shards that it was sent last
	order      *outstanding // newest

	blocked bool     // a message for it is being coded
	outbox  []func() // pending until that message is coded
}

// outstanding is an order of a participant, with the bounds of its answer.
type outstanding struct {
	order  strategy.OrderID
	round  uint64
	base   [32]byte
	weight uint64  // max examples in its answer
	cap    float64 // most that the answer weighs, whatever its examples
	median float64 // weight of the cohort
	trail
	shape    Shape // how far its participant came with it, once it has ended
	shaped   bool  // it has
	work     strategy.Work
	start    *mean // model that the order starts from, until the client is known to have it
	fresh    bool  // the order starts from the base, until the client is known to have begun
	answered bool
	accepted bool // the answer was accepted
	begun    bool // the client is at work on it
}

// resumeStart takes over what an order starts from, which may not have arrived, from
// the order before it.
func (o *outstanding) resumeStart(was *outstanding) {
	if o.start == nil && !o.fresh {
		o.start, o.fresh = was.start, was.fresh
	}
}

// waiter is a new participant that waits for its number.
type waiter struct {
	join   func()
	expiry func() // stops the timer that ends the wait
}

func newRoster(shards Shards, most uint64) roster {
	return roster{shards: shards, most: most, members: map[uint32]*member{}, persons: map[strategy.Person]*member{}, next: 1}
}

func (m *member) can(c protocol.Codec) bool { return slices.Contains(m.codecs, c) }

// able returns c if the member supports it, otherwise float32, which every client
// supports.
func (m *member) able(c protocol.Codec) protocol.Codec {
	if m.can(c) {
		return c
	}
	return protocol.CodecFloat32
}

// full reports whether the roster has MaxParticipants members.
func (r *roster) full() bool { return len(r.present) >= MaxParticipants }

// spent reports whether all reserved numbers are given.
func (r *roster) spent() bool { return r.next >= r.reserved }

// add adds a participant; number 0 stands for the next free number.
func (r *roster) add(number uint32) *member {
	if number == 0 {
		number = r.next
		r.next++
	}
	m := &member{number: number, events: participantBudget, takes: takeOverBudget}
	r.members[number] = m
	i, _ := slices.BinarySearch(r.present, number)
	r.present = slices.Insert(r.present, i, number)
	return m
}

func (r *roster) remove(m *member) {
	delete(r.members, m.number)
	if r.persons[m.person] == m {
		delete(r.persons, m.person)
	}
	if i, ok := slices.BinarySearch(r.present, m.number); ok {
		r.present = slices.Delete(r.present, i, i+1)
	}
}

// lost counts the members without a socket.
func (r *roster) lost() (n int) {
	for _, m := range r.members {
		if m.peer == nil {
			n++
		}
	}
	return n
}

// name records who a participant is; 0: it is not known.
func (r *roster) name(m *member, person strategy.Person) {
	if m.person = person; person != 0 {
		r.persons[person] = m
	}
}

// weight returns the max number of examples of a participant.
func (r *roster) weight(m *member) uint64 {
	if len(r.shards.Sizes) == 0 {
		return r.most
	}
	var n uint64
	for _, s := range m.shards {
		n += uint64(r.shards.Sizes[s])
	}
	return n
}

// maxWeight returns the max weight of a contribution.
func (r *roster) maxWeight() uint64 {
	if len(r.shards.Sizes) == 0 {
		return r.most
	}
	var total uint64
	for _, n := range r.shards.Sizes {
		total += uint64(n)
	}
	return total
}

// role returns the role of the first vector of an answer.
func role(w strategy.Work) protocol.Role {
	if w.Kind == strategy.Gradient {
		return protocol.RoleGradient
	}
	return protocol.RoleDelta
}

// expects returns the role and the part of vector i of the answer: a vector and the
// change of a control variate, or several vectors of one role.
func (o *outstanding) expects(i int) (protocol.Role, uint32) {
	if i == 1 && o.work.Control {
		return protocol.RoleControl, 0
	}
	return role(o.work), uint32(i)
}

// maxWeight returns the max number of examples in an answer to the order. A gradient
// is of one mini-batch.
func (o *outstanding) maxWeight() uint64 {
	if o.work.Kind == strategy.Gradient && o.work.Batch > 0 {
		return min(o.weight, uint64(o.work.Batch))
	}
	return o.weight
}

// maxExamples returns the max number of examples, with repetition, that an answer
// of the given weight can have seen.
func (o *outstanding) maxExamples(weight uint64) uint64 {
	w := o.work
	batch := weight
	if w.Batch > 0 {
		batch = min(uint64(w.Batch), weight)
	}
	switch w.Kind {
	case strategy.Gradient:
		return batch
	case strategy.Fit:
		return o.maxSteps(weight) * batch
	case strategy.Base: // each part may end with a shorter mini-batch
		return o.maxSteps(weight)*batch + uint64(w.Parts)*batch*uint64(max(w.Epochs, 1))
	}
	return weight << 20 // a monitored client trains until it is far enough from its base
}

// maxSteps returns the number of mini-batches of the order for a number of examples.
func (o *outstanding) maxSteps(examples uint64) uint64 {
	w := o.work
	if w.Steps > 0 {
		return uint64(w.Steps)
	}
	batches := uint64(1)
	if b := uint64(w.Batch); b > 0 {
		batches = (examples-1)/b + 1
	}
	return uint64(w.Epochs) * batches
}

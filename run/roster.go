package run

import (
	"slices"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// MaxParticipants is the max number of participants of a run at a time.
const MaxParticipants = 10_000

// numbersAhead is the number of participant numbers that one write reserves.
const numbersAhead = 1000

// roster is the set of participants: their numbers, states and shards of the public
// data. It sends no messages.
type roster struct {
	shards     Shards
	members    map[uint32]*member
	present    []uint32 // participants, ascending
	next       uint32   // first free number
	reserved   uint32   // first number that is not reserved
	asked      uint32   // the same, once the journal has answered
	assignment uint64   // number of the newest assignment of shards
}

// member is a participant: connected, or lost and within the grace period.
type member struct {
	number uint32
	peer   Peer   // nil while its socket is lost
	expiry func() // stops the timer that ends the grace period
	tab    protocol.TabState
	active bool // present for the strategy

	codecs      []protocol.Codec // that it has
	codec       protocol.Codec   // of its answers
	payloads    []protocol.PayloadKind
	initDiffers bool // it cannot make version 0, and gets versions in full
	holds       bool // it holds version held of the model
	held        uint64

	wanted uint64 // version of its last request
	wants  int    // number of requests for that version

	shards  []uint32
	since   time.Time    // when it last began to train without shards
	settled bool         // its shards are from a division
	order   *outstanding // newest

	blocked bool     // a message for it is being coded
	outbox  []func() // pending until that message is coded
}

// outstanding is an order of a participant, with the bounds of its answer.
type outstanding struct {
	order    strategy.OrderID
	round    uint64
	base     [32]byte
	weight   uint64  // max examples in its answer
	cap      float64 // most that the answer weighs, whatever its examples
	sent     time.Time
	work     strategy.Work
	start    *mean // model that the order starts from, until the client is known to have it
	fresh    bool  // the order starts from the base, until the client is known to have begun
	answered bool
	accepted bool // the answer was accepted
}

// resumeStart takes over what an order starts from, which may not have arrived, from
// the order before it.
func (o *outstanding) resumeStart(was *outstanding) {
	if o.start == nil && !o.fresh {
		o.start, o.fresh = was.start, was.fresh
	}
}

func newRoster(shards Shards) roster {
	return roster{shards: shards, members: map[uint32]*member{}, next: 1}
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
func (r *roster) full() bool { return r.next >= r.reserved || len(r.present) >= MaxParticipants }

// add adds a participant; number 0 stands for the next free number.
func (r *roster) add(number uint32) *member {
	if number == 0 {
		number = r.next
		r.next++
	}
	m := &member{number: number}
	r.members[number] = m
	i, _ := slices.BinarySearch(r.present, number)
	r.present = slices.Insert(r.present, i, number)
	return m
}

func (r *roster) remove(m *member) {
	delete(r.members, m.number)
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

// weight returns the max number of examples of a participant.
func (r *roster) weight(m *member) uint64 {
	if len(r.shards.Sizes) == 0 {
		return protocol.MaxWeight
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
		return protocol.MaxWeight
	}
	var total uint64
	for _, n := range r.shards.Sizes {
		total += uint64(n)
	}
	return total
}

// divide divides the shards of the public data over participants, ascending, and
// returns those of each.
func (r *roster) divide(present []uint32) map[uint32][]uint32 {
	wanted := make(map[uint32][]uint32, len(present))
	if len(present) > 0 {
		divideEvenly(wanted, present, len(r.shards.Sizes), func(p uint32) []uint32 { return r.members[p].shards })
	}
	return wanted
}

// divideEvenly fills wanted: shards 0..total-1 over the participants, with counts
// that differ by at most one. Each keeps its shards as far as that allows. With more
// participants than shards, each has one, and the counts of participants per shard
// differ by at most one.
func divideEvenly(wanted map[uint32][]uint32, present []uint32, total int, has func(uint32) []uint32) {
	if len(present) > total {
		divideOne(wanted, present, total, has)
		return
	}
	base, extra := total/len(present), total%len(present)
	taken := make([]bool, total)
	quota := make([]int, len(present))
	// Participants that hold more than an equal share keep one more, in the
	// order of their numbers.
	for i, p := range present {
		quota[i] = base
		if extra > 0 && len(has(p)) > base {
			quota[i]++
			extra--
		}
	}
	for i := range present {
		if extra > 0 && quota[i] == base {
			quota[i]++
			extra--
		}
	}
	for i, p := range present {
		kept := make([]uint32, 0, quota[i])
		for _, s := range has(p) {
			if len(kept) < quota[i] && int(s) < total && !taken[s] {
				taken[s] = true
				kept = append(kept, s)
			}
		}
		wanted[p] = kept
	}
	next := 0
	for i, p := range present {
		for len(wanted[p]) < quota[i] {
			for taken[next] {
				next++
			}
			taken[next] = true
			wanted[p] = append(wanted[p], uint32(next))
		}
		slices.Sort(wanted[p])
	}
}

// divideOne is divideEvenly for more participants than shards.
func divideOne(wanted map[uint32][]uint32, present []uint32, total int, has func(uint32) []uint32) {
	base, extra := len(present)/total, len(present)%total
	holders := make([]int, total)
	room := func(s uint32) bool {
		return int(s) < total && (holders[s] < base || holders[s] == base && extra > 0)
	}
	take := func(p, s uint32) {
		if holders[s]++; holders[s] > base {
			extra--
		}
		wanted[p] = []uint32{s}
	}
	for _, p := range present {
		for _, s := range has(p) {
			if room(s) {
				take(p, s)
				break
			}
		}
	}
	next := uint32(0)
	for _, p := range present {
		if wanted[p] != nil {
			continue
		}
		for !room(next) {
			next++
		}
		take(p, next)
	}
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

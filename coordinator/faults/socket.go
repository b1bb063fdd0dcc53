package faults

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// socket is a connection, and the run.Peer of its participant. Each direction fails
// by itself, with what is in flight.
type socket struct {
	peer      *peer
	process   *process
	number    uint32 // of the participant, once the run has welcomed it
	resumes   uint32 // the number that its hello asks for
	upDead    bool   // nothing arrives at the coordinator any more
	downDead  bool   // nor at the client
	left      bool   // the run has been told that it is gone
	code      protocol.CloseCode
	tab       protocol.TabState // as the run knows it
	up, down  time.Duration     // arrival of the newest message
	receiving bool              // a body is arriving
	codecs    []protocol.Codec  // of the client
	holds     uint64            // version that the client holds once everything sent has arrived

	due   []ack         // answers to contributions that are not sent yet
	acks  []ack         // answers that were sent, and are not compared yet
	since time.Duration // when the last of them were compared
}

// ack is an answer to a contribution.
type ack struct {
	order  uint64
	reason protocol.Reason
}

// token makes the resume token of a participant.
func token(participant uint32, _ strategy.Person, _ time.Time) []byte {
	return binary.BigEndian.AppendUint32(nil, participant)
}

// open says whether messages reach the run.
func (c *socket) open() bool { return !c.upDead && !c.process.over && !c.left }

// current says whether the run takes this socket for its participant's.
func (c *socket) current() bool {
	return !c.process.over && !c.left && c.number != 0 && c.code != protocol.CloseSuperseded
}

// join is the arrival of a hello.
func (c *socket) join(hello *protocol.Hello) {
	if !c.open() {
		return
	}
	p := c.process
	if c.resumes != 0 {
		c.enter(hello)
		return
	}
	p.run.Admit(func() {
		if c.open() {
			c.enter(hello)
		}
	})
}

// enter joins the run.
func (c *socket) enter(hello *protocol.Hello) {
	p, s := c.process, c.peer.sim
	number, ok := p.run.Join(hello, c.resumes, c)
	if !ok {
		return // sent away: its bytes are no participant's
	}
	s.must(number == c.number, "a participant keeps its number", "the welcome says %d, the run %d", c.number, number)
	p.countUp(hello, protocol.WireSize(hello, true))
	p.sockets[number], c.tab = c, hello.TabState
	s.note("participant %d joins (client %d, resumed %v, tab state %d)", number, c.peer.index, c.resumes != 0, c.tab)
}

func (p *process) countUp(m protocol.Message, size int64) {
	p.seen.Up += size
	p.seen.MessagesUp++
	if m, ok := m.(*protocol.Contribution); ok {
		p.seen.ModelsUp += int64(len(m.Vectors))
	}
}

// Send implements run.Peer.
func (c *socket) Send(m protocol.Message) {
	s, p := c.peer.sim, c.process
	s.effect()
	p.seen.Down += protocol.WireSize(m, false)
	p.seen.MessagesDown++
	if s.mutant.send != nil {
		m = s.mutant.send(m)
	}
	switch m := m.(type) {
	case *protocol.Welcome:
		c.number = m.Participant
	case *protocol.Model:
		p.seen.ModelsDown += int64(len(m.Vectors))
	case *protocol.Ack:
		if m.Reason != protocol.ReasonAbandoned { // which answers no contribution
			c.acks = append(c.acks, ack{m.Order, m.Reason})
		}
	}
	s.checkSent(c, m)
	if !c.downDead && s.fault(c.peer.lose) {
		c.die(s.chance(.7), true)
	}
	c.arrive(func() { c.peer.receive(c, m) })
	if _, ok := m.(*protocol.Secure); ok && s.fault(s.rates.Duplicate) {
		c.arrive(func() { c.peer.receive(c, m) })
	}
}

// arrive has f called when what is sent now arrives at the client, if it does.
func (c *socket) arrive(f func()) {
	if s := c.peer.sim; !c.downDead {
		c.down = max(c.down, s.clock.Now()+s.between(0, 200*time.Millisecond))
		s.clock.At(c.down, c.peer.actor(), f)
	}
}

// SendShared implements run.Peer.
func (c *socket) SendShared(m *run.Shared) { c.Send(m.Message) }

// Close implements run.Peer. What the client sent before still arrives.
func (c *socket) Close(code protocol.CloseCode, detail string) {
	s := c.peer.sim
	s.effect()
	s.note("participant %d's socket is closed: %v %s", c.number, code, detail)
	s.must(code != protocol.CloseFinished || s.ended(), "the end is told only when it is durable", "client %d is (%v)", c.peer.index, code)
	if c.code == 0 {
		c.code = code
		c.lose(time.Second)
		c.arrive(func() { c.peer.closed(c, code, detail) })
	}
}

// Fault implements run.Peer.
func (c *socket) Fault() {}

// Address implements run.Peer.
func (c *socket) Address() string { return "" }

// die loses the socket, up, down or both. Each end notices later by itself.
func (c *socket) die(up, down bool) {
	s := c.peer.sim
	s.result["sockets lost"]++
	s.note("participant %d's socket dies (up %v, down %v)", c.number, up, down)
	c.upDead, c.downDead = c.upDead || up, c.downDead || down
	c.lose(30 * time.Second)
	s.soon(c.peer.actor(), 10*time.Second, func() { c.peer.lost(c) })
}

// lose has the run told within a time that the socket is lost.
func (c *socket) lose(within time.Duration) {
	c.peer.sim.soon(0, within, func() { c.upDead = true; c.leave(run.Lost) })
}

func (c *socket) leave(how run.Parting) {
	p := c.process
	if p.over || c.left || c.number == 0 {
		return
	}
	current := c.current()
	c.left = true
	if p.sockets[c.number] == c {
		delete(p.sockets, c.number)
	}
	before := p.run.State().Participants
	p.run.Leave(c.number, c, how)
	p.sim.must(current || p.run.State().Participants == before, "a superseded socket is ignored", "participant %d leaves with one", c.number)
}

// deliver is the arrival of a small message.
func (c *socket) deliver(m protocol.Message) {
	p, s := c.process, c.peer.sim
	if !c.open() || c.number == 0 {
		return
	}
	if c.current() {
		p.countUp(m, protocol.WireSize(m, true))
		if m, ok := m.(*protocol.Tab); ok {
			c.tab = m.State
		}
		if x, ok := m.(*protocol.Secure); ok {
			s.note("participant %d sends %s for order %d", c.number, exchanged(x), x.Order)
		} else {
			s.note("participant %d sends %T %+v", c.number, m, m)
		}
	}
	if err := p.run.Receive(c.number, c, m); err != nil {
		s.violated("clients keep to the protocol", "client %d: %v", c.peer.index, err)
	}
}

// contribute is the arrival of a contribution. As in the hub, a long one is
// announced, and its body is then taken into leased memory, or skipped if the run
// does not want it.
func (c *socket) contribute(m *protocol.Contribution, honest bool) {
	p, s := c.process, c.peer.sim
	if !c.open() || c.number == 0 {
		return
	}
	announced := *m
	announced.Vectors = slices.Clone(m.Vectors)
	body, empty := int64(0), len(m.Vectors) == 0
	for i := range announced.Vectors {
		v := &announced.Vectors[i]
		v.Size, v.Block = uint64(len(v.Block)), nil
		body, empty = body+int64(v.Size), empty || v.Size == 0
	}
	if empty || body > protocol.MaxBody(uint64(len(s.initial)), s.maxVectors) || c.receiving || s.chance(.5) {
		c.offer(m, honest, nil)
		return
	}
	var memory *live.Body
	right, current := p.rightAnswers(c.number, m), c.current()
	wanted := p.run.Announce(c.number, c, &announced)
	if wanted {
		_, n := p.answers()
		s.must(current && n == 0, "every contribution gets one answer", "participant %d's to order %d gets %d before its body (socket in use %v)", c.number, m.Order, n, current)
		if memory = p.borrow(m); memory == nil {
			s.violated("memory does not grow", "%d leased bodies were not given back", maxBodies)
			return
		}
	} else if current {
		c.checkAnswer(m, honest, right)
	}
	c.receiving = true
	s.soon(0, 2*time.Second, func() {
		c.receiving = false
		switch size := protocol.WireSize(m, true); {
		case !c.open():
			if memory != nil {
				memory.Release()
			}
		case wanted:
			c.offer(m, honest, memory)
		default:
			if c.current() {
				p.countUp(nil, size)
			}
			p.run.Charge(c.number, c, size)
		}
	})
}

// offer hands a contribution to the run, in the memory of body unless that is nil,
// and checks the answer.
func (c *socket) offer(m *protocol.Contribution, honest bool, body *live.Body) {
	p, current, right := c.process, c.current(), c.process.rightAnswers(c.number, m)
	copied := *m
	copied.Vectors = slices.Clone(m.Vectors)
	if body != nil {
		rest := body.Bytes()
		for i := range copied.Vectors {
			v := &copied.Vectors[i]
			n := copy(rest, v.Block)
			v.Block, rest = rest[:n:n], rest[n:]
		}
	}
	if current {
		p.countUp(m, protocol.WireSize(m, true))
	}
	p.run.Offer(c.number, c, p.checker.Check(c.number, &copied, body))
	if current {
		c.checkAnswer(m, honest, right)
		return
	}
	_, n := p.answers()
	p.sim.must(n == 0, "a superseded socket is ignored", "participant %d is answered on one", c.number)
}

// borrow returns memory for a body, nil when none is left. Nothing can give any
// back meanwhile: the real time only bounds how long a leak takes to be seen.
func (p *process) borrow(c *protocol.Contribution) *live.Body {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	body, err := p.checker.Borrow(ctx, "", c)
	if err != nil {
		return nil
	}
	return body
}

package faults

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"
)

// conn is a socket, and the run.Peer of its participant. Each direction dies by
// itself, and with it whatever is on its way.
type conn struct {
	participant *participant
	life        *life
	number      uint32 // of the participant, once the run has welcomed it
	resumes     uint32 // the number that it asked for
	upDead      bool   // nothing arrives at the coordinator any more
	downDead    bool   // nor at the participant
	left        bool   // the run has been told that it is gone
	code        protocol.CloseCode
	tab         protocol.TabState // as it was told
	up, down    time.Duration     // when the newest message arrives
	receiving   bool              // a body is on its way
	codecs      []protocol.Codec  // of the participant
	holds       uint64            // version that it holds once all that was sent has arrived

	acks int // that were sent
	ack  protocol.Ack
}

// token and numberOf make resume tokens and read them.
func token(participant uint32) []byte { return binary.BigEndian.AppendUint32(nil, participant) }

func numberOf(token []byte) uint32 {
	if len(token) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(token)
}

// current says whether the run takes this socket for its participant's.
func (c *conn) current() bool {
	return !c.life.over && c.number != 0 && !c.left && c.code != protocol.CloseSuperseded
}

// join is the arrival of a hello.
func (c *conn) join(hello *protocol.Hello) {
	l, w := c.life, c.participant.world
	if l.over || c.upDead {
		return
	}
	number, ok := l.run.Join(hello, c.resumes, c)
	if !ok {
		return // sent away: its bytes are no participant's
	}
	if number != c.number {
		w.violated("a participant keeps its number", "the welcome says %d, the run %d", c.number, number)
	}
	l.countUp(hello, protocol.WireSize(hello, true))
	l.peers[number], c.tab = c, hello.TabState
	w.note("participant %d joins (client %d, resumed %v)", number, c.participant.index, c.resumes != 0)
}

// countUp adds a message to what peers have delivered, countDown to what they
// were given.
func (l *life) countUp(m protocol.Message, size int64) {
	l.seen.Up += size
	l.seen.MessagesUp++
	if m, ok := m.(*protocol.Contribution); ok {
		l.seen.ModelsUp += int64(len(m.Vectors))
	}
}

func (l *life) countDown(m protocol.Message) {
	l.seen.Down += protocol.WireSize(m, false)
	l.seen.MessagesDown++
	if m, ok := m.(*protocol.Model); ok {
		l.seen.ModelsDown += int64(len(m.Vectors))
	}
}

// Send implements run.Peer.
func (c *conn) Send(m protocol.Message) {
	w := c.participant.world
	w.effect()
	switch m := m.(type) {
	case *protocol.Welcome:
		c.number = m.Participant
	case *protocol.Ack:
		if m.Reason != protocol.ReasonAbandoned { // which comes unasked
			c.acks++
			c.ack = *m
		}
	}
	c.life.countDown(m)
	w.checkSent(c, m)
	if c.downDead {
		return
	}
	if w.fault(c.participant.badLuck() * w.chances.Lose) {
		c.die(w.chance(.7), true)
		return
	}
	c.down = max(c.down, w.clock.Now()+w.between(0, 200*time.Millisecond))
	w.clock.At(c.down, c.participant.actor(), func() { c.participant.receive(c, m) })
}

// SendShared implements run.Peer.
func (c *conn) SendShared(s *run.Shared) { c.Send(s.Message) }

// Close implements run.Peer. What the participant has sent before still arrives;
// what it is sent after does not.
func (c *conn) Close(code protocol.CloseCode, detail string) {
	w := c.participant.world
	w.effect()
	w.note("participant %d's socket is closed: %v %s", c.number, code, detail)
	if code == protocol.CloseFinished && !w.ended() {
		w.violated("nobody is told of an end that is not durable", "client %d is (%v)", c.participant.index, code)
	}
	if c.code != 0 {
		return
	}
	c.code = code
	w.soon(0, time.Second, func() { c.upDead = true; c.gone(false) })
	if c.downDead {
		return
	}
	c.down = max(c.down, w.clock.Now()+w.between(0, 200*time.Millisecond))
	w.clock.At(c.down, c.participant.actor(), func() { c.participant.closed(c, code, detail) })
}

// die loses the socket and what is on its way: up, down or both. The ends notice
// later, each by itself.
func (c *conn) die(up, down bool) {
	w := c.participant.world
	w.result.Sockets++
	w.note("participant %d's socket dies (up %v, down %v)", c.number, up, down)
	c.upDead, c.downDead = c.upDead || up, c.downDead || down
	w.soon(0, 30*time.Second, func() { c.upDead = true; c.gone(false) })
	w.soon(c.participant.actor(), 10*time.Second, func() { c.participant.lost(c) })
}

// gone tells the run that a socket is lost, or was left.
func (c *conn) gone(goodbye bool) {
	if c.life.over || c.left || c.number == 0 {
		return
	}
	current := c.current()
	c.left = true
	if c.life.peers[c.number] == c {
		delete(c.life.peers, c.number)
	}
	before := c.life.run.State().Participants
	c.life.run.Leave(c.number, c, goodbye)
	if after := c.life.run.State().Participants; !current && after != before {
		c.participant.world.violated("a superseded socket is nobody's", "participant %d leaves with one", c.number)
	}
}

// deliver hands a small message to the run. One that comes on a superseded
// socket is nobody's.
func (c *conn) deliver(m protocol.Message) {
	if c.upDead || c.life.over || c.number == 0 || c.left {
		return
	}
	if c.current() {
		c.life.countUp(m, protocol.WireSize(m, true))
		switch m := m.(type) {
		case *protocol.Tab:
			c.tab = m.State
			c.participant.world.note("participant %d's tab is in state %d", c.number, m.State)
		case *protocol.Want:
			c.participant.world.note("participant %d asks for version %d", c.number, m.Version)
		case *protocol.Decline:
			c.participant.world.note("participant %d declines order %d: %v %s", c.number, m.Order, m.Reason, m.Detail)
		}
	}
	if err := c.life.run.Receive(c.number, c, m); err != nil {
		c.participant.world.violated("clients keep to the protocol", "client %d: %v", c.participant.index, err)
	}
}

// contribute is a contribution's arrival. As in the hub, a long one is announced
// and then taken into leased memory, while other things happen, or skipped if
// the run has no use for it.
func (c *conn) contribute(m *protocol.Contribution, honest bool) {
	w := c.participant.world
	if c.upDead || c.life.over || c.number == 0 || c.left {
		return
	}
	if !w.long(m) || c.receiving || w.chance(.5) {
		c.offer(m, honest, nil)
		return
	}
	announced := *m
	announced.Vectors = slices.Clone(m.Vectors)
	for i := range announced.Vectors {
		v := &announced.Vectors[i]
		v.Size, v.Block = uint64(len(v.Block)), nil
	}
	size := protocol.WireSize(m, true)
	acks, current := c.acks, c.current()
	right := c.life.rightAnswers(c.number, m)
	wanted := c.life.run.Announce(c.number, c, &announced)
	var body *live.Body
	switch {
	case wanted && !current:
		w.violated("a superseded socket is nobody's", "participant %d's body is wanted on one", c.number)
		return
	case wanted:
		if c.acks != acks {
			w.violated("every contribution gets one answer", "participant %d's to order %d gets one before its body", c.number, m.Order)
		}
		if body = c.life.borrow(m); body == nil {
			w.violated("memory does not grow", "%d leased bodies were never given back", leased)
			return
		}
	case current:
		c.checkAnswer(acks, m, honest, right)
	}
	c.receiving = true
	w.soon(0, 2*time.Second, func() {
		c.receiving = false
		switch {
		case c.upDead || c.life.over || c.left:
			if body != nil {
				body.Release()
			}
		case wanted:
			c.offer(m, honest, body)
		default:
			if c.current() {
				c.life.seen.Up += size
				c.life.seen.MessagesUp++
			}
			c.life.run.Charge(c.number, c, size)
		}
	})
}

// long says whether a contribution can be announced: it has a body, and one that
// is not larger than any may be.
func (w *world) long(m *protocol.Contribution) bool {
	if len(m.Vectors) == 0 {
		return false
	}
	size := int64(0)
	for _, v := range m.Vectors {
		if len(v.Block) == 0 {
			return false
		}
		size += int64(len(v.Block))
	}
	return size <= protocol.MaxBody(uint64(len(w.initial)), w.scheme.Config.Vectors())
}

// offer hands a contribution to the run, in the memory of body if that is not
// nil.
func (c *conn) offer(m *protocol.Contribution, honest bool, body *live.Body) {
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
	current, acks := c.current(), c.acks
	right := c.life.rightAnswers(c.number, m)
	if current {
		c.life.countUp(m, protocol.WireSize(m, true))
	}
	offer := c.life.checker.Check(c.number, &copied, body)
	c.life.run.Offer(c.number, c, offer)
	if current {
		c.checkAnswer(acks, m, honest, right)
	} else if c.acks != acks {
		c.participant.world.violated("a superseded socket is nobody's", "participant %d is answered on one", c.number)
	}
}

// borrow returns memory for a body, or nil when there is none. Nobody else can
// give any back meanwhile, so the real time only bounds how long a leak takes to
// be seen: far more than a busy machine keeps a process waiting.
func (l *life) borrow(c *protocol.Contribution) *live.Body {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	body, err := l.checker.Borrow(ctx, c)
	if err != nil {
		return nil
	}
	return body
}

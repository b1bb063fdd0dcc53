package faults

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"fedtab/client"
	"fedtab/coordinator/run"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"

	"github.com/cespare/xxhash/v2"
)

type bench = client.Bench

func newBench(m learn.Model) *bench { return client.NewBench(m) }

// leased is how many bodies may be on their way at a time: more than ever are,
// unless they are not given back.
const leased = 64

// borrow returns memory for a body, or nil when there is none: in virtual time
// nobody else can give any back meanwhile.
func (l *life) borrow() *run.Body {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	body, err := l.checker.Borrow(ctx)
	if err != nil {
		return nil
	}
	return body
}

// participant is a real client behind a bad line.
type participant struct {
	world  *world
	index  int
	client *client.Client
	conn   *conn // nil while it has none
	work   int   // counts trainings, so that one that was overtaken is dropped
	old    []*protocol.Contribution
	calm   bool // does nothing wrong, so that every run can end
}

func newParticipant(w *world, i int) *participant {
	p := &participant{world: w, index: i, calm: i < 3}
	p.fresh()
	return p
}

func (p *participant) actor() uint32 { return uint32(p.index + 1) }

// fresh makes a participant that has never been here.
func (p *participant) fresh() {
	p.client = client.New(client.Config{Name: "faults", Task: "faults"})
	n := 1 + p.index%3
	images := data.Array{Dims: []int{n, 2}, Data: make([]uint8, 2*n)}
	labels := data.Array{Dims: []int{n}, Data: make([]uint8, n)}
	for i := range images.Data {
		images.Data[i] = uint8(p.world.random.Uint64N(256))
	}
	for i := range labels.Data {
		labels.Data[i] = uint8(i % 2)
	}
	set, err := data.NewSet(images, labels, 2)
	if err != nil {
		panic(err)
	}
	p.client.SetExamples(set)
	p.work++
}

// conn is a socket, and the run.Peer of its participant while it lives.
type conn struct {
	participant *participant
	life        *life
	number      uint32 // of the participant, once it has joined
	resumes     uint32 // the number that it asked for
	dead        bool   // nothing passes any more
	left        bool   // the run has been told
	closed      bool   // by the run

	down, up    time.Duration // when the newest message arrives
	offering    *protocol.Contribution
	reason      protocol.Reason // of the newest acknowledgement
	resumedSeen bool
}

// connect opens a socket and says hello.
func (p *participant) connect() {
	w := p.world
	if w.life == nil || !w.life.booted {
		w.clock.AfterFunc(w.between(100*time.Millisecond, 3*time.Second), p.connect)
		return
	}
	c := &conn{participant: p, life: w.life}
	old := p.conn
	p.conn = c
	if old != nil && !old.dead {
		old.dead = true // the client has given it up; the coordinator has not noticed
		w.clock.AfterFunc(w.between(0, 30*time.Second), func() { old.gone(false) })
	}
	hello := p.client.Hello()
	if len(hello.ResumeToken) == 4 {
		c.resumes = binary.BigEndian.Uint32(hello.ResumeToken)
	}
	w.clock.AfterFunc(w.between(0, 100*time.Millisecond), func() { c.join(hello) })
}

// join is the hello's arrival.
func (c *conn) join(hello *protocol.Hello) {
	l := c.life
	if l.over || c.dead {
		return
	}
	c.number = c.resumes // a new participant's number is in its welcome
	size := protocol.WireSize(hello, true)
	l.count(size, true, hello)
	number, ok := l.run.Join(hello, c.resumes, c)
	if !ok {
		l.count(-size, true, nil) // sent away: not a participant's bytes
		return
	}
	c.number = number
	c.participant.world.trace("participant %d joins (client %d, resumed %v)", number, c.participant.index, c.resumes != 0)
	l.checkLedger()
}

// count adds a message to what the peers saw.
func (l *life) count(size int64, up bool, m protocol.Message) {
	if up {
		l.up += size
		l.world.up += size
	} else {
		l.down += size
		l.world.down += size
	}
	if m == nil {
		l.messages--
		return
	}
	l.messages++
	if _, ok := m.(*protocol.Model); ok {
		l.models++
	}
}

// Send implements run.Peer.
func (c *conn) Send(m protocol.Message) {
	w := c.participant.world
	w.effect()
	if wel, ok := m.(*protocol.Welcome); ok {
		c.number = wel.Participant
	}
	c.life.count(protocol.WireSize(m, false), false, m)
	if ack, ok := m.(*protocol.Ack); ok {
		c.reason = ack.Reason
	}
	w.checkSent(c, m)
	if c.dead {
		return
	}
	if !c.participant.calm && w.chance(w.faults.lose) || w.chance(w.faults.lose/10) {
		c.die()
		return
	}
	c.down = max(c.down, w.clock.Now()+w.between(0, 200*time.Millisecond))
	w.clock.At(c.down, c.participant.actor(), func() { c.participant.receive(c, m) })
}

// SendShared implements run.Peer.
func (c *conn) SendShared(s *run.Shared) { c.Send(s.Message) }

// Close implements run.Peer.
func (c *conn) Close(code protocol.CloseCode, detail string) {
	w := c.participant.world
	w.effect()
	if c.closed {
		return
	}
	c.closed = true
	w.trace("participant %d's socket is closed: %v %s", c.number, code, detail)
	w.clock.AfterFunc(w.between(0, time.Second), func() { c.gone(false) })
	if c.dead {
		return
	}
	c.dead = true
	w.clock.AfterFunc(w.between(0, 200*time.Millisecond), func() {
		p := c.participant
		if p.conn != c {
			return // it has another one already
		}
		p.conn = nil
		if code.Reconnect() {
			w.clock.AfterFunc(w.between(0, 5*time.Second), p.connect)
		} else if code != protocol.CloseFinished && code != protocol.CloseSuperseded {
			w.violated("client %d is sent away for good: %v %s", p.index, code, detail)
		}
	})
}

// die loses the socket and what is on its way; both ends notice later.
func (c *conn) die() {
	w := c.participant.world
	c.dead = true
	w.result.Sockets++
	w.trace("participant %d's socket dies", c.number)
	w.clock.AfterFunc(w.between(0, 30*time.Second), func() { c.gone(false) })
	w.clock.AfterFunc(w.between(0, 10*time.Second), func() { c.participant.lost(c) })
}

// gone tells the run that a socket is lost, or was left.
func (c *conn) gone(goodbye bool) {
	if c.life.over || c.left || c.number == 0 {
		return
	}
	c.left = true
	c.life.run.Leave(c.number, c, goodbye)
}

// lost is the client's end noticing that its socket is gone.
func (p *participant) lost(c *conn) {
	if p.conn != c {
		return
	}
	p.conn = nil
	p.world.clock.AfterFunc(p.world.between(0, 5*time.Second), p.connect)
}

// receive takes a message of the coordinator.
func (p *participant) receive(c *conn, m protocol.Message) {
	w := p.world
	if c.dead || p.conn != c {
		return
	}
	out, err := p.client.Receive(m)
	if err != nil {
		w.violated("client %d: %v", p.index, err)
		return
	}
	p.send(c, out)
	if _, ok := m.(*protocol.Order); ok && !p.calm && w.chance(w.faults.moody) {
		p.mood(c)
		return
	}
	if p.client.Ready() {
		took := w.between(0, 2*time.Second)
		if !p.calm && w.chance(w.faults.slow) {
			took = w.between(0, 3*time.Minute)
		}
		p.work++
		work := p.work
		w.clock.AfterFunc(took, func() {
			if p.work == work && p.client.Ready() {
				p.send(p.conn, p.client.Work(w.bench, math.MaxInt))
			}
		})
	}
}

// mood is something that a person or a browser does in the middle of an order.
func (p *participant) mood(c *conn) {
	w := p.world
	later := func(f func()) { w.clock.AfterFunc(w.between(0, time.Minute), f) }
	switch w.random.Uint64N(5) {
	case 0, 1:
		state := []protocol.TabState{protocol.TabPaused, protocol.TabFrozen}[w.random.Uint64N(2)]
		p.send(c, p.client.SetTab(state))
		later(func() { p.send(p.conn, p.client.SetTab(protocol.TabVisible)) })
	case 2: // leaves, and comes back as somebody else
		p.leave(c)
		later(func() { p.fresh(); p.connect() })
	case 3: // reloads: what is saved stays, and the rest of its memory does not
		saved := p.client.Save()
		p.conn, c.dead = nil, true
		w.clock.AfterFunc(w.between(0, 2*time.Second), func() { c.gone(false) })
		p.fresh()
		if saved != nil {
			if err := p.client.Restore(saved); err != nil {
				w.violated("client %d cannot be restored: %v", p.index, err)
			}
		}
		later(p.connect)
	case 4: // opens a second socket while the first still works
		p.connect()
	}
}

// leave says goodbye.
func (p *participant) leave(c *conn) {
	p.conn = nil
	if c.dead {
		return
	}
	p.world.clock.AfterFunc(p.world.between(0, 200*time.Millisecond), func() {
		if !c.dead {
			c.dead = true
			c.gone(true)
		}
	})
}

// send puts messages on the line, and some of them twice, too late or broken.
func (p *participant) send(c *conn, out []protocol.Message) {
	w := p.world
	if c == nil || c.dead || p.conn != c {
		return // what must not be lost the client keeps
	}
	for _, m := range out {
		if !p.calm && w.chance(w.faults.lose) {
			c.die()
			return
		}
		when := max(c.up, w.clock.Now()+w.between(0, 500*time.Millisecond))
		if !p.calm && w.chance(w.faults.swap) {
			when = w.clock.Now() + w.between(0, 500*time.Millisecond)
		} else {
			c.up = when
		}
		contribution, ok := m.(*protocol.Contribution)
		if !ok {
			w.clock.At(when, 0, func() { c.deliver(m) })
			continue
		}
		w.clock.At(when, 0, func() { c.offer(contribution, true) })
		if p.calm {
			continue
		}
		p.old = append(p.old, contribution)
		if w.chance(w.faults.duplicate) {
			w.clock.At(when+w.between(0, time.Minute), 0, func() { p.again(contribution, false) })
		}
		if w.chance(w.faults.replay) {
			old := p.old[w.random.Uint64N(uint64(len(p.old)))]
			w.clock.At(when+w.between(0, time.Minute), 0, func() { p.again(old, false) })
		}
		if w.chance(w.faults.broken) {
			w.clock.At(w.clock.Now()+w.between(0, time.Second), 0, func() { c.offer(spoil(w, contribution), false) })
		}
	}
}

// again sends a contribution once more, over whatever socket there is by now.
func (p *participant) again(m *protocol.Contribution, honest bool) {
	if p.conn != nil {
		p.conn.offer(m, honest)
	}
}

// spoil breaks a contribution in one way.
func spoil(w *world, c *protocol.Contribution) *protocol.Contribution {
	b := *c
	b.Vectors = slices.Clone(c.Vectors)
	v := &b.Vectors[0]
	v.Block = slices.Clone(v.Block)
	switch w.random.Uint64N(9) {
	case 0:
		binary.LittleEndian.PutUint32(v.Block, math.Float32bits(float32(math.NaN())))
	case 1:
		binary.LittleEndian.PutUint32(v.Block, math.Float32bits(1e9))
	case 2:
		v.BaseHash = make([]byte, 32)
	case 3:
		v.Block = v.Block[4:]
	case 4:
		b.Weight = 0
	case 5:
		b.Order += 1 + w.random.Uint64N(3)
	case 6:
		b.Round++
	case 7:
		b.Order -= min(b.Order, 1)
	case 8:
		b.Vectors = nil
	}
	return &b
}

// deliver hands a small message to the run.
func (c *conn) deliver(m protocol.Message) {
	if c.dead || c.life.over || c.number == 0 || c.closed {
		return
	}
	if c.current() {
		c.life.count(protocol.WireSize(m, true), true, m)
	}
	if err := c.life.run.Receive(c.number, c, m); err != nil {
		c.participant.world.violated("client %d: %v", c.participant.index, err)
	}
	c.life.checkLedger()
}

// current says whether the run takes this socket for its participant's.
func (c *conn) current() bool { return !c.left && !c.closed }

// offer hands a contribution to the run as the hub does: announced, taken into
// leased memory, checked and offered.
func (c *conn) offer(m *protocol.Contribution, honest bool) {
	w := c.participant.world
	if c.dead || c.life.over || c.number == 0 || !c.current() {
		return
	}
	copied := *m
	copied.Vectors = slices.Clone(m.Vectors)
	before := c.life.perRun[c]
	c.offering = m
	defer func() { c.offering = nil }()
	var body *run.Body
	if len(m.Vectors) == 1 && w.chance(.5) { // in chunks
		if !c.life.run.Announce(c.number, c, &copied) {
			w.checkAnswer(c, before, m, honest, c.reason)
			return
		}
		if body = c.life.borrow(); body == nil {
			w.violated("no memory for a body")
			return
		}
		n := copy(body.Bytes(), m.Vectors[0].Block)
		copied.Vectors[0].Block = body.Bytes()[:n]
	}
	if len(m.Vectors) == 1 {
		w.remember(m.Vectors[0].Block)
	}
	c.life.count(protocol.WireSize(m, true), true, m)
	c.life.run.Offer(c.number, c, c.life.checker.Check(&copied, body))
	if c.life.over {
		return
	}
	w.trace("participant %d's answer to order %d: %v (honest %v)", c.number, m.Order, c.reason, honest)
	w.checkAnswer(c, before, m, honest, c.reason)
	c.life.checkLedger()
}

// remember keeps a delta that has reached the coordinator.
func (w *world) remember(block []byte) {
	if len(block) != 4*w.model.Layout().Size {
		return
	}
	f := xxhash.Sum64(block)
	if w.sent[f] != nil {
		return
	}
	v := make([]float32, len(block)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(block[4*i:]))
	}
	w.sent[f] = v
}

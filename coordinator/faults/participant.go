package faults

import (
	"bytes"
	"slices"
	"time"

	"fedtab/client"
	"fedtab/protocol"
)

// participant is a real client behind a bad line, in the hands of somebody
// moody.
type participant struct {
	world     *world
	index     int
	calm      bool // does nothing wrong, so that every run can end
	lacks     []protocol.Codec
	alien     bool // its machine makes another version 0
	client    *client.Client
	workspace *client.Workspace
	conn      *conn // nil while it has none

	working    bool // a slice of training is due
	connecting bool // an attempt to connect is due
	away       bool // has left, for a while or for good
	silent     bool // takes orders, and answers none for a while
	mute       bool // the same for ever

	old      []sent            // contributions, for replays
	buffered map[uint64]uint64 // orders of no round whose answers were accepted, and for which version
	done     []uint64          // newest orders that it has finished
	begun    map[uint64]bool   // orders whose training has begun, and must not begin again; true: it has ended
}

// mostKept is how many contributions a client keeps.
const mostKept = 16

func newParticipant(w *world, i int) *participant {
	p := &participant{world: w, index: i, calm: i < w.scheme.Calm, lacks: w.drawLacks(), alien: w.random.Uint64N(8) == 0}
	p.fresh(nil)
	return p
}

// sent is a contribution and the number of its sender then.
type sent struct {
	contribution *protocol.Contribution
	number       uint32
}

// actor is the participant's number on the clock.
func (p *participant) actor() uint32 { return uint32(p.index + 1) }

// badLuck weighs the chance that a message is lost.
func (p *participant) badLuck() float64 {
	if p.calm {
		return .1
	}
	return 1
}

// fresh makes a client that knows nothing, or what an earlier one has saved.
func (p *participant) fresh(saved []byte) {
	cfg := client.Config{Name: "faults", Task: "faults", Packers: &p.world.packers}
	if p.alien {
		cfg.Models = alien{client.OwnModels()}
	}
	p.client = client.New(cfg)
	p.workspace = client.NewWorkspace(p.world.model)
	p.done = nil
	p.begun, p.buffered = map[uint64]bool{}, map[uint64]uint64{}
	if p.world.shards.Source == "" {
		p.client.SetExamples(p.world.examples(max(p.world.scheme.Examples, 1) + p.index%3))
	}
	if saved == nil {
		return
	}
	if err := p.client.Restore(saved); err != nil || !bytes.Equal(p.client.Save(), saved) {
		p.world.violated("what is saved can be restored", "client %d: %v", p.index, err)
	}
	if kept := p.client.Kept(); kept != 0 && p.world.scheme.Shape != buffered { // which may have been counted
		p.begun[kept] = true // and will be offered again, not done again
	}
}

// connect opens a socket and says hello, or tries again later. An older socket
// is given up, which the coordinator need not notice.
func (p *participant) connect() {
	w := p.world
	if p.away {
		return
	}
	if w.life == nil || w.life.run == nil {
		p.reconnect(3 * time.Second)
		return
	}
	c := &conn{participant: p, life: w.life}
	if old := p.conn; old != nil {
		old.downDead = true
		// A hello that would arrive after that of the new socket would make it
		// the newest, and the participant would be sent away for good.
		old.upDead = old.upDead || old.number == 0
		w.soon(0, 30*time.Second, func() { old.upDead = true; old.gone(false) })
	}
	p.conn = c
	hello := p.client.Hello()
	hello.Codecs = slices.DeleteFunc(hello.Codecs, func(id protocol.Codec) bool { return slices.Contains(p.lacks, id) })
	c.codecs, c.holds = hello.Codecs, hello.Held
	c.resumes = numberOf(hello.ResumeToken)
	c.up = w.clock.Now() + w.between(0, 100*time.Millisecond)
	w.clock.At(c.up, 0, func() { c.join(hello) })
}

func (p *participant) reconnect(most time.Duration) {
	if p.connecting {
		return
	}
	p.connecting = true
	p.world.soon(p.actor(), most, func() { p.connecting = false; p.connect() })
}

// lost is the client's end noticing that its socket is gone.
func (p *participant) lost(c *conn) {
	c.downDead = true
	if p.conn == c {
		p.conn = nil
		p.reconnect(5 * time.Second)
	}
}

// closed is the arrival of a close code.
func (p *participant) closed(c *conn, code protocol.CloseCode, detail string) {
	if c.downDead || p.conn != c {
		return // it has another one already
	}
	c.downDead, p.conn = true, nil
	switch {
	case code.Reconnect():
		p.reconnect(5 * time.Second)
	case code == protocol.CloseFinished:
		p.away = true
	case code == protocol.CloseAbuse && !p.calm: // deserved; it comes back as somebody else
		p.fresh(nil)
		p.reconnect(time.Minute)
	default:
		p.world.violated("nobody honest is sent away", "client %d is: %v %s", p.index, code, detail)
	}
}

// recover is the end of the storm: whoever is still there does as it should.
func (p *participant) recover() {
	p.silent = false
	p.setTab(protocol.TabVisible)
	if p.conn == nil {
		p.reconnect(time.Second)
	}
	p.work()
}

// receive takes a message of the coordinator.
func (p *participant) receive(c *conn, m protocol.Message) {
	if c.downDead || p.conn != c {
		return
	}
	done := false
	if o, ok := m.(*protocol.Order); ok {
		done = p.begun[o.Order]
		for k := range p.begun { // it keeps what may be in an open buffer, and drops the rest
			if k != o.Order && p.buffered[k] == 0 {
				delete(p.begun, k)
			}
		}
	}
	out, err := p.client.Receive(m)
	if err != nil {
		p.world.violated("the coordinator keeps to the protocol", "client %d: %v", p.index, err)
		return
	}
	if _, ok := m.(*protocol.Model); ok {
		p.checkHeld()
	}
	if done && !slices.ContainsFunc(out, isContribution) {
		p.world.violated("finished work is offered again", "client %d is given an order again that it has finished, and answers %v", p.index, out)
	}
	p.send(out)
	switch m := m.(type) {
	case *protocol.Ack:
		switch {
		case m.Reason != protocol.ReasonAccepted && m.Reason != protocol.ReasonDuplicate:
			delete(p.begun, m.Order) // it may drop its work
			delete(p.buffered, m.Order)
		case p.world.scheme.Shape == buffered && p.begun[m.Order]: // and not one that was forged
			p.buffered[m.Order] = m.Round
		}
	case *protocol.Status:
		for order, version := range p.buffered {
			if version <= m.Closed { // it is in that version, as far as anybody can tell
				delete(p.begun, order)
				delete(p.buffered, order)
			}
		}
	case *protocol.Shards:
		p.fetch()
	case *protocol.Order:
		if !p.calm && p.world.fault(p.world.chances.Moody) {
			p.mood()
		}
		if !p.calm && p.world.fault(p.world.chances.Forge) {
			p.forge()
		}
		if !p.calm && p.world.fault(p.world.chances.Chatter) {
			p.chatter()
		}
	}
	p.work()
}

func isContribution(m protocol.Message) bool {
	_, ok := m.(*protocol.Contribution)
	return ok
}

// fetch gets the assigned shards, one by one.
func (p *participant) fetch() {
	w := p.world
	for _, n := range p.client.Missing() {
		w.soon(p.actor(), time.Second, func() {
			if err := p.client.AddShard(n, w.sets[n]); err != nil {
				w.violated("the coordinator keeps to the protocol", "client %d: %v", p.index, err)
			}
			p.work()
		})
	}
}

// work trains in slices, between which anything may happen.
func (p *participant) work() {
	w := p.world
	if p.working || p.silent || p.mute || !p.client.Ready() || p.tab() == protocol.TabFrozen {
		return
	}
	p.working = true
	most := 40 * time.Millisecond // with 80 slices, less than any deadline
	switch {
	case p.client.Monitors(): // without an end
		most = time.Second
	case p.client.Progress().Activity == client.Training:
	case !p.calm && w.fault(w.chances.Slow):
		most = 3 * time.Minute
	default:
		most = time.Second
	}
	w.soon(p.actor(), most, func() {
		p.working = false
		if !p.silent && p.client.Ready() && p.tab() != protocol.TabFrozen {
			p.send(p.client.Work(p.workspace, 1+int(w.random.Uint64N(8))))
		}
		p.work()
	})
}

func (p *participant) tab() protocol.TabState { return p.client.Hello().TabState }

func (p *participant) setTab(s protocol.TabState) {
	if s == protocol.TabPaused {
		clear(p.begun) // it may drop its work
	}
	p.send(p.client.SetTab(s))
	p.work()
}

// mood is something that a person or a browser does in the middle of an order.
func (p *participant) mood() {
	w := p.world
	later := func(f func()) { w.soon(p.actor(), time.Minute, f) }
	c := p.conn
	switch w.random.Uint64N(9) {
	case 0:
		p.setTab(protocol.TabPaused)
		later(func() { p.setTab(protocol.TabVisible) })
	case 1:
		p.setTab(protocol.TabFrozen)
		later(func() { p.setTab(protocol.TabVisible) })
	case 2: // leaves, and comes back as somebody else
		p.leave()
		later(func() { p.away = false; p.fresh(nil); p.connect() })
	case 3: // leaves for good
		p.leave()
	case 4: // reloads: what is saved stays, and the rest of its memory does not
		p.conn, c.downDead = nil, true
		w.soon(0, 2*time.Second, func() { c.upDead = true; c.gone(false) })
		p.fresh(p.client.Save())
		p.reconnect(10 * time.Second)
	case 5: // opens a second socket while the first still works
		p.connect()
	case 6: // the machine sleeps, and the socket is lost
		c.die(true, true)
	case 7: // loses what it had saved, and comes back as somebody else without a goodbye
		p.conn, c.downDead = nil, true
		w.soon(0, 30*time.Second, func() { c.upDead = true; c.gone(false) })
		p.fresh(nil)
		p.reconnect(10 * time.Second)
	case 8:
		p.silent = true
		later(func() { p.silent = false; p.work() })
	}
}

// leave says goodbye.
func (p *participant) leave() {
	c := p.conn
	p.conn, p.away, c.downDead = nil, true, true
	c.up = max(c.up, p.world.clock.Now()+p.world.between(0, 200*time.Millisecond))
	p.world.clock.At(c.up, 0, func() {
		if !c.upDead {
			c.upDead = true
			c.gone(true)
		}
	})
	// A goodbye may be lost like anything else; the socket is gone all the same.
	p.world.soon(0, 30*time.Second, func() { c.upDead = true; c.gone(false) })
}

// send puts messages on the line. What must not be lost the client keeps.
func (p *participant) send(out []protocol.Message) {
	c, w := p.conn, p.world
	for _, m := range out {
		switch m := m.(type) {
		case *protocol.Progress:
			if _, again := p.begun[m.Order]; again {
				w.violated("work is done once", "client %d begins order %d again", p.index, m.Order)
			}
			p.begun[m.Order] = false
		case *protocol.Contribution:
			done, begun := p.begun[m.Order]
			if !begun && w.scheme.Shape == buffered {
				break // saved before a reload, together with who knows how many others
			}
			if !done {
				p.done = append(p.done, m.Order)
			}
			p.begun[m.Order] = true
			if len(p.done) > mostKept { // it keeps no more
				delete(p.begun, p.done[0])
				delete(p.buffered, p.done[0])
				p.done = p.done[1:]
			}
		case *protocol.Decline:
			if m.Reason == protocol.ReasonCodec {
				w.violated("everybody can pack what it has made", "client %d declines order %d: %s", p.index, m.Order, m.Detail)
			}
		case *protocol.Want:
			if w.scheme.Shape != buffered && !p.alien { // whose orders outlast their base
				w.violated("a model comes before its order", "client %d has to ask for version %d", p.index, m.Version)
			}
		}
	}
	for _, m := range out {
		if c == nil || c.downDead && c.code != 0 {
			return
		}
		if w.fault(p.badLuck() * w.chances.Lose) {
			c.die(true, w.chance(.7))
		}
		when := max(c.up, w.clock.Now()+w.between(0, 500*time.Millisecond))
		if !p.calm && w.fault(w.chances.Swap) {
			when = w.clock.Now() + w.between(0, 500*time.Millisecond)
		} else {
			c.up = when
		}
		if k, ok := m.(*protocol.Contribution); ok {
			w.clock.At(when, 0, func() { c.contribute(k, true) })
			if !p.calm {
				p.misuse(c, k, when)
			}
			continue
		}
		w.clock.At(when, 0, func() { c.deliver(m) })
	}
}

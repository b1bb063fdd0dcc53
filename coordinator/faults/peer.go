package faults

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// peer is a real client on an unreliable network, with a user that interrupts it.
type peer struct {
	sim       *sim
	index     int
	reliable  bool    // it does nothing wrong, so that every run can end
	lose      float64 // rate of lost sockets, per message
	lacks     []protocol.Codec
	otherInit bool // it makes another version 0
	client    *client.Client
	workspace *client.Workspace
	socket    *socket // nil while it has none

	working    bool // a slice of training is due
	connecting bool // an attempt to connect is due
	away       bool // it has left
	silent     bool // it takes orders, and answers none for a while
	mute       bool // for ever
	apart      bool // it exchanges keys while it trains
	exchanging bool // a step of the exchange is due
	lied       bool // it has sent nonsense: what it says it trains on is not what it does

	sent    []sent            // contributions, for replays
	held    map[uint64]uint64 // accepted answers to orders of no round: the version that each is for
	done    []uint64          // newest orders that it has finished
	started map[uint64]bool   // orders that must not be started again; true: finished

	life   int    // clients that it has had
	record []byte // what the client has written down of secure aggregation
}

// maxKept is how many contributions a client keeps.
const maxKept = 16

// sent is a contribution and the participant number that it was sent under.
type sent struct {
	contribution *protocol.Contribution
	number       uint32
}

// otherInit makes another version 0, as a machine with other arithmetic would.
type otherInit struct{ client.Models }

func (o otherInit) Initial(m learn.Model, seed uint64) []float32 {
	params := slices.Clone(o.Models.Initial(m, seed))
	params[0]++
	return params
}

// actor is the peer's number on the clock.
func (p *peer) actor() uint32 { return uint32(p.index + 1) }

// reset makes a client that knows nothing, or what an earlier one has saved.
func (p *peer) reset(saved []byte) {
	s := p.sim
	cfg := client.Config{Name: "faults", Task: "faults", Packers: &s.packers}
	if p.otherInit {
		cfg.Models = otherInit{client.OwnModels()}
	}
	p.life++
	cfg.Secure = p.secure()
	p.client, p.workspace, p.done = client.New(cfg), client.NewWorkspace(s.model), nil
	p.started, p.held = map[uint64]bool{}, map[uint64]uint64{}
	if s.shards.Source == "" {
		p.client.SetExamples(s.makeExamples(s.examples + p.index%3))
	}
	if saved == nil {
		return
	}
	if err := p.client.Restore(saved); err != nil || !bytes.Equal(p.client.Save(), saved) {
		s.violated("what is saved can be restored", "client %d: %v", p.index, err)
	}
	if kept := p.client.Kept(); kept != 0 && s.shape != buffered { // which may have been counted
		p.started[kept] = true
	}
}

// connect opens a socket and says hello, or tries again later. An older socket is
// abandoned, which the coordinator may notice late.
func (p *peer) connect() {
	s := p.sim
	if p.away {
		return
	}
	if s.process == nil || s.process.run == nil {
		p.reconnect(3 * time.Second)
		return
	}
	c := &socket{peer: p, process: s.process}
	if old := p.socket; old != nil {
		old.downDead = true
		// A hello that arrives after that of the new socket would supersede it.
		old.upDead = old.upDead || old.number == 0
		old.lose(30 * time.Second)
	}
	p.socket = c
	if !p.reliable && s.fault(s.rates.Interrupt) { // it comes back paused, and is hostile
		p.client.SetTab(protocol.TabPaused)
		clear(p.started) // it may drop its work
		s.soon(p.actor(), 20*time.Second, p.forge)
		s.soon(p.actor(), time.Minute, func() { p.setTab(protocol.TabVisible) })
	}
	hello := p.client.Hello()
	hello.Codecs = slices.DeleteFunc(hello.Codecs, func(id protocol.Codec) bool { return slices.Contains(p.lacks, id) })
	c.codecs, c.holds = hello.Codecs, hello.Held
	if len(hello.ResumeToken) > 0 {
		c.resumes = binary.BigEndian.Uint32(hello.ResumeToken)
	}
	c.up = s.clock.Now() + s.between(0, 100*time.Millisecond)
	s.clock.At(c.up, 0, func() { c.join(hello) })
}

func (p *peer) reconnect(within time.Duration) {
	if p.connecting {
		return
	}
	p.connecting = true
	p.sim.soon(p.actor(), within, func() { p.connecting = false; p.connect() })
}

// lost is the client's end noticing that its socket is gone.
func (p *peer) lost(c *socket) {
	c.downDead = true
	if p.socket == c {
		p.socket = nil
		p.reconnect(5 * time.Second)
	}
}

// closed is the arrival of a close code.
func (p *peer) closed(c *socket, code protocol.CloseCode, detail string) {
	if c.downDead || p.socket != c {
		return
	}
	c.downDead, p.socket = true, nil
	switch {
	case code.Reconnect():
		p.reconnect(5 * time.Second)
	case code == protocol.CloseFinished:
		p.away, p.mute, p.silent = true, true, true // a monitor order might never end
	case code == protocol.CloseAbuse && !p.reliable: // it was hostile, and joins as a new participant
		p.reset(nil)
		p.reconnect(time.Minute)
	default:
		p.sim.violated("honest clients are not sent away", "client %d is: %v %s", p.index, code, detail)
	}
}

// recover ends the faults of the peer.
func (p *peer) recover() {
	p.silent = p.mute
	p.setTab(protocol.TabVisible)
	if p.socket == nil {
		p.reconnect(time.Second)
	}
	p.work()
}

// receive takes a message of the coordinator.
func (p *peer) receive(c *socket, m protocol.Message) {
	s := p.sim
	if c.downDead || p.socket != c {
		return
	}
	order, isOrder := m.(*protocol.Order)
	done, working := false, p.client.Order()
	if isOrder {
		done = p.started[order.Order]
		for k := range p.started { // it keeps what may be in an open buffer
			if k != order.Order && p.held[k] == 0 {
				delete(p.started, k)
			}
		}
	}
	out, err := p.client.Receive(m)
	if err != nil {
		s.violated("the coordinator keeps to the protocol", "client %d: %v", p.index, err)
		return
	}
	if isOrder && working != order.Order && p.client.Order() == order.Order {
		c.checkStart(order)
	}
	isContribution := func(m protocol.Message) bool { _, ok := m.(*protocol.Contribution); return ok }
	s.must(!done || slices.ContainsFunc(out, isContribution), "finished work is offered again", "client %d gets an order that it has finished, and answers %v", p.index, out)
	p.send(out)
	p.exchange()
	switch m := m.(type) {
	case *protocol.Model:
		p.checkHeld()
	case *protocol.Ack:
		switch {
		case m.Reason != protocol.ReasonAccepted && m.Reason != protocol.ReasonDuplicate: // it may drop its work
			delete(p.started, m.Order)
			delete(p.held, m.Order)
		case s.shape == buffered && p.started[m.Order]: // and not one that was forged
			p.held[m.Order] = m.Round
		}
	case *protocol.Status:
		if m.Phase == protocol.PhasePaused { // it drops its work
			maps.DeleteFunc(p.started, func(_ uint64, finished bool) bool { return !finished })
		}
		for order, version := range p.held {
			if version <= m.Closed { // it is in that version, for all the client knows
				delete(p.started, order)
				delete(p.held, order)
			}
		}
	case *protocol.Shards:
		for _, n := range p.client.Missing() {
			s.soon(p.actor(), time.Second, func() {
				if err := p.client.AddShard(n, s.sets[n]); err != nil {
					s.violated("the coordinator keeps to the protocol", "client %d: %v", p.index, err)
				}
				p.work()
			})
		}
	case *protocol.Order:
		p.misbehave()
	}
	p.work()
}

// work trains in slices, between which anything may happen.
func (p *peer) work() {
	s := p.sim
	if p.working || p.silent || !p.client.Ready() || p.tab() == protocol.TabFrozen {
		return
	}
	p.working = true
	within := time.Second
	switch {
	case p.client.Monitors(): // without an end
	case p.client.Progress().Activity == client.Training:
		within = 40 * time.Millisecond // with 80 slices, less than any deadline
	case !p.reliable && s.fault(s.rates.Slow):
		within = 3 * time.Minute
	}
	s.soon(p.actor(), within, func() {
		p.working = false
		if !p.silent && p.client.Ready() && p.tab() != protocol.TabFrozen {
			p.send(p.client.Work(p.workspace, 1+s.random.IntN(8)))
			p.deliver()
		}
		p.work()
	})
}

func (p *peer) tab() protocol.TabState { return p.client.Hello().TabState }

func (p *peer) setTab(t protocol.TabState) {
	if t == protocol.TabPaused {
		clear(p.started) // it may drop its work
	}
	p.send(p.client.SetTab(t))
	p.exchange()
	p.work()
}

// interrupt is what a user or a browser does in the middle of an order.
func (p *peer) interrupt() {
	s, c := p.sim, p.socket
	later := func(f func()) { s.soon(p.actor(), time.Minute, f) }
	vanish := func(within, back time.Duration, saved []byte) { // without a goodbye
		p.socket, c.downDead = nil, true
		c.lose(within)
		p.reset(saved)
		p.reconnect(back)
	}
	if s.secured() && s.chance(.3) { // a reload in the middle of an attempt, which has lost its keys
		vanish(100*time.Millisecond, time.Second, p.client.Save())
		return
	}
	one(s.random,
		func() { p.setTab(protocol.TabPaused); later(func() { p.setTab(protocol.TabVisible) }) },
		func() { p.setTab(protocol.TabFrozen); later(func() { p.setTab(protocol.TabVisible) }) },
		func() { p.leave(); later(func() { p.away = false; p.reset(nil); p.connect() }) }, // joins as a new participant
		p.leave,
		func() { vanish(2*time.Second, 10*time.Second, p.client.Save()) }, // reloads
		func() { vanish(30*time.Second, 10*time.Second, nil) },            // loses what it had saved
		p.connect,                    // a second socket while the first still works
		func() { c.die(true, true) }, // the machine sleeps
		func() { p.silent = true; later(func() { p.silent = p.mute; p.work() }) },
	)()
}

// leave says goodbye, which may be lost like every message.
func (p *peer) leave() {
	c, s := p.socket, p.sim
	p.socket, p.away, c.downDead = nil, true, true
	c.up = max(c.up, s.clock.Now()+s.between(0, 200*time.Millisecond))
	s.clock.At(c.up, 0, func() {
		if !c.upDead {
			c.upDead = true
			c.leave(run.Done)
		}
	})
	c.lose(30 * time.Second)
}

// send sends messages. What must not be lost the client keeps.
func (p *peer) send(out []protocol.Message) {
	c, s := p.socket, p.sim
	out = slices.Clone(out)
	for i, m := range out {
		if s.mutant.up != nil {
			m = s.mutant.up(m)
			out[i] = m
		}
		p.checkExchange(m)
		switch m := m.(type) {
		case *protocol.Progress:
			_, again := p.started[m.Order]
			s.must(!again, "work is done once", "client %d starts order %d again", p.index, m.Order)
			p.started[m.Order] = false
		case *protocol.Contribution:
			done, started := p.started[m.Order]
			if !started && s.shape == buffered {
				break // saved before a reload, among others
			}
			if !done {
				p.done = append(p.done, m.Order)
			}
			p.started[m.Order] = true
			if len(p.done) > maxKept {
				delete(p.started, p.done[0])
				delete(p.held, p.done[0])
				p.done = p.done[1:]
			}
		case *protocol.Decline:
			s.must(m.Reason != protocol.ReasonCodec, "a client can pack what it has made", "client %d declines order %d: %s", p.index, m.Order, m.Detail)
		case *protocol.Want: // orders of no round outlast their base
			s.must(s.shape == buffered || p.otherInit, "a model comes before its order", "client %d has to ask for version %d", p.index, m.Version)
		}
	}
	for _, m := range out {
		if c == nil || c.downDead && c.code != 0 {
			return
		}
		if s.fault(p.lose) {
			c.die(true, s.chance(.7))
		}
		when := max(c.up, s.clock.Now()+s.between(0, 500*time.Millisecond))
		if !p.reliable && s.fault(s.rates.Reorder) {
			when = s.clock.Now() + s.between(0, 500*time.Millisecond)
		} else {
			c.up = when
		}
		if k, ok := m.(*protocol.Contribution); ok {
			s.clock.At(when, 0, func() { c.contribute(k, true) })
			if !p.reliable {
				p.misuse(c, k, when)
			}
			continue
		}
		s.clock.At(when, 0, func() { c.deliver(m) })
		if m, ok := m.(*protocol.Secure); ok {
			p.repeat(c, m, when)
		}
	}
}

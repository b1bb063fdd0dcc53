package simulation

import (
	"fmt"
	"time"

	"fedtab/client"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/simulation/adversary"
)

// participant is one simulated client and its connection.
type participant struct {
	sim     *Simulation
	index   uint32 // from 1; the number is the run's
	client  *client.Client
	member  *adversary.Member
	device  device
	number  uint32
	session int  // number of times it has left
	away    bool // between leave and join

	downFree  time.Duration // when the downlink has delivered all messages
	upFree    time.Duration
	modelFree time.Duration // when the newest model arrives

	busy  bool               // at work on an order
	until time.Duration      // when the work ends, unless the client leaves
	left  time.Duration      // remaining work when the client left
	job   *job               // the work, until it is collected; nothing else uses client meanwhile
	out   []protocol.Message // its answers
	inbox []protocol.Message // messages that arrived during the work

	refusal []protocol.Message // of a Monitor order by an adversary, in place of its next slice

	held []*protocol.Contribution // of an adversary that waits for the honest answers

	calls uint64 // of client, that are over and that a memory keeps
	kept  uint64 // of these, with which the vectors in the memory agree
}

// transfer returns when a message of size bytes, sent now, arrives over a link that is
// free at *free, and updates *free.
func (p *participant) transfer(free *time.Duration, size int64) time.Duration {
	*free = max(p.sim.clock.Now(), *free) + p.device.transfer(size)
	return *free + p.device.latency
}

// Send implements run.Peer.
func (p *participant) Send(m protocol.Message) {
	if o, ok := m.(*protocol.Order); ok {
		p.member.Ordered(o)
	}
	if !p.member.Lies() {
		p.sim.declined.sent(p.number, m)
	}
	when := p.transfer(&p.downFree, protocol.WireSize(m, false))
	if _, ok := m.(*protocol.Model); ok {
		p.modelFree = when
	}
	p.sim.wire(p, when, m)
	p.present(when, p.number, func() { p.receive(m) })
}

// SendShared implements run.Peer.
func (p *participant) SendShared(m *run.Shared) { p.Send(m.Message) }

// Close implements run.Peer.
func (p *participant) Close(protocol.CloseCode, string) {}

// Fault implements run.Peer.
func (p *participant) Fault() {}

// Address implements run.Peer.
func (p *participant) Address() string { return "" }

func (p *participant) receive(m protocol.Message) {
	if s, ok := m.(*protocol.Secure); ok { // keys are exchanged while it trains
		out, err := p.client.Receive(s)
		p.sim.must(p, err)
		p.send(append(out, p.client.Exchange()...))
		return
	}
	if p.busy {
		p.inbox = append(p.inbox, m)
		return
	}
	if out, taken := p.member.Receive(m); taken {
		if o, ok := m.(*protocol.Order); ok && o.Kind == protocol.OrderMonitor && len(out) > 0 {
			p.refusal = out
			p.sim.await(p)
		} else {
			p.send(out)
		}
		return
	}
	out, err := p.take(m)
	p.sim.must(p, err)
	p.send(append(out, p.client.Exchange()...))
	switch {
	case !p.client.Ready():
	case p.client.Monitors():
		p.sim.await(p)
	default:
		p.begin()
	}
}

// must panics at an error of a client: both ends are this program's.
func (s *Simulation) must(p *participant, err error) {
	if err != nil {
		panic(fmt.Sprintf("simulation: client %d: %v", p.number, err))
	}
}

// begin starts the work on an order, or on a slice of a Monitor order.
func (p *participant) begin() {
	examples := p.client.OrderExamples()
	p.sim.samples += int64(examples)
	if p.away || p.busy {
		panic(fmt.Sprintf("simulation: client %d begins work while away: %v, busy: %v", p.number, p.away, p.busy))
	}
	took := p.device.training(examples)
	p.busy = true
	if p.redoes() {
		p.job = &job{redone: true}
	} else {
		p.job = p.sim.pool.submit(p.client, p.sim.clock.Now()+took)
	}
	p.work(took)
}

// work schedules the end of the work on an order after d.
func (p *participant) work(d time.Duration) {
	p.until = p.sim.clock.Now() + d
	p.present(p.until, p.number, p.trained)
}

// trained collects the work on an order. It sends nothing if a message that arrived
// meanwhile has closed the round: a tab would have stopped its work.
func (p *participant) trained() {
	if p.job != nil {
		p.out = p.collect()
	}
	out, inbox := p.out, p.inbox
	p.busy, p.job, p.out, p.inbox = false, nil, nil, nil
	kept := p.client.Kept()
	for _, m := range inbox {
		p.receive(m)
	}
	if kept != 0 && p.client.Kept() != kept {
		return
	}
	p.send(append(out, p.client.Deliver()...))
	if p.client.Ready() && !p.busy && p.client.Monitors() {
		p.sim.await(p)
	}
}

// send delivers messages to the run. What an adversary's client has made is replaced,
// and held if the adversary waits for honest answers.
func (p *participant) send(out []protocol.Message) {
	for _, m := range out {
		if c, ok := m.(*protocol.Contribution); ok && c.Vectors[0].Kind != protocol.PayloadMasked {
			if p.member.Waits(c) {
				p.hold(c)
				continue
			}
			m = p.member.Lie(c)
		}
		when := p.transfer(&p.upFree, protocol.WireSize(m, true))
		p.sim.wire(p, when, m)
		p.present(when, 0, func() { p.deliver(m) })
	}
}

func (p *participant) deliver(m protocol.Message) {
	p.member.Answered(m)
	p.sim.unhold()
	if c, ok := m.(*protocol.Contribution); ok {
		// The run clears the message's body; the client keeps its own.
		copied := *c
		copied.Vectors = append([]protocol.Vector(nil), c.Vectors...)
		p.sim.run.Offer(p.number, p, p.sim.cfg.Checker.Check(p.number, &copied))
		return
	}
	if d, ok := m.(*protocol.Decline); ok && !p.member.Lies() {
		p.sim.declined.decline(p.number, d.Order, d.Reason, d.Detail)
	}
	if err := p.sim.run.Receive(p.number, p, m); err != nil {
		panic(fmt.Sprintf("simulation: client %d: %v", p.number, err))
	}
}

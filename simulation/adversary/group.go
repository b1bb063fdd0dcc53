package adversary

import (
	"fmt"
	"slices"
	"sync"

	"fedtab/compress"
	"fedtab/protocol"
)

// Group is the clients of a run: its adversaries, and what they know of the honest ones.
// It is safe for concurrent use; results are the same for the same order of calls.
type Group struct {
	cfg  Config
	seed uint64
	lies []bool // by client, from 0

	codecs compress.Extra

	mu      sync.Mutex
	cohorts []*cohort  // of the newest orders, oldest first
	honest  []*moments // of the newest rounds, oldest first
}

// maxRounds is the number of rounds whose honest deltas are kept: asynchronous schemes
// have several versions in use.
const maxRounds = 4

// cohort is the clients with one order.
type cohort struct {
	order   uint64
	await   bool         // adversaries may wait for the honest answers
	pending map[int]bool // by client: an honest one that has not answered
}

// NewGroup returns the group of the given number of clients. The adversaries among them
// and their noise follow from seed.
func NewGroup(c Config, clients int, seed uint64) *Group {
	c = c.WithDefaults()
	return &Group{cfg: c, seed: seed, lies: c.choose(clients, seed)}
}

// Know has the adversaries decode contributions that are packed by further codecs. It is
// called before any client answers.
func (g *Group) Know(codecs compress.Extra) { g.codecs = codecs }

// Member returns client i, from 0.
func (g *Group) Member(i int) *Member { return &Member{group: g, client: i, lies: g.lies[i]} }

// Member is one client of a group, honest or not. Its methods are called from one
// goroutine.
type Member struct {
	group  *Group
	client int
	lies   bool

	welcome *protocol.Welcome
}

// Lies reports whether the member is an adversary.
func (m *Member) Lies() bool { return m.lies }

// Ordered notes an order that the coordinator sends to the member.
func (m *Member) Ordered(o *protocol.Order) {
	g := m.group
	if !g.cfg.colludes() && g.cfg.Kind != Backdoor {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.cohort(o.Order)
	if c == nil {
		if c = (&cohort{order: o.Order, pending: map[int]bool{}}); len(g.cohorts) >= 2*len(g.lies) {
			g.cohorts = slices.Delete(g.cohorts, 0, 1)
		}
		g.cohorts = append(g.cohorts, c)
	}
	// A Monitor order ends with no answer of most clients.
	c.await = o.Kind != protocol.OrderMonitor
	c.pending[m.client] = !m.lies
}

// cohort returns the clients with an order, nil if it is unknown.
func (g *Group) cohort(order uint64) *cohort {
	for _, c := range slices.Backward(g.cohorts) {
		if c.order == order {
			return c
		}
	}
	return nil
}

// size returns the number of clients with an order, and of adversaries among them, each
// at least 1.
func (g *Group) size(order uint64) (n, liars int) {
	if c := g.cohort(order); c != nil {
		for client := range c.pending {
			n++
			if g.lies[client] {
				liars++
			}
		}
	}
	return max(n, 1), max(liars, 1)
}

// Receive takes a message before the client does. If it reports taken, the client does
// not get the message, and out is the member's answer.
func (m *Member) Receive(msg protocol.Message) (out []protocol.Message, taken bool) {
	var order uint64
	switch msg := msg.(type) {
	case *protocol.Welcome:
		m.welcome = msg
		return nil, false
	case *protocol.Order:
		order = msg.Order
	case *protocol.Fetch:
		order = msg.Order
	default:
		return nil, false
	}
	switch {
	case !m.lies:
	case m.group.cfg.Kind == Idle:
		return nil, true
	case m.group.cfg.Kind == Decline:
		return []protocol.Message{&protocol.Decline{Order: order, Reason: protocol.ReasonNoData}}, true
	}
	return nil, false
}

// Waits reports whether an adversary holds its answer back, because honest clients with
// the same order have not answered.
func (m *Member) Waits(c *protocol.Contribution) bool {
	g := m.group
	if !m.lies || !g.cfg.colludes() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if h := g.cohort(c.Order); h != nil && h.await {
		for _, pending := range h.pending {
			if pending {
				return true
			}
		}
	}
	return false
}

// Left notes that the member has lost its connection: adversaries do not wait for its answers.
func (m *Member) Left() {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.cohorts {
		if c.pending[m.client] {
			c.pending[m.client] = false
		}
	}
}

// Answered notes an answer of the member that the adversaries see. The honest deltas in
// it enter their mean and standard deviation.
func (m *Member) Answered(msg protocol.Message) {
	g := m.group
	if m.lies || !g.cfg.colludes() {
		return
	}
	var order uint64
	var c *protocol.Contribution
	var deltas [][]float32
	switch msg := msg.(type) {
	case *protocol.Contribution:
		order, c, deltas = msg.Order, msg, m.deltas(msg)
	case *protocol.Decline:
		order = msg.Order
	default:
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(deltas) > 0 {
		g.observe(c, deltas)
	}
	if h := g.cohort(order); h != nil {
		h.pending[m.client] = false
	}
}

// deltas decodes the vectors of a contribution of the member's own client, without
// payloads.
func (m *Member) deltas(c *protocol.Contribution) [][]float32 {
	var all [][]float32
	for i := range c.Vectors {
		v := &c.Vectors[i]
		if v.Kind != protocol.PayloadFloat32 {
			break
		}
		codec, err := m.group.codecs.Lookup(v.Codec)
		if err != nil {
			panic(fmt.Sprintf("adversary: order %d: %v", c.Order, err)) // a bug: this program has packed it
		}
		values := make([]float32, m.welcome.Parameters)
		seed := compress.DitherSeed(m.welcome.Seed, m.welcome.Participant, c.Order, i)
		if err := compress.DecodeWith(codec.NewDecoder(), values, v.Block, compress.Options{Seed: seed}); err != nil {
			panic(fmt.Sprintf("adversary: order %d, vector %d: %v", c.Order, i, err))
		}
		all = append(all, values)
	}
	return all
}

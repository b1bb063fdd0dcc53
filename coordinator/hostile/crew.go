package hostile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"fedtab/client"
	"fedtab/coordinator/swarm"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// Crew are the honest participants of a world. Each has an address of its own.
type Crew struct {
	world *World
	pace  time.Duration
	ctx   context.Context
	stop  context.CancelFunc
	wait  sync.WaitGroup

	mu       sync.Mutex
	joined   int           // participants that have been started
	changed  chan struct{} // closed and replaced when a version is seen or the run ends
	version  uint64        // newest seen
	finished bool
	closed   int // sockets that the coordinator closed
	refused  int // contributions refused for good
	welcome  *protocol.Welcome
	members  []uint32                       // participant numbers
	cohorts  map[uint64]map[uint64][]uint32 // members that were ordered, by round and order
}

func newCrew(ctx context.Context, w *World, pace time.Duration) *Crew {
	c := &Crew{world: w, pace: pace, changed: make(chan struct{}), cohorts: map[uint64]map[uint64][]uint32{}}
	c.ctx, c.stop = context.WithCancel(ctx)
	return c
}

// Add has n more participants take part until the crew ends.
func (c *Crew) Add(n int) {
	for range n {
		c.add(&swarm.Participant{})
	}
}

// AddLiar has n more participants take part, and with them a dishonest one, whose fate
// does not count.
func (c *Crew) AddLiar(n int, l *liar) {
	if l.kind.Kind == "" {
		c.Add(n)
		c.join(&swarm.Participant{OnMessage: l.saw, Edit: l.edit}, func() {})
		return
	}
	cfg := l.kind
	cfg.Fraction = 1 / float64(n+1)
	group := adversary.NewGroup(cfg, n+1, 1)
	for i := range n + 1 { // the honest are known to it
		p := &swarm.Participant{Member: group.Member(i)}
		if p.Member.Lies() {
			c.join(p, func() {})
		} else {
			c.add(p)
		}
	}
}

// add has an honest participant take part.
func (c *Crew) add(p *swarm.Participant) {
	var number uint32
	p.OnMessage = func(m protocol.Message, sent bool) {
		if w, ok := m.(*protocol.Welcome); ok {
			number = w.Participant
		}
		c.saw(number, m)
		if _, ok := m.(*protocol.Order); ok {
			pause(c.ctx, c.pace)
		}
	}
	c.join(p, c.wasClosed)
}

// join has a participant take part from an address of its own.
func (c *Crew) join(p *swarm.Participant, closed func()) {
	p.URL, p.Task, p.Local = c.world.URL, c.world.Task, c.world.Address()
	c.mu.Lock()
	n := c.joined
	c.joined++
	c.mu.Unlock()
	c.wait.Go(func() { c.follow(p, n, closed) })
}

// Stop ends the crew.
func (c *Crew) Stop() {
	c.stop()
	c.wait.Wait()
}

// follow runs participant n until the end of the run. closed is called each time that
// it loses its socket.
func (c *Crew) follow(p *swarm.Participant, n int, closed func()) {
	secure := swarm.Secure()
	if p.Member != nil && p.Member.Lies() {
		secure.Masks = p.Member.Masks
	}
	p.Client = client.New(client.Config{Name: "fedtab-hostile", Task: p.Task, Invite: c.world.code, Secure: secure})
	if s := c.world.schema; s != nil {
		if err := p.Client.SetOwn(brought(s, n)); err != nil {
			panic(err) // it is made for the schema
		}
	}
	for {
		err := p.Run(c.ctx)
		var ce *protocol.CloseError
		switch {
		case c.ctx.Err() != nil:
			return
		case errors.As(err, &ce) && ce.Code == protocol.CloseFinished:
			c.end()
			return
		}
		closed()
		if errors.As(err, &ce) && !ce.Code.Reconnect() {
			p.Client.Forget() // a person opens the page anew
		}
		pause(c.ctx, protocol.ReconnectMin)
	}
}

func (c *Crew) wasClosed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
}

// saw notes a message from or to a member.
func (c *Crew) saw(number uint32, m protocol.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.(type) {
	case *protocol.Welcome:
		c.welcome = m
		c.members = append(c.members, number)
	case *protocol.Order:
		if c.cohorts[m.Round] == nil {
			c.cohorts[m.Round] = map[uint64][]uint32{}
		}
		c.cohorts[m.Round][m.Order] = append(c.cohorts[m.Round][m.Order], number)
	case *protocol.Status:
		if m.Version > c.version {
			c.version = m.Version
			c.wake()
		}
	case *protocol.Ack:
		switch m.Reason {
		case protocol.ReasonAccepted, protocol.ReasonLate, protocol.ReasonAbandoned, protocol.ReasonBusy, protocol.ReasonDuplicate:
		default:
			c.refused++
		}
	}
}

// wake tells those that wait. The lock is held.
func (c *Crew) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished {
		c.finished = true
		c.wake()
	}
}

// Version returns the newest version that a member has heard of.
func (c *Crew) Version() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// Harm returns how many sockets of the crew were closed and how many of its
// contributions refused.
func (c *Crew) Harm() (closed, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed, c.refused
}

// Members returns the newest welcome of a member, and the numbers of all, ascending.
func (c *Crew) Members() (*protocol.Welcome, []uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcome, slices.Sorted(slices.Values(c.members))
}

// Cohort returns the members that were chosen for a round, ascending; of several
// attempts at it the first.
func (c *Crew) Cohort(round uint64) []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	orders := slices.Sorted(maps.Keys(c.cohorts[round]))
	if len(orders) == 0 {
		return nil
	}
	return slices.Sorted(slices.Values(c.cohorts[round][orders[0]]))
}

// Await waits until a version has been committed, the run is over, or ctx or the crew
// ends.
func (c *Crew) Await(ctx context.Context, version uint64) {
	for {
		c.mu.Lock()
		done, changed := c.version >= version || c.finished, c.changed
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// Rate counts for a time and returns the rounds per minute.
func (c *Crew) Rate(over time.Duration) float64 {
	began, first := time.Now(), c.Version()
	pause(c.ctx, over)
	return float64(c.Version()-first) / time.Since(began).Minutes()
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

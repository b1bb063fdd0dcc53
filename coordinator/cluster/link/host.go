package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"
)

// Host is the owner's side of a link: the seats at one edge are peers of its run.
type Host struct {
	live    *live.Live
	run     *run.Run
	checker *live.Checker
	pipe    *pipe
	ctx     context.Context // ends with the link

	guests map[uint64]*guest // by seat; of the reading goroutine
	work   sync.WaitGroup    // contributions that are being decoded

	mu      sync.Mutex
	shared  map[*run.Shared]uint64 // messages that the edge has
	order   []*run.Shared          // from the oldest
	numbers uint64
	sums    map[uint64]func([][]byte) // questions that are open, by attempt
	fetches map[uint64]chan *record   // likewise, by handle
}

// maxShared bounds the messages for many participants that an edge keeps: versions in a few codecs,
// differences from earlier ones, and statuses.
const maxShared = 64

// Serve serves an edge's seats in the run that l owns, over a stream, until the stream or ctx ends,
// and returns why. checker decodes whole contributions. begun is called at once, with the
// Host. lost is called, by the owner, if the run needs what the edge has: it must be begun anew.
func Serve(ctx context.Context, stream io.ReadWriteCloser, l *live.Live, checker *live.Checker, begun func(*Host), lost func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &Host{
		live: l, run: l.Run, checker: checker, pipe: newPipe(stream), ctx: ctx, guests: map[uint64]*guest{},
		shared: map[*run.Shared]uint64{}, sums: map[uint64]func([][]byte){}, fetches: map[uint64]chan *record{},
	}
	stop := context.AfterFunc(ctx, func() { h.pipe.end(ctx.Err()) })
	defer stop()
	begun(h)
	err := h.pipe.read(h.take)
	cancel()
	h.work.Wait()
	h.mu.Lock()
	for _, answer := range h.fetches {
		close(answer)
	}
	h.fetches = nil
	h.mu.Unlock()
	l.Do(func() {
		for _, seat := range slices.Sorted(maps.Keys(h.guests)) {
			if g := h.guests[seat]; g.participant != 0 {
				h.run.Leave(g.participant, g, run.Lost)
			}
		}
		if h.run.Owed(h) {
			lost()
		}
	})
	return err
}

// Publish tells the edge of a change of the run.
func (h *Host) Publish(u run.Update) { h.pipe.send(&record{Kind: kindUpdate, Update: &u}) }

// guest is a seat at the edge: a peer of the run.
type guest struct {
	host    *Host
	seat    uint64
	address string

	participant uint32 // of the run's owner; 0: it was refused, or has not joined

	mu      sync.Mutex
	pending []func() // what follows a contribution that is being decoded; nil: none is
	busy    bool
}

// then has f called after the contributions before it are decoded.
func (g *guest) then(f func()) {
	g.mu.Lock()
	if g.busy {
		g.pending = append(g.pending, f)
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	f()
}

// aside has f called on another goroutine, after those before it, and before what follows.
func (g *guest) aside(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(g.pending, f)
	if g.busy {
		return
	}
	g.busy = true
	g.host.work.Go(func() {
		for {
			g.mu.Lock()
			if len(g.pending) == 0 {
				g.busy = false
				g.mu.Unlock()
				return
			}
			next := g.pending[0]
			g.pending = g.pending[1:]
			g.mu.Unlock()
			next()
		}
	})
}

// do has f called by the run's owner, unless another Run has taken the place of the host's.
func (g *guest) do(f func(r *run.Run)) bool {
	h := g.host
	return h.live.Do(func() {
		if h.run == h.live.Run {
			f(h.run)
		}
	})
}

// take takes a record of the edge.
func (h *Host) take(r *record) error {
	switch r.Kind {
	case kindJoin:
		return h.join(r)
	case kindSums:
		h.mu.Lock()
		then := h.sums[r.Attempt]
		delete(h.sums, r.Attempt)
		h.mu.Unlock()
		if then != nil {
			h.live.Do(func() { then(r.Frames) })
		}
		return nil
	case kindFetched:
		h.mu.Lock()
		if answer := h.fetches[r.ID]; answer != nil {
			answer <- r
			delete(h.fetches, r.ID)
		}
		h.mu.Unlock()
		return nil
	case kindInquire:
		h.live.Do(func() {
			s := h.run.State()
			h.pipe.send(&record{Kind: kindStands, ID: r.ID, State: &s, Present: h.run.Present()})
		})
		return nil
	}
	g := h.guests[r.Seat]
	if g == nil {
		return fmt.Errorf("link: record %d of seat %d, which has not joined", r.Kind, r.Seat)
	}
	switch r.Kind {
	case kindMessage:
		m, err := message(r.Frames)
		if err != nil {
			return err
		}
		g.then(func() {
			g.do(func(run *run.Run) {
				g.enter(run, r.Entries)
				if err := run.Receive(g.participant, g, m); err != nil {
					g.breach(err)
				}
			})
		})
	case kindBook:
		g.then(func() { g.do(func(run *run.Run) { g.enter(run, r.Entries) }) })
	case kindAsk:
		g.then(func() {
			if !g.do(func(run *run.Run) {
				wanted := run.Announce(g.participant, g, r.Contribution)
				h.pipe.send(&record{Kind: kindWanted, Seat: g.seat, OK: wanted})
			}) {
				h.pipe.send(&record{Kind: kindWanted, Seat: g.seat})
			}
		})
	case kindOffer:
		p := &place{host: h, handle: r.ID}
		g.then(func() { g.offer(r.Offer.Offer(p, r.OK)) })
	case kindWhole:
		g.aside(func() { g.whole(r.Contribution) })
	case kindLeave:
		delete(h.guests, g.seat)
		g.then(func() { g.do(func(r2 *run.Run) { r2.Leave(g.participant, g, run.Parting(r.ID)) }) })
	case kindRevoke:
		delete(h.guests, g.seat)
		g.then(func() {
			g.do(func(r *run.Run) {
				r.Revoke(g.participant, g, func() { h.pipe.send(&record{Kind: kindRevoked, Seat: g.seat}) })
			})
		})
	default:
		return fmt.Errorf("link: record of kind %d from an edge", r.Kind)
	}
	return nil
}

// join lets a seat's participant join the run.
func (h *Host) join(r *record) error {
	m, err := message(r.Frames)
	if err != nil {
		return err
	}
	hello, ok := m.(*protocol.Hello)
	if !ok || h.guests[r.Seat] != nil {
		return fmt.Errorf("link: seat %d joins with %T, or again", r.Seat, m)
	}
	g := &guest{host: h, seat: r.Seat, address: r.Text}
	h.guests[r.Seat] = g
	g.do(func(run *run.Run) {
		join := func() {
			g.participant, _ = run.JoinAs(r.Person, hello, uint32(r.ID), g)
			g.enter(run, r.Entries)
			h.pipe.send(&record{Kind: kindJoined, Seat: g.seat, ID: uint64(g.participant)})
		}
		if r.ID == 0 {
			run.Admit(join)
		} else {
			join()
		}
	})
	return nil
}

// enter books entries. It is called by the owner of the run.
func (g *guest) enter(r *run.Run, entries []run.Entry) {
	if g.participant == 0 {
		return
	}
	for _, e := range entries {
		r.Book(g.participant, e)
	}
}

// breach closes a peer that breaks the protocol.
func (g *guest) breach(err error) {
	var ce *protocol.CloseError
	if errors.As(err, &ce) {
		g.Close(ce.Code, ce.Detail)
	}
}

// offer passes a contribution to the run.
func (g *guest) offer(o *run.Offer) {
	if !g.host.live.Do(func() {
		if g.host.run != g.host.live.Run {
			o.Release()
			return
		}
		g.host.run.Offer(g.participant, g, o)
	}) {
		o.Release()
	}
}

// whole decodes and checks a contribution that came with its blocks.
func (g *guest) whole(c *protocol.Contribution) {
	h := g.host
	body, err := h.checker.Borrow(h.ctx, "", header(c))
	if err != nil {
		return // the link has ended
	}
	var number uint32
	h.live.Call(func() { number = g.participant })
	g.offer(h.checker.Check(number, c, body))
}

// Send implements run.Peer.
func (g *guest) Send(m protocol.Message) {
	g.host.pipe.send(&record{Kind: kindSend, Seat: g.seat, Frames: protocol.AppendFrames(nil, m)})
}

// SendShared implements run.Peer: the edge gets the message once.
func (g *guest) SendShared(s *run.Shared) {
	h := g.host
	h.mu.Lock()
	defer h.mu.Unlock()
	id, ok := h.shared[s]
	if !ok {
		h.numbers++
		id = h.numbers
		h.shared[s], h.order = id, append(h.order, s)
		h.pipe.send(&record{Kind: kindDefine, ID: id, Frames: protocol.AppendFrames(nil, s.Message)})
		if len(h.order) > maxShared {
			oldest := h.order[0]
			h.order = h.order[1:]
			h.pipe.send(&record{Kind: kindUndefine, ID: h.shared[oldest]})
			delete(h.shared, oldest)
		}
	}
	h.pipe.send(&record{Kind: kindShared, ID: id, Seats: []uint64{g.seat}})
}

// Close implements run.Peer.
func (g *guest) Close(code protocol.CloseCode, detail string) {
	g.host.pipe.send(&record{Kind: kindClose, Seat: g.seat, Reason: uint32(code), Text: detail})
}

// Fault implements run.Peer.
func (g *guest) Fault() { g.host.pipe.send(&record{Kind: kindFault, Seat: g.seat}) }

// Address implements run.Peer.
func (g *guest) Address() string { return g.address }

// Gather implements run.Edge.
func (h *Host) Gather(attempt uint64, then func(sums [][]byte)) {
	h.mu.Lock()
	h.sums[attempt] = then
	h.mu.Unlock()
	h.pipe.send(&record{Kind: kindGather, Attempt: attempt})
}

// Forget implements run.Edge.
func (h *Host) Forget(attempt uint64) {
	h.mu.Lock()
	delete(h.sums, attempt)
	h.mu.Unlock()
	h.pipe.send(&record{Kind: kindForget, Attempt: attempt})
}

// place is where the vectors of a contribution are: a run.Elsewhere, and a run.Packed if the edge
// keeps it as it came.
type place struct {
	host   *Host
	handle uint64
}

func (p *place) Edge() run.Edge { return p.host }

func (p *place) Add(attempt uint64, bound, scale, weight float64) {
	p.host.pipe.send(&record{Kind: kindAdd, ID: p.handle, Attempt: attempt, Bound: bound, Scale: scale, Weight: weight})
}

func (p *place) Drop() { p.host.pipe.send(&record{Kind: kindDrop, ID: p.handle}) }

// Unpack asks the edge, and waits for its answer.
func (p *place) Unpack() (vectors [][]float32, release func(), err error) {
	answer := make(chan *record, 1)
	h := p.host
	h.mu.Lock()
	if h.fetches == nil {
		h.mu.Unlock()
		return nil, nil, errEnded
	}
	h.fetches[p.handle] = answer
	h.mu.Unlock()
	h.pipe.send(&record{Kind: kindFetch, ID: p.handle})
	r, ok := <-answer
	switch {
	case !ok:
		return nil, nil, errEnded
	case r.Text != "":
		return nil, nil, errors.New(r.Text)
	}
	return r.Values, func() {}, nil
}

package link

import (
	"context"
	"fmt"
	"io"
	"sync"

	"fedtab/combine"
	"fedtab/coordinator/hub"
	"fedtab/protocol"
	"fedtab/run"
)

// Terms is what an edge must know of the run that it serves.
type Terms struct {
	Parameters int
	Sums       int  // that contributions go into
	Keeps      bool // the scheme needs contributions one by one: they go to the owner whole
}

// Edge is the edge's side of a link. It is a hub.Owner.
type Edge struct {
	terms   Terms
	pipe    *pipe
	update  func(run.Update)
	stopped chan struct{} // closed once the seats are closed

	mu      sync.Mutex
	ended   bool
	seats   map[uint64]*seat
	members map[uint32]*seat // by participant: the newest of this edge
	held    map[uint64]*run.Offer
	packed  map[uint64]run.Packed // of contributions that have been added
	numbers uint64                // of seats, handles and questions
	asked   map[uint64]chan *record

	shared map[uint64]*run.Shared // of the reading goroutine
	adder  adder
}

// Connect returns the edge of a run over a stream, and serves it until the stream or ctx ends:
// then all its seats close with shutdown, which says reconnect, and Done is closed. update gets
// the changes of the run.
func Connect(ctx context.Context, stream io.ReadWriteCloser, t Terms, update func(run.Update)) *Edge {
	e := &Edge{
		terms: t, pipe: newPipe(stream), update: update, stopped: make(chan struct{}), seats: map[uint64]*seat{}, members: map[uint32]*seat{},
		held: map[uint64]*run.Offer{}, packed: map[uint64]run.Packed{}, asked: map[uint64]chan *record{}, shared: map[uint64]*run.Shared{},
	}
	e.adder = adder{edge: e, wake: make(chan struct{}, 1), sums: map[uint64][]*combine.Sum{}}
	added := make(chan struct{})
	go func() { defer close(added); e.adder.serve(e.pipe.done) }()
	go func() {
		stop := context.AfterFunc(ctx, func() { e.pipe.end(ctx.Err()) })
		defer stop()
		e.pipe.read(e.take)
		<-added
		e.close()
	}()
	return e
}

// Done is closed when the link has ended and its seats are closed.
func (e *Edge) Done() <-chan struct{} { return e.stopped }

// Err is why the link has ended.
func (e *Edge) Err() error { return e.pipe.reason() }

// HandedOver is what participants are told when a run is driven elsewhere from now on.
const HandedOver = "this run is handed over to another process of the coordinator: reconnect"

func (e *Edge) close() {
	e.mu.Lock()
	e.ended = true
	seats, held, packed, asked := e.seats, e.held, e.packed, e.asked
	e.seats, e.held, e.packed, e.asked = nil, nil, nil, nil
	e.mu.Unlock()
	for _, answer := range asked {
		close(answer)
	}
	for _, s := range seats {
		s.peer.Close(protocol.CloseShutdown, HandedOver)
		close(s.gone)
	}
	for _, o := range held {
		o.Release()
	}
	for _, p := range packed {
		p.Drop()
	}
	close(e.stopped)
}

// Stands asks the owner how the run stands, and who is present.
func (e *Edge) Stands(ctx context.Context) (s run.State, all []run.Present, err error) {
	answer := make(chan *record, 1)
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return s, nil, errEnded
	}
	e.numbers++
	id := e.numbers
	e.asked[id] = answer
	e.mu.Unlock()
	e.pipe.send(&record{Kind: kindInquire, ID: id})
	select {
	case r, ok := <-answer:
		if !ok {
			return s, nil, errEnded
		}
		return *r.State, r.Present, nil
	case <-ctx.Done():
		e.mu.Lock()
		delete(e.asked, id)
		e.mu.Unlock()
		return s, nil, fmt.Errorf("link: its owner does not answer: %w", ctx.Err())
	}
}

// seat is a hub.Seat at an edge.
type seat struct {
	edge   *Edge
	id     uint64
	peer   run.Peer
	gone   chan struct{} // closed when the link has ended
	joined chan uint32
	wanted chan bool

	participant uint32 // guarded by Edge.mu
	revoked     func()
}

// Seat implements hub.Owner.
func (e *Edge) Seat(p run.Peer) hub.Seat {
	s := &seat{edge: e, peer: p, gone: make(chan struct{}), joined: make(chan uint32, 1), wanted: make(chan bool, 1)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		close(s.gone)
		return s
	}
	e.numbers++
	s.id = e.numbers
	e.seats[s.id] = s
	return s
}

// Join implements hub.Seat.
func (s *seat) Join(j hub.Joining) (uint32, error) {
	e := s.edge
	settle := func(bool) {}
	if j.Resumed != 0 {
		var older run.Peer
		e.mu.Lock()
		if o := e.members[j.Resumed]; o != nil {
			older = o.peer
		}
		e.mu.Unlock()
		var err error
		if settle, err = j.Inherit(older); err != nil {
			s.forget()
			return 0, err
		}
	}
	e.pipe.send(&record{Kind: kindJoin, Seat: s.id, ID: uint64(j.Resumed), Person: j.Person, Text: s.peer.Address(), Frames: protocol.AppendFrames(nil, j.Hello), Entries: []run.Entry{j.Entry}})
	select {
	case number := <-s.joined:
		settle(number != 0)
		return number, nil
	case <-s.gone:
		settle(false)
		return 0, &protocol.CloseError{Code: protocol.CloseShutdown, Detail: HandedOver}
	}
}

// forget takes the seat away.
func (s *seat) forget() {
	e := s.edge
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.seats, s.id)
	if e.members[s.participant] == s {
		delete(e.members, s.participant)
	}
}

// Receive implements hub.Seat.
func (s *seat) Receive(m protocol.Message, entry run.Entry) {
	s.edge.pipe.send(&record{Kind: kindMessage, Seat: s.id, Frames: protocol.AppendFrames(nil, m), Entries: []run.Entry{entry}})
}

// Wanted implements hub.Seat.
func (s *seat) Wanted(c *protocol.Contribution) bool {
	s.edge.pipe.send(&record{Kind: kindAsk, Seat: s.id, Contribution: header(c)})
	select {
	case wanted := <-s.wanted:
		return wanted
	case <-s.gone:
		return false
	}
}

// blocks is a run.Packed that gives its blocks as they came.
type blocks interface {
	Blocks() ([][]byte, error)
}

// Offer implements hub.Seat.
func (s *seat) Offer(o *run.Offer) {
	e := s.edge
	d := o.Describe()
	switch {
	case d.Reason != protocol.ReasonAccepted:
		o.Release()
		e.pipe.send(&record{Kind: kindOffer, Seat: s.id, Offer: &d})
		return
	case e.terms.Keeps || len(o.Vectors) == 0:
		s.whole(o)
		return
	}
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		o.Release()
		return
	}
	e.numbers++
	id := e.numbers
	e.held[id] = o
	e.mu.Unlock()
	e.pipe.send(&record{Kind: kindOffer, Seat: s.id, ID: id, Offer: &d, OK: o.Packed != nil})
}

// whole sends a contribution with its blocks.
func (s *seat) whole(o *run.Offer) {
	defer o.Release()
	c := *o.Contribution
	if len(o.Vectors) > 0 {
		p, ok := o.Packed.(blocks)
		if !ok {
			s.refuse(o, "this coordinator has no room to pass it on")
			return
		}
		all, err := p.Blocks()
		if err != nil {
			s.refuse(o, err.Error())
			return
		}
		c.Vectors = append([]protocol.Vector(nil), c.Vectors...)
		for i, b := range all {
			c.Vectors[i].Block = b
		}
	}
	s.edge.pipe.send(&record{Kind: kindWhole, Seat: s.id, Contribution: &c})
}

// refuse tells the owner of a contribution that cannot be passed on: its order has no answer.
func (s *seat) refuse(o *run.Offer, why string) {
	d := o.Describe()
	d.Reason, d.Detail = protocol.ReasonAbandoned, why
	s.edge.pipe.send(&record{Kind: kindOffer, Seat: s.id, Offer: &d})
}

// Book implements hub.Seat.
func (s *seat) Book(entries ...run.Entry) {
	s.edge.pipe.send(&record{Kind: kindBook, Seat: s.id, Entries: entries})
}

// Leave implements hub.Seat.
func (s *seat) Leave(how run.Parting) {
	s.edge.pipe.send(&record{Kind: kindLeave, Seat: s.id, ID: uint64(how)})
	s.forget()
}

// Revoke implements hub.Seat.
func (s *seat) Revoke(then func()) {
	s.edge.mu.Lock()
	s.revoked = then
	s.edge.mu.Unlock()
	s.edge.pipe.send(&record{Kind: kindRevoke, Seat: s.id})
}

// take takes a record of the owner.
func (e *Edge) take(r *record) error {
	switch r.Kind {
	case kindDefine:
		m, err := message(r.Frames)
		if err != nil {
			return err
		}
		e.shared[r.ID] = &run.Shared{Message: m}
		return nil
	case kindUndefine:
		delete(e.shared, r.ID)
		return nil
	case kindShared:
		m := e.shared[r.ID]
		if m == nil {
			return fmt.Errorf("link: message %d for many, which is not defined", r.ID)
		}
		for _, id := range r.Seats {
			if s := e.seat(id); s != nil {
				s.peer.SendShared(m)
			}
		}
		return nil
	case kindAdd, kindDrop, kindGather, kindForget, kindFetch:
		e.adder.put(r)
		return nil
	case kindUpdate:
		e.update(*r.Update)
		return nil
	case kindStands:
		e.mu.Lock()
		if answer := e.asked[r.ID]; answer != nil {
			answer <- r
			delete(e.asked, r.ID)
		}
		e.mu.Unlock()
		return nil
	}
	s := e.seat(r.Seat)
	if s == nil {
		return nil // it has left
	}
	switch r.Kind {
	case kindJoined:
		e.mu.Lock()
		if s.participant = uint32(r.ID); s.participant != 0 {
			e.members[s.participant] = s
		}
		e.mu.Unlock()
		if s.participant == 0 {
			s.forget()
		}
		s.joined <- uint32(r.ID)
	case kindSend:
		m, err := message(r.Frames)
		if err != nil {
			return err
		}
		s.peer.Send(m)
	case kindWanted:
		s.wanted <- r.OK
	case kindClose:
		s.peer.Close(protocol.CloseCode(r.Reason), r.Text)
	case kindFault:
		s.peer.Fault()
	case kindRevoked:
		e.mu.Lock()
		then := s.revoked
		e.mu.Unlock()
		s.forget()
		if then != nil {
			then()
		}
	default:
		return fmt.Errorf("link: record of kind %d from an owner", r.Kind)
	}
	return nil
}

// seat returns a seat, nil if it has left.
func (e *Edge) seat(id uint64) *seat {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seats[id]
}

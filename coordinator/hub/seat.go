package hub

import (
	"sync/atomic"

	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// An Owner drives the run of a room: this process (Local), or another node of a cluster.
type Owner interface {
	// Seat returns a seat in the run for a peer, which is to join.
	Seat(p run.Peer) Seat
}

// A Seat is a session's place in a run. Its calls reach the run in their order; those before
// Join, and those after the run has been replaced by another, do nothing.
type Seat interface {
	// Join has a participant join, and returns its number once the run has answered. 0
	// without an error says that the peer was closed, and knows why.
	Join(j Joining) (participant uint32, err error)
	// Receive passes a message on, with what it has cost. The peer is closed if it breaks
	// the protocol.
	Receive(m protocol.Message, e run.Entry)
	// Wanted asks the run whether it has a use for the body that c announces, or for c if it
	// is complete. If not, the run has answered it.
	Wanted(c *protocol.Contribution) bool
	// Offer passes a contribution on, which the run releases.
	Offer(o *run.Offer)
	// Book reports what has travelled, if there is a participant.
	Book(entries ...run.Entry)
	// Leave ends the seat.
	Leave(how run.Parting)
	// Revoke ends the seat and the participant's resume token; see run.Run.Revoke.
	Revoke(then func())
}

// Joining is what a session joins with.
type Joining struct {
	Hello   *protocol.Hello
	Person  strategy.Person // who it is, as far as limits go; 0: not known
	Resumed uint32          // participant of its valid resume token; 0: a new one
	Entry   run.Entry       // of the hello
	// Inherit is called for a resumed participant before it joins, with the connection that
	// it has in this process, nil if none. It returns what is to be told whether it has
	// joined.
	Inherit func(older run.Peer) (settle func(joined bool), err error)
}

// Vacant is the Owner of a run that nobody drives at the moment. Who would join is told so, and
// reconnects.
type Vacant struct{}

const vacantText = "no process of the coordinator drives this run at the moment: reconnect"

// Seat implements Owner.
func (Vacant) Seat(run.Peer) Seat { return vacantSeat{} }

type vacantSeat struct{}

func (vacantSeat) Join(Joining) (uint32, error) {
	return 0, closeError(protocol.CloseShutdown, "%s", vacantText)
}
func (vacantSeat) Receive(protocol.Message, run.Entry) {}
func (vacantSeat) Wanted(*protocol.Contribution) bool  { return false }
func (vacantSeat) Offer(o *run.Offer)                  { o.Release() }
func (vacantSeat) Book(...run.Entry)                   {}
func (vacantSeat) Leave(run.Parting)                   {}
func (vacantSeat) Revoke(func())                       {}

// Switch is an Owner whose place another may take: whoever has a seat already keeps it where it is.
type Switch struct{ now atomic.Pointer[Owner] }

// Set has those who come from now on take seats at o.
func (s *Switch) Set(o Owner) { s.now.Store(&o) }

// Seat implements Owner. Before the first Set the run is vacant.
func (s *Switch) Seat(p run.Peer) Seat {
	if o := s.now.Load(); o != nil {
		return (*o).Seat(p)
	}
	return Vacant{}.Seat(p)
}

// Local is the Owner of a run that this process drives.
type Local struct{ *live.Live }

// Seat implements Owner.
func (l Local) Seat(p run.Peer) Seat { return &localSeat{live: l.Live, peer: p} }

// localSeat calls the run on its owner's goroutine, to which run and participant belong.
type localSeat struct {
	live        *live.Live
	peer        run.Peer
	run         *run.Run // that it has joined; nil before
	participant uint32   // 0: it was refused, or has not joined
}

// do has f called by the owner, unless another Run has taken the place of the seat's: what is
// left of the session is none of its business.
func (s *localSeat) do(f func(r *run.Run)) bool {
	return s.live.Do(func() {
		if s.run != nil && s.run == s.live.Run {
			f(s.run)
		}
	})
}

func (s *localSeat) Join(j Joining) (participant uint32, err error) {
	served := s.live.Await(func(done func()) {
		r := s.live.Run
		s.run = r
		join := func() {
			defer done()
			settle := func(bool) {}
			if j.Resumed != 0 {
				if settle, err = j.Inherit(r.Peer(j.Resumed)); err != nil {
					return
				}
			}
			var joined bool
			s.participant, joined = r.JoinAs(j.Person, j.Hello, j.Resumed, s.peer)
			participant = s.participant
			settle(joined)
			s.enter(r, j.Entry)
		}
		if j.Resumed == 0 {
			r.Admit(join)
		} else {
			join()
		}
	})
	if !served {
		return 0, closeError(protocol.CloseShutdown, "%s", shutdownText)
	}
	return participant, err
}

// enter books entries. It is called by the owner of the run.
func (s *localSeat) enter(r *run.Run, entries ...run.Entry) {
	if s.participant == 0 {
		return // refused: the bytes belong to no participant
	}
	for _, e := range entries {
		r.Book(s.participant, e)
	}
}

func (s *localSeat) Receive(m protocol.Message, e run.Entry) {
	s.do(func(r *run.Run) {
		s.enter(r, e)
		if err := r.Receive(s.participant, s.peer, m); err != nil {
			s.peer.Close(breach(err))
		}
	})
}

func (s *localSeat) Wanted(c *protocol.Contribution) (wanted bool) {
	s.live.Call(func() { wanted = s.run == s.live.Run && s.run.Announce(s.participant, s.peer, c) })
	return wanted
}

func (s *localSeat) Offer(o *run.Offer) {
	if !s.live.Do(func() {
		if s.run != s.live.Run {
			o.Release()
			return
		}
		s.run.Offer(s.participant, s.peer, o)
	}) {
		o.Release()
	}
}

func (s *localSeat) Book(entries ...run.Entry) {
	s.do(func(r *run.Run) { s.enter(r, entries...) })
}

func (s *localSeat) Leave(how run.Parting) {
	s.do(func(r *run.Run) { r.Leave(s.participant, s.peer, how) })
}

func (s *localSeat) Revoke(then func()) {
	s.do(func(r *run.Run) { r.Revoke(s.participant, s.peer, then) })
}

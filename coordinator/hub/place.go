package hub

import (
	"fedtab/protocol"
	"fedtab/run"
)

// An address may have Limits.PerAddress places, one for each session that has joined,
// and as many sockets again. When a router restarts, the participants behind it come
// back before their lost sockets are known to be lost: each takes its own place over.

// takePlace counts a session among those of its address that have joined, until it
// closes. The error is a CloseError, in the words of a refused handshake.
func (s *session) takePlace() error {
	if s.hub.places.Acquire(s.from) == nil {
		s.keepPlace()
		return nil
	}
	s.hub.Refused(s.noPlace.Code)
	s.hub.tell(s.from, s.remote, s.noPlace.Code, "hello refused", "code", s.noPlace.Code, "reason", s.noPlace.Reason())
	return &protocol.CloseError{Code: protocol.CloseOverloaded, Detail: s.noPlace.Text}
}

// inherit takes the place of the session that s resumes, if that has one of the same
// address, and otherwise a place of its own. The caller says in settle whether s has
// joined.
func (s *session) inherit(older run.Peer) (settle func(joined bool), err error) {
	o, ok := older.(*session)
	if !ok || o.from != s.from || !o.cedePlace() {
		return func(bool) {}, s.takePlace()
	}
	return func(joined bool) {
		if joined {
			s.keepPlace()
		} else {
			o.keepPlace()
		}
	}, nil
}

// keepPlace gives a session a place that has been acquired. One that closes releases it.
func (s *session) keepPlace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed = true
	if s.closing {
		s.leavePlace()
	}
}

// cedePlace takes the place of a session away, and reports whether it had one.
func (s *session) cedePlace() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	placed := s.placed
	s.placed = false
	return placed
}

// leavePlace releases the place of a session; s.mu is held.
func (s *session) leavePlace() {
	if s.placed {
		s.placed = false
		s.hub.places.Release(s.from)
	}
}

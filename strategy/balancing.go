package strategy

import (
	"slices"

	"fedtab/combine"
)

// How dynamic averaging resolves violations: the balancing set grows until its mean is
// within the condition, or all are averaged.

// set returns how many clients are in the balancing set, and how many are
// awaited.
func (s *Dynamic) set() (in, awaited int) {
	for _, m := range s.clients {
		if m.handle != 0 {
			in++
		}
		if m.awaited {
			awaited++
		}
	}
	return in, awaited
}

// resolve continues the resolution of violations, unless answers are awaited.
func (s *Dynamic) resolve() {
	if s.phase != dynamicGathering && s.phase != dynamicFetching {
		return
	}
	in, awaited := s.set()
	if awaited > 0 {
		return
	}
	if s.phase == dynamicGathering {
		s.do(StopTimer{timerGather})
	} else {
		s.do(StopTimer{timerFetch})
	}
	m := len(s.clients)
	asked := s.full && s.phase == dynamicFetching // all
	if in > 0 && s.v >= m {
		s.v, s.full = 0, true
	}
	switch {
	case in == 0: // the violators have left
		s.full = false
		s.monitor()
	case in == m || asked:
		s.synchronise()
	case s.full:
		s.fetch(m - in)
	default:
		s.phase, s.changed = dynamicChecking, false
		s.mean++
		c := Mean{Mean: s.mean}
		for _, m := range s.clients {
			if m.handle != 0 {
				c.Handles = append(c.Handles, m.handle)
				c.Weights = append(c.Weights, m.weight)
			}
		}
		s.do(c)
	}
}

// checked ends the balancing, or adds clients to the set.
func (s *Dynamic) checked(norm2 float64) {
	in, _ := s.set()
	if s.changed { // by another violation, or a client that left
		s.do(Forget{s.mean})
		s.phase = dynamicGathering
		s.resolve()
		return
	}
	if norm2 <= s.settings.Delta {
		s.phase = dynamicSettling
		for i := range s.clients {
			if m := &s.clients[i]; m.handle != 0 {
				s.order++
				m.next = s.order
			}
		}
		s.write()
		return
	}
	s.do(Forget{s.mean})
	m := len(s.clients)
	more := int(max(1, s.settings.Augment*float64(in)))
	if float64(in+more) >= s.settings.FullShare*float64(m) {
		s.full = true
		more = m - in
	}
	s.fetch(more)
}

// fetch asks n clients outside of the balancing set, at random, for their models.
func (s *Dynamic) fetch(n int) {
	s.phase = dynamicFetching
	s.drawn++
	stream := s.setup.stream("augment", s.version+1, s.drawn)
	var outside []int
	for i := range s.clients {
		if m := &s.clients[i]; m.handle == 0 && !m.idle && m.order != 0 {
			outside = append(outside, i)
		}
	}
	n = min(n, len(outside))
	if n == 0 {
		s.full = true // no client is left to ask
	}
	for i := range n {
		j := i + int(stream.Uint64N(uint64(len(outside)-i)))
		outside[i], outside[j] = outside[j], outside[i]
	}
	slices.Sort(outside[:n])
	for _, i := range outside[:n] {
		m := &s.clients[i]
		m.awaited = true
		s.do(Fetch{m.client, m.order})
	}
	s.do(SetTimer{timerFetch, s.cfg.Deadline})
	s.resolve() // if no client was asked
}

// settled sends the balanced model to its set.
func (s *Dynamic) settled() {
	s.phase, s.full = dynamicMonitoring, false
	again := false
	for i := range s.clients {
		m := &s.clients[i]
		switch {
		case m.next != 0 && m.handle != 0:
			s.do(Drop{m.handle})
			*m = monitored{client: m.client, order: m.next}
			s.send(m, s.mean)
		case m.handle != 0:
			again = true // has violated meanwhile
		case m.order == 0 && !m.idle:
			s.send(m, 0) // has joined meanwhile
		}
	}
	s.do(Forget{s.mean})
	if again {
		s.phase = dynamicGathering
		s.resolve()
		return
	}
	s.monitor()
}

// synchronise makes the mean of all models the new reference.
func (s *Dynamic) synchronise() {
	s.phase = dynamicCommitting
	in, _ := s.set()
	s.do(Size{in})
	s.sent = s.sent[:0]
	for i := range s.clients {
		if m := &s.clients[i]; m.handle != 0 {
			s.do(Add{Handle: m.handle, Scale: m.weight, Weight: m.weight})
			s.sent = append(s.sent, synchronised{m.client, m.handle})
			m.handle = 0
		}
	}
	s.commit()
}

// commit makes a version of the models that were sent.
func (s *Dynamic) commit() {
	clients := make([]ClientID, len(s.sent))
	for i, m := range s.sent {
		clients[i] = m.client
	}
	s.do(Commit{
		Round: s.version + 1, Base: s.version, Plan: combine.WeightedMean{ServerLR: s.cfg.ServerLR}, Snapshot: s.snapshot(s.version + 1),
		Clients: clients, Rate: s.rate() * s.cfg.ServerLR, Guard: s.cfg.Guard,
	})
}

// blamed takes models out of the version that is being made and commits the others.
// Every client trains on from it, so that none is in quarantine: the next
// synchronisation is judged again.
func (s *Dynamic) blamed(handles []Handle) {
	s.backoff.blamed(len(handles), len(s.sent))
	s.sent = slices.DeleteFunc(s.sent, func(m synchronised) bool { return slices.Contains(handles, m.handle) })
	if len(s.sent) > 0 {
		s.commit()
		return
	}
	s.do(Abandon{Round: s.version + 1, Order: s.order, Reason: "every model made the mean worse"})
	s.again()
}

// again opens the round once more, after a while, from the reference: the clients'
// models led nowhere.
func (s *Dynamic) again() {
	s.phase = dynamicIdle
	s.clip.discard()
	for i := range s.clients {
		s.clients[i].fresh = true
	}
	s.do(SetTimer{timerAgain, retryPause(2)})
}

package hub

import (
	"fmt"
	"time"

	"fedtab/protocol"
	"fedtab/run"

	"github.com/gorilla/websocket"
)

// write is the writing goroutine.
func (s *session) write() {
	defer s.conn.Close()
	defer s.report()
	ping := time.NewTicker(s.hub.limits.Ping)
	defer ping.Stop()
	for {
		i, ok, closing := s.next()
		switch {
		case ok:
			if err := s.writeItem(i); err != nil {
				if timeout(err) {
					// For the count and the log: nothing more can be written.
					s.Close(protocol.CloseSlow, fmt.Sprintf("a frame was not read within %v", s.hub.limits.Write))
				}
				s.hub.log.Debug("cannot write", "session", s.number, "error", err)
				return
			}
			continue
		case closing:
			s.goodbye()
			return
		}
		s.report()
		select {
		case <-s.wake:
		case <-ping.C:
			if err := s.conn.WriteControl(websocket.PingMessage, nil, s.writeDeadline()); err != nil {
				return
			}
		case <-s.readDone:
			if !s.isClosing() {
				return // there is no reason to tell the peer
			}
		}
	}
}

// next takes an item off the queue.
func (s *session) next() (i item, ok, closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil // most sessions have nothing to send most of the time
		return item{}, false, s.closing
	}
	i = s.queue[0]
	s.queue[0] = item{}
	s.queue = s.queue[1:]
	s.queued -= i.bytes
	return i, true, s.closing
}

// writeDeadline bounds a single write: a peer that reads nothing is closed.
func (s *session) writeDeadline() time.Time { return time.Now().Add(s.hub.limits.Write) }

func (s *session) writeItem(i item) error {
	for _, f := range i.frames {
		s.conn.SetWriteDeadline(s.writeDeadline())
		if err := s.conn.WriteMessage(websocket.BinaryMessage, f); err != nil {
			return err
		}
	}
	for _, p := range i.prepared {
		s.conn.SetWriteDeadline(s.writeDeadline())
		if err := s.conn.WritePreparedMessage(p); err != nil {
			return err
		}
	}
	s.written = append(s.written, i.entry)
	s.downBooked += i.entry.Bytes
	return nil
}

// report books what has been written since the last report.
func (s *session) report() {
	s.book(s.written...)
	s.written = nil
}

// goodbye writes the Bye and the close frame, and waits for the peer's answer.
func (s *session) goodbye() {
	deadline := time.Now().Add(s.hub.limits.Close)
	s.conn.SetWriteDeadline(deadline)
	if s.conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, s.bye)) != nil {
		return
	}
	e := run.EntryOf(s.bye, false)
	s.written = append(s.written, e)
	s.downBooked += e.Bytes
	s.report()
	reason := s.bye.Detail
	if len(reason) > 100 { // a close frame holds 123 bytes
		reason = protocol.ClipText(reason[:100])
	}
	if s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(s.bye.Code), reason), deadline) != nil {
		return
	}
	// The reading goroutine ends when the peer answers the close frame. Until
	// then the connection stays open, so that the frame is not lost in a reset;
	// a peer that does not answer is cut off at the deadline.
	s.conn.SetReadDeadline(deadline)
	cut := time.NewTimer(time.Until(deadline))
	defer cut.Stop()
	select {
	case <-s.readDone:
	case <-cut.C:
	}
}

package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"github.com/gorilla/websocket"
)

var (
	// errDone is the end of a session that the participant has left for good.
	errDone = errors.New("hub: the participant left")
	// errGoodbye is the end of a session that the client announced for another reason.
	errGoodbye = errors.New("hub: the client closes")
	// errClosing is the end of a session that has been closed from this side.
	errClosing = errors.New("hub: closed")
)

func closeError(code protocol.CloseCode, format string, args ...any) error {
	return &protocol.CloseError{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// serve is the reading goroutine, from hello to the end.
func (s *session) serve() {
	defer close(s.readDone)
	s.conn.SetReadDeadline(time.Now().Add(s.hub.limits.Hello))
	s.conn.SetPongHandler(func(string) error { return s.control() })
	answer := s.conn.PingHandler()
	s.conn.SetPingHandler(func(text string) error {
		if err := s.control(); err != nil {
			return err
		}
		return answer(text)
	})
	err := s.hello()
	if err == nil {
		s.extend()
		err = s.read()
		if giveBack := s.giveBack; giveBack != nil && !errors.Is(err, errClosing) {
			// It may come back without the token, which is in the welcome.
			s.seat.Revoke(func() { go giveBack() })
		}
		how := run.Lost
		switch {
		case errors.Is(err, errDone):
			how = run.Done
		case errors.Is(err, errGoodbye):
			how = run.Left
		}
		s.seat.Leave(how)
	}
	s.forget()
	code, detail := s.verdict(err)
	s.Close(code, detail)
	s.drain()
	s.hub.log.Debug("session ended", "session", s.number, "participant", s.participant, "remote", s.remote, "code", uint16(code), "reason", err)
}

// drain reads on, and drops what it reads, until the peer's close frame, the
// deadline, or Limits.Drain bytes: a socket that is closed with bytes unread is
// reset, and the close frame may be lost with it.
func (s *session) drain() {
	end := time.Now().Add(s.hub.limits.Close)
	s.wire.SetReadDeadline(end)
	s.wire.draining = true
	buf := make([]byte, 2<<10) // small: it is held for as long as the peer does not answer
	for left := s.hub.limits.Drain; !s.wire.in.closing; {
		n, err := s.wire.Read(buf)
		if err != nil {
			return
		}
		if left -= int64(n); left <= 0 {
			time.Sleep(time.Until(end)) // without reading; the peer is held up by TCP
			return
		}
	}
}

// control is called for every ping and pong of the peer.
func (s *session) control() error {
	if !s.allow() {
		return s.tooMany()
	}
	if s.joined && !s.inFrame {
		s.extend()
	}
	s.giveBack = nil
	return nil
}

func (s *session) tooMany() error {
	return closeError(protocol.CloseAbuse, "messages: more than %v a second, beside answers", s.hub.limits.Messages)
}

// extend gives the peer time for its next frame.
func (s *session) extend() {
	until := time.Now().Add(s.hub.limits.Pong)
	if s.body.Open() && s.bodyUntil.Before(until) {
		until = s.bodyUntil
	}
	s.conn.SetReadDeadline(until)
}

// verdict turns the error that ended the reading into a close code.
func (s *session) verdict(err error) (protocol.CloseCode, string) {
	if code, detail := breach(err); code != 0 {
		return code, detail
	}
	if !timeout(err) {
		return protocol.CloseNormal, "" // the peer has left or closed, or the socket is lost
	}
	limits := &s.hub.limits
	switch {
	case !s.joined:
		return protocol.CloseNoHello, fmt.Sprintf("no hello within %v", limits.Hello)
	case s.inFrame:
		return protocol.CloseSlow, fmt.Sprintf("a frame took longer than %v", limits.Frame)
	case s.body.Open() && !time.Now().Before(s.bodyUntil):
		n, total := s.body.Received()
		return protocol.CloseSlow, fmt.Sprintf("contribution: %d of %d bytes have come, want at least %d bytes a second", n, total, limits.BodyRate)
	}
	return protocol.CloseNoPong, fmt.Sprintf("nothing received for %v", limits.Pong)
}

// breach returns the close code and the text for a breach of the protocol, and
// code 0 for any other error.
func breach(err error) (protocol.CloseCode, string) {
	var ce *protocol.CloseError
	if errors.As(err, &ce) {
		return ce.Code, ce.Detail
	}
	if code := protocol.CloseFor(err); code != 0 {
		return code, err.Error()
	}
	return 0, ""
}

func timeout(err error) bool {
	var ne interface{ Timeout() bool }
	return errors.As(err, &ne) && ne.Timeout()
}

// frameBuffers hold a frame while it is read and decoded. An idle session has
// none.
var frameBuffers = sync.Pool{New: func() any { b := make([]byte, protocol.MaxFrame+1); return &b }}

// chunkTag begins the canonical frame of a Chunk: its field number and wire type.
const chunkTag = byte(protocol.KindChunk)<<3 | 2

// receive reads one frame. It returns its message and how long the frame was; a
// chunk it has taken in itself, and the message is nil.
func (s *session) receive() (m protocol.Message, size int, err error) {
	kind, r, err := s.conn.NextReader()
	if err != nil {
		return nil, 0, err
	}
	if kind != websocket.BinaryMessage {
		return nil, 0, closeError(protocol.CloseMalformed, "got a text message, want binary messages")
	}
	if s.awaited != nil && s.memory == nil {
		if err := s.begin(); err != nil {
			return nil, 0, err
		}
	}
	s.inFrame = true
	if s.joined {
		s.conn.SetReadDeadline(time.Now().Add(s.hub.limits.Frame))
	}
	lent := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(lent)
	frame, chunk, err := s.frame(r, *lent)
	if err != nil {
		return nil, 0, err
	}
	s.inFrame = false
	n := len(frame)
	if chunk != nil {
		n += len(chunk.Data)
		return nil, n, s.chunk(chunk, n)
	}
	if n == 0 || frame[0] != chunkTag {
		frame = bytes.Clone(frame) // the message lies in it, and the buffer goes back
	}
	m, err = protocol.Decode(frame)
	if c, ok := m.(*protocol.Chunk); ok && err == nil {
		return nil, n, s.chunk(c, n)
	}
	return m, n, err
}

// frame reads a frame into buf. Of the chunk that is expected next it reads the data to
// where it belongs in the body, and only what lies before it into buf.
func (s *session) frame(r io.Reader, buf []byte) (frame []byte, expected *protocol.Chunk, err error) {
	head, chunk := s.body.Next(s.head[:0])
	n, err := io.ReadFull(r, buf[:len(head)])
	if err == nil && chunk != nil && bytes.Equal(buf[:n], head) {
		var in, past int
		if in, err = io.ReadFull(r, chunk.Data); err == nil {
			if past, err = io.ReadFull(r, buf[n+in:][:1]); err == io.EOF {
				return buf[:n], chunk, nil
			}
		}
		copy(buf[n:], chunk.Data[:in]) // it is shorter or longer: Decode says what it is
		n += in + past
	}
	if err == nil {
		var rest int
		rest, err = io.ReadFull(r, buf[n:])
		n += rest
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		// A whole buffer is a frame beyond MaxFrame, which wire has refused.
		return nil, nil, err
	}
	return buf[:n], nil, nil
}

// hello takes the first message and joins the run of its task.
func (s *session) hello() error {
	m, size, err := s.receive()
	if err != nil {
		return err
	}
	h, ok := m.(*protocol.Hello)
	if !ok {
		return closeError(protocol.CloseUnexpected, "the first message is %T, want a hello", m)
	}
	if h.Protocol != protocol.Version {
		return closeError(protocol.CloseProtocolVersion, "protocol: %q, want %q: reload the page or update the client", h.Protocol, protocol.Version)
	}
	room, tasks := s.hub.room(h.Task)
	if room == nil {
		return closeError(protocol.CloseUnknownTask, "task: %q, want one of %s", h.Task, strings.Join(tasks, ", "))
	}
	var resumed uint32
	var person strategy.Person
	tokens := room.Tokens()
	if len(h.ResumeToken) > 0 {
		if resumed, person, err = tokens.Check(h.ResumeToken, time.Now()); err != nil {
			return closeError(protocol.CloseBadToken, "%v", err)
		}
		if person == 0 && room.persons() {
			return closeError(protocol.CloseBadToken, "the resume token names no person, and this task limits what each person takes part in: join anew")
		}
	}
	if resumed == 0 {
		if err = s.takePlace(); err != nil {
			return err
		}
	}
	giveBack := func() {}
	if resumed == 0 && room.Invites != nil {
		if person, s.giveBack, err = s.admit(room, h.Invite); err != nil {
			return err
		}
		if s.giveBack != nil {
			giveBack = s.giveBack
		}
	}
	if resumed == 0 && room.Invites == nil && room.Member != nil {
		if person, err = room.Member(h.Invite); err != nil {
			return closeError(protocol.CloseCapability, "%v", err)
		}
	}
	seat := room.Owner.Seat(s)
	s.mu.Lock()
	s.room, s.seat = room, seat
	s.mu.Unlock()
	participant, err := seat.Join(Joining{
		Hello: h, Person: person, Resumed: resumed, Entry: s.received(h, onWire(size)),
		Inherit: func(older run.Peer) (func(bool), error) {
			if room.Tokens() != tokens {
				return nil, closeError(protocol.CloseBadToken, "run %s is over, and another one has begun: join again", tokens.Run)
			}
			return s.inherit(older)
		},
	})
	if err != nil || participant == 0 {
		giveBack()
		if err == nil {
			err = errClosing // the run has closed the session and said why
		}
		return err
	}
	s.mu.Lock()
	s.participant = participant
	s.mu.Unlock()
	s.joined = true
	s.hub.log.Debug("joined", "session", s.number, "run", tokens.Run, "participant", s.participant, "resumed", resumed != 0, "remote", s.remote, "client", h.Client)
	return nil
}

// read handles everything after the hello.
func (s *session) read() error {
	for {
		m, size, err := s.receive()
		if err == nil {
			s.giveBack = nil
		}
		switch {
		case s.isClosing():
			return errClosing
		case errors.Is(err, protocol.ErrUnknownKind):
			err = s.unknown(err, size)
		case err == nil && m != nil:
			err = s.message(m, size)
		}
		if err != nil {
			return err
		}
		s.extend()
	}
}

// onWire is what a frame of a client costs.
func onWire(frame int) int64 { return int64(frame + protocol.FrameOverhead(frame, true)) }

// received returns the entry of a message, or of bytes that became none (nil),
// whose frames took the given number of bytes.
func (s *session) received(m protocol.Message, bytes int64) run.Entry {
	s.upBooked += bytes
	e := run.Entry{Messages: 1, Up: true}
	if m != nil {
		e = run.EntryOf(m, true)
	}
	e.Bytes = bytes
	return e
}

// unknown answers a message of a later protocol; the session goes on.
func (s *session) unknown(err error, frame int) error {
	if !s.allow() {
		return s.tooMany()
	}
	s.hub.counts.add(func(c *counts) { c.ignored++ })
	s.book(s.received(nil, onWire(frame)))
	s.Send(&protocol.Ack{Reason: protocol.ReasonUnsupported, Detail: err.Error()})
	s.Fault()
	return nil
}

// message handles a message that came in one frame of the given size.
func (s *session) message(m protocol.Message, frame int) error {
	if !s.allow() {
		return s.tooMany()
	}
	switch m := m.(type) {
	case *protocol.Contribution:
		if err := s.earn(); err != nil {
			return err
		}
		if protocol.Announced(m) > 0 {
			return s.announced(m, frame)
		}
		return s.inline(m, frame)
	case *protocol.Bye:
		s.book(s.received(m, onWire(frame)))
		if m.Code == protocol.CloseNormal {
			return errDone
		}
		return errGoodbye
	case *protocol.Hello:
		return closeError(protocol.CloseUnexpected, "a second hello")
	case *protocol.Secure:
		for i := range m.Vectors { // the next frame is read into the same memory
			m.Vectors[i].Block = slices.Clone(m.Vectors[i].Block)
		}
	case *protocol.Want:
		if err := s.waitForModel(); err != nil {
			return err
		}
	}
	e := s.received(m, onWire(frame))
	s.seat.Receive(m, e)
	return nil
}

// waitForModel waits until the client's address may be sent a version that no order
// needs.
func (s *session) waitForModel() error {
	if s.ordersModel() {
		return nil
	}
	limits := &s.hub.limits
	ctx, cancel := context.WithTimeout(s.hub.ctx, limits.ModelWait)
	defer cancel()
	if s.hub.wants.Wait(ctx, s.from) != nil {
		return closeError(protocol.CloseOverloaded, "versions: more than %d asked for from one address, and %v a second", limits.ModelBurst, float64(limits.Models))
	}
	return nil
}

// announced begins to take a body in, or to skip it if the run has no use for it.
// Memory is borrowed when its first chunk comes.
func (s *session) announced(c *protocol.Contribution, frame int) error {
	s.mu.Lock()
	limit := s.room.MaxBody + s.payload
	s.mu.Unlock()
	if int64(protocol.Announced(c)) > limit || s.body.Open() || !s.seat.Wanted(c) {
		s.hub.counts.add(func(c *counts) { c.skipped++ })
	} else {
		s.awaited = c
	}
	if err := s.body.Skip(c, limit); err != nil {
		return err
	}
	s.bodyWire, s.bodyFrom = onWire(frame), time.Now()
	s.await()
	return nil
}

// await sets the deadline of the next chunk. A body may be late by BodyGrace at any
// time, not by the time that the whole of it may take: memory waits with it.
func (s *session) await() {
	n, total := s.body.Received()
	s.bodyUntil = s.bodyFrom.Add(s.hub.limits.bodyTime(min(n+protocol.ChunkSize, total)))
}

// begin borrows memory for a body, of which the first chunk has begun to come.
func (s *session) begin() error {
	_, total := s.body.Received()
	memory, err := s.borrow(s.awaited)
	if err != nil {
		return err
	}
	s.memory = memory
	s.bodyFrom = time.Now() // the waiting is not the peer's
	s.asked = s.bodyFrom
	s.body.Reset()
	return s.body.Start(s.awaited, total, memory.Bytes())
}

// wantedAfter is how often the run is asked whether it still has a use for a body.
const wantedAfter = time.Second

// giveUp skips the rest of a body whose order has ended, and releases its memory.
func (s *session) giveUp() {
	now := time.Now()
	if s.memory == nil || now.Sub(s.asked) < wantedAfter {
		return
	}
	s.asked = now
	if s.seat.Wanted(s.awaited) {
		return
	}
	s.hub.counts.add(func(c *counts) { c.skipped++ })
	s.body.Drop()
	s.forget()
}

// forget releases the memory of a body.
func (s *session) forget() {
	if s.memory != nil {
		s.memory.Release()
	}
	s.awaited, s.memory = nil, nil
}

// borrow waits for memory for a contribution.
func (s *session) borrow(c *protocol.Contribution) (*live.Body, error) {
	ctx, cancel := context.WithTimeout(s.hub.ctx, s.hub.limits.BodyWait)
	defer cancel()
	memory, err := s.room.Checker.Borrow(ctx, s.from, c)
	if err != nil {
		return nil, closeError(protocol.CloseOverloaded, "no memory for a contribution within %v", s.hub.limits.BodyWait)
	}
	return memory, nil
}

// inline takes a contribution that has come in one frame. A few bytes may unpack to
// a model, so that needs a reason and memory like a large body.
func (s *session) inline(c *protocol.Contribution, frame int) error {
	s.book(s.received(c, onWire(frame)))
	if !s.seat.Wanted(c) {
		return nil
	}
	memory, err := s.borrow(c)
	if err != nil {
		return err
	}
	s.offer(c, memory)
	return nil
}

// chunk takes in a piece of a body, and offers the contribution after the last
// one.
func (s *session) chunk(c *protocol.Chunk, frame int) error {
	whole, err := s.body.Add(c)
	if err != nil {
		return err
	}
	s.bodyWire += onWire(frame)
	if s.body.Open() {
		s.await()
		s.giveUp()
		return nil
	}
	contribution, ok := whole.(*protocol.Contribution)
	if !ok { // it was skipped
		s.book(s.received(nil, s.bodyWire))
		return nil
	}
	s.book(s.received(contribution, s.bodyWire))
	memory := s.memory
	s.awaited, s.memory = nil, nil
	s.offer(contribution, memory)
	return nil
}

// offer checks a complete contribution and hands it to the run.
func (s *session) offer(c *protocol.Contribution, memory *live.Body) {
	s.seat.Offer(s.room.Checker.Check(s.participant, c, memory))
}

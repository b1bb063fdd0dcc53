package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"
)

// session is one WebSocket. It is the run.Peer of its participant.
type session struct {
	hub      *Hub
	conn     *websocket.Conn
	number   uint64
	remote   string
	readDone chan struct{} // closed when the reading goroutine has ended
	wake     chan struct{} // tells the writing goroutine to look at the queue

	mu      sync.Mutex
	queue   []item
	queued  int // bytes of own frames in the queue
	closing bool
	bye     *protocol.Bye
	refused int // messages answered with a refusal

	// Owned by the reading goroutine.
	room        *Room
	participant uint32
	rate        *rate.Limiter
	inFrame     bool // a frame has begun and not ended
	body        protocol.Assembler
	memory      *live.Body // in which body arrives, nil if it is skipped
	bodyUntil   time.Time
	skipped     int64 // bytes on the wire of a body that is skipped
}

// item is what the writing goroutine writes: frames of its own, or prepared
// ones.
type item struct {
	frames   [][]byte
	bytes    int
	prepared []*websocket.PreparedMessage
}

func newSession(h *Hub, conn *websocket.Conn) *session {
	return &session{
		hub: h, conn: conn, number: h.number.Add(1), remote: conn.RemoteAddr().String(),
		readDone: make(chan struct{}), wake: make(chan struct{}, 1),
		rate: rate.NewLimiter(h.limits.Messages, h.limits.Burst),
	}
}

// Send implements run.Peer. It counts the refusals that it carries.
func (s *session) Send(m protocol.Message) {
	frames := protocol.AppendFrames(nil, m)
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	s.enqueue(item{frames: frames, bytes: n})
	if ack, ok := m.(*protocol.Ack); ok {
		s.answered(ack.Reason)
	}
}

// answered closes the session of a peer that has earned too many refusals. To
// be late, or to have worked on a round that was abandoned, is no fault.
func (s *session) answered(r protocol.Reason) {
	switch r {
	case protocol.ReasonAccepted, protocol.ReasonLate, protocol.ReasonAbandoned, protocol.ReasonBusy:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	if s.refused > s.hub.limits.Rejected && !s.closing {
		s.close(protocol.CloseAbuse, fmt.Sprintf("%d messages of yours were refused", s.refused))
	}
}

// SendShared implements run.Peer. The frames are prepared once for all.
func (s *session) SendShared(m *run.Shared) {
	prepared, ok := m.Frames.([]*websocket.PreparedMessage)
	if !ok {
		for _, f := range protocol.AppendFrames(nil, m.Message) {
			p, err := websocket.NewPreparedMessage(websocket.BinaryMessage, f)
			if err != nil {
				panic(err) // only for a message type that does not exist
			}
			prepared = append(prepared, p)
		}
		m.Frames = prepared
	}
	s.enqueue(item{prepared: prepared})
}

func (s *session) enqueue(i item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	if len(s.queue) >= protocol.SendQueue || s.queued+i.bytes > protocol.SendQueueBytes {
		s.close(protocol.CloseSlow, "you read too slowly")
		return
	}
	s.queue = append(s.queue, i)
	s.queued += i.bytes
	s.poke()
}

func (s *session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close implements run.Peer: what is queued is written, then a Bye and the
// close frame.
func (s *session) Close(code protocol.CloseCode, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.close(code, detail)
	}
}

func (s *session) close(code protocol.CloseCode, detail string) {
	s.closing = true
	s.bye = &protocol.Bye{Code: code, Detail: protocol.ClipText(detail)}
	s.hub.counts.add(func(c *counts) { c.closed[code]++ })
	s.poke()
}

func (s *session) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// write is the writing goroutine.
func (s *session) write() {
	defer s.conn.Close()
	ping := time.NewTicker(s.hub.limits.Ping)
	defer ping.Stop()
	for {
		i, ok, closing := s.next()
		switch {
		case ok:
			if err := s.writeItem(i); err != nil {
				if timeout(err) {
					s.Close(protocol.CloseSlow, "") // for the count: no word gets through
				}
				s.hub.log.Debug("cannot write", "session", s.number, "error", err)
				return
			}
			continue
		case closing:
			s.goodbye()
			return
		}
		select {
		case <-s.wake:
		case <-ping.C:
			if err := s.conn.WriteControl(websocket.PingMessage, nil, s.writeDeadline()); err != nil {
				return
			}
		case <-s.readDone:
			if !s.isClosing() {
				return // nobody is left who could say why
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

// writeDeadline bounds a single write, so that a peer that reads nothing is let
// go.
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
	return nil
}

func (s *session) goodbye() {
	deadline := time.Now().Add(s.hub.limits.Close)
	s.conn.SetWriteDeadline(deadline)
	if s.conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, s.bye)) != nil {
		return
	}
	reason := s.bye.Detail
	if len(reason) > 100 { // a close frame holds 123 bytes
		reason = protocol.ClipText(reason[:100])
	}
	if s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(s.bye.Code), reason), deadline) != nil {
		return
	}
	// The reading goroutine ends when the peer answers the close frame; until
	// then the connection stays open, so that the frame is not lost in a
	// reset. Whoever does not answer is cut off.
	s.conn.SetReadDeadline(deadline)
	cut := time.NewTimer(time.Until(deadline))
	defer cut.Stop()
	select {
	case <-s.readDone:
	case <-cut.C:
	}
}

var (
	// errGoodbye is the end of a session that the client announced.
	errGoodbye = errors.New("hub: the participant left")
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
	goodbye := false
	if err == nil {
		s.extend()
		err = s.read()
		goodbye = errors.Is(err, errGoodbye)
		live := s.room.Live
		live.Do(func() { live.Run.Leave(s.participant, s, goodbye) })
	}
	if s.memory != nil {
		s.memory.Release()
		s.memory = nil
	}
	code, detail := s.verdict(err)
	s.Close(code, detail)
	s.drain()
	s.hub.log.Debug("session ended", "session", s.number, "participant", s.participant, "remote", s.remote, "code", uint16(code), "reason", err)
}

// drain reads on, and drops what it reads, until the peer answers the close
// frame or its time is up: a socket that is closed with bytes unread is reset,
// and the close frame may be lost with it.
func (s *session) drain() {
	s.conn.SetReadDeadline(time.Now().Add(s.hub.limits.Close))
	s.conn.SetPingHandler(func(string) error { return nil })
	s.conn.SetPongHandler(func(string) error { return nil })
	for {
		_, r, err := s.conn.NextReader()
		var ce *websocket.CloseError
		switch {
		case err == nil:
			if _, err = io.Copy(io.Discard, r); err == nil {
				continue
			}
		case errors.As(err, &ce):
			return
		}
		// After an error the WebSocket reads no more; the bytes still come.
		io.Copy(io.Discard, s.conn.NetConn())
		return
	}
}

// control is called for every ping and pong of the peer.
func (s *session) control() error {
	if !s.rate.Allow() {
		return s.tooMany()
	}
	if s.room != nil && !s.inFrame {
		s.extend()
	}
	return nil
}

func (s *session) tooMany() error {
	return closeError(protocol.CloseAbuse, "more than %v messages a second", s.hub.limits.Messages)
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
	var ce *protocol.CloseError
	switch {
	case errors.As(err, &ce):
		return ce.Code, ce.Detail
	case errors.Is(err, errGoodbye):
		return protocol.CloseNormal, ""
	case errors.Is(err, protocol.ErrTooLarge):
		return protocol.CloseTooLarge, err.Error()
	case errors.Is(err, protocol.ErrMalformed):
		return protocol.CloseMalformed, err.Error()
	case errors.Is(err, protocol.ErrTransfer):
		return protocol.CloseUnexpected, err.Error()
	case timeout(err):
		switch {
		case s.room == nil:
			return protocol.CloseNoHello, fmt.Sprintf("no hello within %v", s.hub.limits.Hello)
		case s.inFrame:
			return protocol.CloseSlow, fmt.Sprintf("a frame took longer than %v", s.hub.limits.Frame)
		case s.body.Open() && !time.Now().Before(s.bodyUntil):
			n, total := s.body.Received()
			return protocol.CloseSlow, fmt.Sprintf("your contribution stopped at byte %d of %d, want at least %d bytes a second", n, total, s.hub.limits.BodyRate)
		}
		return protocol.CloseNoPong, fmt.Sprintf("nothing heard for %v", s.hub.limits.Pong)
	}
	return protocol.CloseNormal, "" // the peer has closed, or the socket is lost
}

func timeout(err error) bool {
	var ne interface{ Timeout() bool }
	return errors.As(err, &ne) && ne.Timeout()
}

// frameBuffers hold a frame while it is read and decoded. An idle session has
// none.
var frameBuffers = sync.Pool{New: func() any { b := make([]byte, protocol.MaxFrame+1); return &b }}

// receive reads one frame. It returns its message and how long the frame was; a
// chunk it has taken in itself, and the message is nil.
func (s *session) receive() (m protocol.Message, size int, err error) {
	kind, r, err := s.conn.NextReader()
	if err != nil {
		return nil, 0, err
	}
	if kind != websocket.BinaryMessage {
		return nil, 0, closeError(protocol.CloseMalformed, "want binary messages, got text")
	}
	s.inFrame = true
	if s.room != nil {
		s.conn.SetReadDeadline(time.Now().Add(s.hub.limits.Frame))
	}
	lent := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(lent)
	n, err := io.ReadFull(r, *lent)
	switch err {
	case io.EOF, io.ErrUnexpectedEOF:
		s.inFrame = false
	case nil:
		return nil, 0, closeError(protocol.CloseTooLarge, "a frame of more than %d bytes", protocol.MaxFrame)
	default:
		return nil, 0, err
	}
	frame := (*lent)[:n]
	if m, err = protocol.Decode(frame); err != nil {
		return nil, n, err
	}
	if c, ok := m.(*protocol.Chunk); ok {
		return nil, n, s.chunk(c, n)
	}
	// The message lies in the frame, and the buffer goes back.
	m, err = protocol.Decode(bytes.Clone(frame))
	return m, n, err
}

// hello takes the first message and joins the run of its task.
func (s *session) hello() error {
	m, _, err := s.receive()
	if err != nil {
		return err
	}
	h, ok := m.(*protocol.Hello)
	if !ok {
		return closeError(protocol.CloseUnexpected, "the first message is %T, want a hello", m)
	}
	if h.Protocol != protocol.Version {
		return closeError(protocol.CloseProtocolVersion, "you speak %q, this coordinator %q: reload the page or update the client", h.Protocol, protocol.Version)
	}
	room := s.hub.rooms[h.Task]
	if room == nil {
		return closeError(protocol.CloseUnknownTask, "there is no task %q here", h.Task)
	}
	var resumed uint32
	if len(h.ResumeToken) > 0 {
		if resumed, ok = room.Tokens.Check(h.ResumeToken); !ok {
			return closeError(protocol.CloseBadToken, "the resume token is not of this run: join anew")
		}
	}
	joined := false
	live := room.Live
	if !live.Call(func() { s.participant, joined = live.Run.Join(h, resumed, s) }) {
		return closeError(protocol.CloseShutdown, "%s", shutdownText)
	}
	if !joined {
		return errClosing // Join has closed the session and said why
	}
	s.room = room
	s.hub.log.Debug("joined", "session", s.number, "run", room.Tokens.Run, "participant", s.participant, "resumed", resumed != 0, "remote", s.remote, "client", h.Client)
	return nil
}

// read handles everything after the hello.
func (s *session) read() error {
	for {
		m, size, err := s.receive()
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

func (s *session) charge(size int64) {
	live := s.room.Live
	live.Do(func() { live.Run.Charge(s.participant, s, size) })
}

// unknown answers a message of a later protocol; the session goes on.
func (s *session) unknown(err error, frame int) error {
	if !s.rate.Allow() {
		return s.tooMany()
	}
	s.hub.counts.add(func(c *counts) { c.ignored++ })
	s.charge(onWire(frame))
	s.Send(&protocol.Ack{Reason: protocol.ReasonUnsupported, Detail: err.Error()})
	return nil
}

// message handles a message that came in a frame of so many bytes.
func (s *session) message(m protocol.Message, frame int) error {
	if !s.rate.Allow() {
		return s.tooMany()
	}
	live := s.room.Live
	switch m := m.(type) {
	case *protocol.Contribution:
		if protocol.Announced(m) > 0 {
			return s.announced(m, frame)
		}
		return s.inline(m)
	case *protocol.Bye:
		return errGoodbye
	case *protocol.Hello:
		return closeError(protocol.CloseUnexpected, "a second hello")
	default:
		live.Do(func() {
			if err := live.Run.Receive(s.participant, s, m); err != nil {
				s.Close(protocol.CloseUnexpected, err.Error())
			}
		})
	}
	return nil
}

// announced begins to take a body in, or to skip it if the run has no use for
// it, before any of it has come.
func (s *session) announced(c *protocol.Contribution, frame int) error {
	size := int64(protocol.Announced(c))
	s.bodyUntil = time.Now().Add(s.hub.limits.bodyTime(size))
	live := s.room.Live
	wanted := false
	limit := s.room.MaxBody + protocol.PayloadSize(c) // payloads are as large as the run has ordered, if it wants them
	if size <= limit && !s.body.Open() {
		live.Call(func() { wanted = live.Run.Announce(s.participant, s, c) })
	}
	if !wanted {
		s.hub.counts.add(func(c *counts) { c.skipped++ })
		s.skipped = onWire(frame)
		return s.body.Skip(c, s.room.MaxBody)
	}
	memory, err := s.borrow(c)
	if err != nil {
		return err
	}
	s.memory = memory
	s.bodyUntil = time.Now().Add(s.hub.limits.bodyTime(size)) // the waiting is not the peer's
	return s.body.Start(c, limit, memory.Bytes())
}

// borrow waits for memory for a contribution.
func (s *session) borrow(c *protocol.Contribution) (*live.Body, error) {
	ctx, cancel := context.WithTimeout(s.hub.ctx, s.hub.limits.BodyWait)
	defer cancel()
	memory, err := s.room.Checker.Borrow(ctx, c)
	if err != nil {
		return nil, closeError(protocol.CloseOverloaded, "no memory for your contribution within %v", s.hub.limits.BodyWait)
	}
	return memory, nil
}

// inline takes a contribution that has come in one frame. A few bytes may unpack to
// a model, so that needs a reason and memory like a large body.
func (s *session) inline(c *protocol.Contribution) error {
	live := s.room.Live
	wanted := false
	live.Call(func() { wanted = live.Run.Announce(s.participant, s, c) })
	if !wanted {
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
	if c, ok := whole.(*protocol.Contribution); ok {
		memory := s.memory
		s.memory = nil
		s.offer(c, memory)
		return nil
	}
	if s.memory == nil {
		s.skipped += onWire(frame)
		if !s.body.Open() {
			s.charge(s.skipped)
		}
	}
	return nil
}

// offer checks a complete contribution and hands it to the run.
func (s *session) offer(c *protocol.Contribution, memory *live.Body) {
	o := s.room.Checker.Check(s.participant, c, memory)
	live := s.room.Live
	if !live.Do(func() { live.Run.Offer(s.participant, s, o) }) {
		o.Release()
	}
}

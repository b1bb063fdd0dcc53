package hub

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fedtab/coordinator/run"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// session is one WebSocket. It is the run.Peer of its participant.
type session struct {
	hub    *Hub
	conn   *websocket.Conn
	number uint64
	remote string

	queue    chan item
	readDone chan struct{} // closed when the reading goroutine has ended

	mu      sync.Mutex
	queued  int // bytes of own frames in the queue
	closing bool
	bye     *protocol.Bye

	// Owned by the reading goroutine.
	room        *Room
	participant uint32
	body        protocol.Assembler
	bodyBuf     *[]byte
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
		queue: make(chan item, protocol.SendQueue), readDone: make(chan struct{}),
	}
}

// Send implements run.Peer.
func (s *session) Send(m protocol.Message) {
	frames := protocol.AppendFrames(nil, m)
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	s.enqueue(item{frames: frames, bytes: n})
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
	if s.queued+i.bytes <= protocol.SendQueueBytes {
		select {
		case s.queue <- i:
			s.queued += i.bytes
			return
		default:
		}
	}
	s.close(protocol.CloseSlow, "you read too slowly")
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
	close(s.queue)
}

// write is the writing goroutine.
func (s *session) write() {
	defer s.conn.Close()
	ping := time.NewTicker(protocol.PingInterval)
	defer ping.Stop()
	for {
		select {
		case i, ok := <-s.queue:
			if !ok {
				s.goodbye()
				return
			}
			if err := s.writeItem(i); err != nil {
				s.hub.log.Debug("cannot write", "session", s.number, "error", err)
				return
			}
		case <-ping.C:
			if err := s.conn.WriteControl(websocket.PingMessage, nil, writeDeadline()); err != nil {
				return
			}
		}
	}
}

func (s *session) writeItem(i item) error {
	s.mu.Lock()
	s.queued -= i.bytes
	s.mu.Unlock()
	for _, f := range i.frames {
		s.conn.SetWriteDeadline(writeDeadline())
		if err := s.conn.WriteMessage(websocket.BinaryMessage, f); err != nil {
			return err
		}
	}
	for _, p := range i.prepared {
		s.conn.SetWriteDeadline(writeDeadline())
		if err := s.conn.WritePreparedMessage(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) goodbye() {
	deadline := time.Now().Add(protocol.CloseTimeout)
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
	select {
	case <-s.readDone:
	case <-time.After(time.Until(deadline)):
	}
}

// errGoodbye is the end of a session that the client announced.
var errGoodbye = errors.New("hub: the participant left")

// serve is the reading goroutine, from hello to the end.
func (s *session) serve() {
	defer close(s.readDone)
	s.conn.SetReadLimit(protocol.MaxFrame)
	s.conn.SetReadDeadline(time.Now().Add(protocol.HelloTimeout))
	s.conn.SetPongHandler(func(string) error { s.extend(); return nil })
	err := s.hello()
	goodbye := false
	if err == nil {
		s.extend()
		err = s.read()
		goodbye = errors.Is(err, errGoodbye)
		s.room.Live.Do(func() { s.room.Live.Run.Leave(s.participant, s, goodbye) })
	}
	code, detail := s.verdict(err)
	s.Close(code, detail)
	s.drain()
	s.hub.log.Debug("session ended", "session", s.number, "participant", s.participant, "remote", s.remote, "reason", err)
}

// drain reads on, and drops what it reads, until the peer answers the close
// frame or its time is up.
func (s *session) drain() {
	s.conn.SetReadDeadline(time.Now().Add(protocol.CloseTimeout))
	for {
		if _, _, err := s.conn.NextReader(); err != nil {
			return
		}
	}
}

func (s *session) extend() { s.conn.SetReadDeadline(time.Now().Add(protocol.PongTimeout)) }

// verdict turns the error that ended the reading into a close code.
func (s *session) verdict(err error) (protocol.CloseCode, string) {
	var ce *protocol.CloseError
	var ne interface{ Timeout() bool }
	switch {
	case errors.As(err, &ce):
		return ce.Code, ce.Detail
	case errors.Is(err, errGoodbye):
		return protocol.CloseNormal, ""
	case errors.Is(err, websocket.ErrReadLimit), errors.Is(err, protocol.ErrTooLarge):
		return protocol.CloseTooLarge, err.Error()
	case errors.Is(err, protocol.ErrMalformed):
		return protocol.CloseMalformed, err.Error()
	case errors.Is(err, protocol.ErrTransfer):
		return protocol.CloseUnexpected, err.Error()
	case errors.As(err, &ne) && ne.Timeout():
		if s.room == nil {
			return protocol.CloseNoHello, fmt.Sprintf("no hello within %v", protocol.HelloTimeout)
		}
		return protocol.CloseNoPong, fmt.Sprintf("nothing heard for %v", protocol.PongTimeout)
	}
	return protocol.CloseNormal, "" // the peer has closed, or the socket is lost
}

// frame reads one frame into buf, which is enlarged if it lacks room.
func (s *session) frame(buf []byte) ([]byte, error) {
	kind, r, err := s.conn.NextReader()
	if err != nil {
		return nil, err
	}
	if kind != websocket.BinaryMessage {
		return nil, &protocol.CloseError{Code: protocol.CloseMalformed, Detail: "want binary messages, got text"}
	}
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// hello takes the first message and joins the run of its task.
func (s *session) hello() error {
	refuse := func(code protocol.CloseCode, format string, args ...any) error {
		return &protocol.CloseError{Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	buf, err := s.frame(nil)
	if err != nil {
		return err
	}
	m, err := protocol.Decode(buf)
	if err != nil {
		return err
	}
	h, ok := m.(*protocol.Hello)
	if !ok {
		return refuse(protocol.CloseUnexpected, "the first message is %T, want a hello", m)
	}
	if h.Protocol != protocol.Version {
		return refuse(protocol.CloseProtocolVersion, "you speak %q, this coordinator %q: reload the page or update the client", h.Protocol, protocol.Version)
	}
	room := s.hub.rooms[h.Task]
	if room == nil {
		return refuse(protocol.CloseUnknownTask, "there is no task %q here", h.Task)
	}
	var resumed uint32
	if len(h.ResumeToken) > 0 {
		if resumed, ok = room.Tokens.Check(h.ResumeToken); !ok {
			return refuse(protocol.CloseBadToken, "the resume token is not of this run: join anew")
		}
	}
	joined := false
	live := room.Live
	if !live.Call(func() { s.participant, joined = live.Run.Join(h, resumed, s) }) {
		return refuse(protocol.CloseShutdown, "the coordinator is stopping")
	}
	if !joined {
		return errGoodbye // Join has closed the session and said why
	}
	s.room = room
	s.hub.log.Debug("joined", "session", s.number, "participant", s.participant, "resumed", resumed != 0, "remote", s.remote, "client", h.Client)
	return nil
}

// read handles everything after the hello.
func (s *session) read() error {
	var buf []byte
	for {
		var err error
		if buf, err = s.frame(buf); err != nil {
			return err
		}
		s.extend()
		m, err := protocol.Decode(buf)
		if errors.Is(err, protocol.ErrUnknownKind) {
			// Of a later protocol: told so, and the session goes on.
			s.Send(&protocol.Ack{Reason: protocol.ReasonUnsupported, Detail: err.Error()})
			continue
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *protocol.Chunk: // copied: buf serves for the next one
			whole, err := s.body.Add(m)
			if err != nil {
				return err
			}
			if c, ok := whole.(*protocol.Contribution); ok {
				s.offer(c)
				// Check has copied what it needs of the body.
				s.room.bodies.Put(s.bodyBuf)
				s.bodyBuf = nil
			}
			continue
		case *protocol.Contribution:
			if protocol.Announced(m) > 0 {
				if err := s.body.Start(m, s.room.MaxBody, s.bodyBuffer()); err != nil {
					return err
				}
			} else {
				s.offer(m)
			}
		case *protocol.Bye:
			return errGoodbye
		case *protocol.Hello:
			return &protocol.CloseError{Code: protocol.CloseUnexpected, Detail: "a second hello"}
		default:
			live := s.room.Live
			live.Do(func() {
				if err := live.Run.Receive(s.participant, s, m); err != nil {
					s.Close(protocol.CloseUnexpected, err.Error())
				}
			})
		}
		buf = nil // m lies in it
	}
}

// offer checks a complete contribution and hands it to the run.
func (s *session) offer(c *protocol.Contribution) {
	o := s.room.Checker.Check(c)
	live := s.room.Live
	live.Do(func() { live.Run.Offer(s.participant, s, o) })
}

// bodyBuffer borrows a buffer for a body.
func (s *session) bodyBuffer() []byte {
	if s.bodyBuf == nil {
		b, ok := s.room.bodies.Get().(*[]byte)
		if !ok {
			v := make([]byte, 0, s.room.MaxBody)
			b = &v
		}
		s.bodyBuf = b
	}
	return (*s.bodyBuf)[:0]
}

package hub

import (
	"fmt"
	"sync"
	"time"

	"fedtab/coordinator/live"
	"fedtab/coordinator/quota"
	"fedtab/protocol"
	"fedtab/run"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"
)

// session is one WebSocket. It is the run.Peer of its participant. read.go has
// its reading goroutine, write.go its writing goroutine.
type session struct {
	hub      *Hub
	wire     *wire
	conn     *websocket.Conn
	number   uint64
	remote   string
	from     string         // Limits.Addresses of the handshake
	noPlace  *quota.Refusal // if its address has no place for it
	readDone chan struct{}  // closed when the reading goroutine has ended
	wake     chan struct{}  // tells the writing goroutine to look at the queue

	mu          sync.Mutex
	room        *Room // nil before the hello
	seat        Seat  // likewise
	queue       []item
	queued      int // bytes of the session's own frames in the queue
	closing     bool
	bye         *protocol.Bye
	participant uint32 // 0 before it has joined
	placed      bool   // it has one of the places of its address
	faults      int    // rejected messages that are the peer's doing
	newest      uint64 // the newest order sent
	orders      int    // orders and fetches sent: contributions that may come
	answers     int    // messages that may come in answer to them
	models      int    // versions that may be asked for because of them
	offered     int    // contributions that have come
	payload     int64  // the largest OrderedSize of an order sent

	upBooked   int64 // bytes reported to the run; of the reading goroutine
	downBooked int64 // the same; of the writing goroutine
	written    []run.Entry

	// Owned by the reading goroutine.
	joined    bool
	giveBack  func() // gives back the use of an invite; nil once the client has sent anything after its hello
	rate      *rate.Limiter
	inFrame   bool     // a frame has begun and not ended
	head      [32]byte // of a frame
	body      protocol.Assembler
	awaited   *protocol.Contribution // whose body is under way, nil if it is skipped
	memory    *live.Body             // in which body arrives, nil before its first chunk
	asked     time.Time              // when the run said last that it wants it
	bodyFrom  time.Time              // when it began
	bodyUntil time.Time              // deadline of its next chunk
	bodyWire  int64                  // bytes on the wire of the body under way
}

// item is what the writing goroutine writes: frames of the session's own, or
// prepared ones.
type item struct {
	frames   [][]byte
	bytes    int
	prepared []*websocket.PreparedMessage
	entry    run.Entry
}

func newSession(h *Hub, w *wire, conn *websocket.Conn, from string) *session {
	return &session{
		hub: h, wire: w, conn: conn, number: h.number.Add(1), remote: conn.RemoteAddr().String(), from: from,
		readDone: make(chan struct{}), wake: make(chan struct{}, 1),
		rate: rate.NewLimiter(h.limits.Messages, h.limits.Burst),
	}
}

// Send implements run.Peer. It counts the orders that it carries, before they can be
// answered.
func (s *session) Send(m protocol.Message) {
	frames := protocol.AppendFrames(nil, m)
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	switch m := m.(type) {
	case *protocol.Order:
		s.ordered(m.Order, protocol.OrderedSize(m.Payloads))
	case *protocol.Fetch:
		s.ordered(0, 0)
	}
	s.enqueue(item{frames: frames, bytes: n, entry: run.EntryOf(m, false)})
}

// ordered counts an order whose answer may have payloads of the given number of bytes,
// and a fetch, which has no number. An order that is sent again allows nothing more.
func (s *session) ordered(number uint64, payload int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number > 0 && number == s.newest {
		return
	}
	if number < protocol.EnquiryOrders {
		s.newest = max(s.newest, number)
	}
	s.orders++
	s.answers = min(s.answers+s.hub.limits.Answers, s.hub.limits.Burst)
	s.models = min(s.models+1, s.hub.limits.Answers)
	s.payload = max(s.payload, payload)
}

// allow counts a message, and reports whether it may come now. Those that answer the
// coordinator come as fast as it asks.
func (s *session) allow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers > 0 {
		s.answers--
		return true
	}
	return s.rate.Allow()
}

// ordersModel counts a version that the client asks for because an order needs it, and
// reports whether it does.
func (s *session) ordersModel() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.models == 0 {
		return false
	}
	s.models--
	return true
}

// Fault implements run.Peer. It closes the session of a peer with too many faults.
// Late contributions are none; earn bounds how many come.
func (s *session) Fault() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults++
	if limit := s.hub.limits.Rejected; s.faults > limit && !s.closing {
		s.close(protocol.CloseAbuse, fmt.Sprintf("too many rejected messages (%d, limit %d)", s.faults, limit))
	}
}

// earn counts a contribution. A session may send one for each order, and
// Limits.Rejected beyond that: what it kept from an earlier session, and mistakes.
func (s *session) earn() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered++
	if limit := s.orders + s.hub.limits.Rejected; s.offered > limit {
		return closeError(protocol.CloseAbuse, "too many contributions (%d, limit %d for %d orders)", s.offered, limit, s.orders)
	}
	return nil
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
	s.enqueue(item{prepared: prepared, entry: m.Entry()})
}

func (s *session) enqueue(i item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	if len(s.queue) >= protocol.SendQueue || s.queued+i.bytes > protocol.SendQueueBytes {
		s.close(protocol.CloseSlow, "send queue full")
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

// Address implements run.Peer.
func (s *session) Address() string { return s.from }

func (s *session) close(code protocol.CloseCode, detail string) {
	s.closing = true
	s.leavePlace()
	s.bye = &protocol.Bye{Code: code, Detail: protocol.ClipText(detail)}
	s.hub.counts.add(func(c *counts) { c.closed[code]++ })
	if atFault(code) {
		s.hub.tell(s.from, s.remote, code.Number(), "session closed", "session", s.number, "participant", s.participant, "code", uint16(code), "reason", detail)
	}
	s.poke()
}

// in reports whether the session is in a room.
func (s *session) in(r *Room) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room == r
}

func (s *session) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// book reports entries to the run, if the session has a participant.
func (s *session) book(entries ...run.Entry) {
	if len(entries) == 0 {
		return
	}
	s.mu.Lock()
	seat := s.seat
	s.mu.Unlock()
	if seat != nil {
		seat.Book(entries...)
	}
}

// settle books what has travelled and belongs to no message: refused and broken
// frames, frames after the close frame, and what a sender's encoding or
// fragments took beyond the canonical ones. Both goroutines have ended.
func (s *session) settle() {
	var entries []run.Entry
	if n := s.wire.in.bytes - s.upBooked; n != 0 {
		entries = append(entries, run.Entry{Bytes: n, Up: true})
	}
	if n := s.wire.out.bytes - s.downBooked; n != 0 {
		entries = append(entries, run.Entry{Bytes: n})
	}
	s.book(entries...)
}

// Package hub holds the participants' WebSocket sessions and connects each to
// the run of its task. It knows the protocol's frames and limits; what the
// messages mean is the run's business.
//
// A session has one goroutine that reads and one that writes. Contributions
// are assembled, decoded and checked on the reading goroutine: the run's owner
// never decodes one, and a slow or hostile peer delays only itself.
//
// Nothing that a peer does is trusted. Limits says how fast, how large and how
// often; a peer beyond them is closed with a code that names the limit, and
// counted (Counts).
//
// Sessions measure their own traffic: they report to the run's ledger what was
// read from the socket and written to it (docs/protocol.md, "Counting bytes").
package hub

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"fedtab/coordinator/live"
	"fedtab/coordinator/quota"
	"fedtab/protocol"
	"fedtab/strategy"

	"github.com/gorilla/websocket"
)

// A Room is where the participants of one task meet.
type Room struct {
	Task    string
	Owner   Owner
	Checker *live.Checker
	Invites *Invites // nil: no participant needs one
	Member  Member   // says who joins where persons are limited and there are no invites; nil: nobody need say it
	MaxBody int64    // largest body of a contribution

	tokens atomic.Pointer[Tokens]
}

// Member returns the person whose code a new participant has sent in place of an invite's. The error is
// for the participant.
type Member func(code string) (strategy.Person, error)

// persons reports whether participants must be known as persons.
func (r *Room) persons() bool { return r.Member != nil || r.Invites != nil && r.Invites.Persons }

// Issue sets the tokens of the run that the room's participants are in from now on.
func (r *Room) Issue(t Tokens) { r.tokens.Store(&t) }

// Tokens returns the tokens of the room's run.
func (r *Room) Tokens() *Tokens { return r.tokens.Load() }

// Hub serves WebSocket handshakes.
type Hub struct {
	limits   Limits
	log      *slog.Logger
	upgrader websocket.Upgrader
	number   atomic.Uint64 // of the newest session
	counts   counts
	ctx      context.Context // ends with Shutdown
	stop     context.CancelFunc

	sockets *quota.Quota // of sessions, and handshakes under way
	places  *quota.Quota // of sessions that have joined
	pace    *quota.Pace  // of handshakes
	wants   *quota.Pace  // of versions asked for beside orders

	notices   quota.Notices
	uncounted quota.Notice // uses of invites that cannot be counted

	mu       sync.Mutex
	rooms    map[string]*Room // by task
	sessions map[*session]struct{}
	closing  bool
	wait     sync.WaitGroup
}

// New returns a hub with one room for each task.
func New(rooms []*Room, limits Limits, log *slog.Logger) *Hub {
	h := &Hub{
		rooms: map[string]*Room{}, limits: limits, log: log,
		sockets: quota.New(limits.Sessions, 2*limits.PerAddress), places: quota.New(0, limits.PerAddress),
		pace:  quota.NewPace(limits.Handshakes, limits.HandshakeBurst),
		wants: quota.NewPace(limits.Models, limits.ModelBurst), sessions: map[*session]struct{}{},
		counts: counts{closed: map[protocol.CloseCode]int{}, refused: map[string]int{}},
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	for _, r := range rooms {
		h.rooms[r.Task] = r
	}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: limits.Hello,
		// Sessions are idle most of the time: small buffers of their own, and
		// one pool for writing. Reads of large frames go around the buffer.
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 4 << 10,
		WriteBufferPool: &sync.Pool{},
		// CheckOrigin stays nil: gorilla then takes handshakes from pages of
		// this coordinator only, and from clients that are no browser.
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			why := "request"
			if status == http.StatusForbidden {
				why = "origin"
			}
			h.Refused(why)
			h.tell(h.limits.Addresses.Of(r), r.RemoteAddr, why, "handshake refused", "origin", r.Header.Get("Origin"), "reason", reason)
			w.Header().Set("Sec-Websocket-Version", "13")
			http.Error(w, reason.Error(), status)
		},
	}
	return h
}

// Open adds a room, in the place of the one of its task if there is one, which closes.
func (h *Hub) Open(r *Room) {
	h.mu.Lock()
	before := h.rooms[r.Task]
	h.rooms[r.Task] = r
	h.mu.Unlock()
	if before != nil {
		h.empty(before, protocol.CloseFinished, "another run of the task has begun, with other settings")
	}
}

// Close takes a room away and tells its participants why.
func (h *Hub) Close(r *Room, why string) {
	h.mu.Lock()
	if h.rooms[r.Task] == r {
		delete(h.rooms, r.Task)
	}
	h.mu.Unlock()
	h.empty(r, protocol.CloseFinished, why)
}

// Vacate closes the sessions of a room with shutdown: its run goes on elsewhere.
func (h *Hub) Vacate(r *Room, why string) { h.empty(r, protocol.CloseShutdown, why) }

// empty closes the sessions of a room.
func (h *Hub) empty(r *Room, code protocol.CloseCode, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		if s.in(r) {
			s.Close(code, why)
		}
	}
}

// room returns the room of a task, or the names of the tasks that have one.
func (h *Hub) room(task string) (r *Room, tasks []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r = h.rooms[task]; r == nil {
		tasks = slices.Sorted(maps.Keys(h.rooms))
	}
	return r, tasks
}

// tell logs what an organiser may have to act on: the first of each address and code in
// a minute, so that a peer cannot fill the log.
func (h *Hub) tell(from, remote, code, what string, args ...any) {
	level := slog.LevelDebug
	if h.notices.DueFor(from, remote, code) {
		level = slog.LevelInfo
	}
	h.log.Log(context.Background(), level, what, append(args, "remote", remote)...)
}

// atFault reports whether a close code says that the peer has broken a limit or a rule.
func atFault(code protocol.CloseCode) bool {
	switch code {
	case protocol.CloseNormal, protocol.CloseShutdown, protocol.CloseSuperseded, protocol.CloseFinished:
		return false
	}
	return true
}

// Refused counts a handshake that was refused, by reason, here or before it came here, or
// a hello for which the address has no place.
func (h *Hub) Refused(why string) { h.counts.add(func(c *counts) { c.refused[why]++ }) }

// ServeHTTP takes a WebSocket handshake. The session that follows has
// goroutines of its own, so that what the HTTP server holds for the request can
// go.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := h.limits.Addresses.Of(r)
	if refusal := h.limits.Addresses.Refuse(h.admit(from), r); refusal != nil {
		h.Refused(refusal.Code)
		h.tell(from, r.RemoteAddr, refusal.Code, "handshake refused", "code", refusal.Code, "reason", refusal.Reason())
		refusal.SetRetry(w.Header())
		http.Error(w, refusal.Text, refusal.Status)
		return
	}
	below := &hijacker{ResponseWriter: w}
	conn, err := h.upgrader.Upgrade(below, r, nil)
	if err != nil {
		h.dismiss(from)
		return // Upgrade has answered
	}
	below.wire.open = true
	s := newSession(h, below.wire, conn, from)
	s.noPlace = h.limits.Addresses.Refuse(quota.ErrAddress, r)
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	closing := h.closing
	h.mu.Unlock()
	if closing {
		s.Close(protocol.CloseShutdown, shutdownText)
	}
	var ends sync.WaitGroup
	ends.Add(2)
	go func() { defer ends.Done(); s.write() }()
	go func() {
		s.serve()
		ends.Done()
		ends.Wait()
		s.settle()
		h.mu.Lock()
		delete(h.sessions, s)
		h.mu.Unlock()
		h.dismiss(from)
	}()
}

// hijacker hands a handshake's connection over with a wire around it.
type hijacker struct {
	http.ResponseWriter
	wire *wire
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire = &wire{Conn: conn}
	return h.wire, buffers, nil
}

// admit counts a session in, or says why there is no room for it.
func (h *Hub) admit(from string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return quota.ErrStopping
	}
	if !h.pace.Allow(from) {
		return quota.ErrPace
	}
	err := h.sockets.Acquire(from)
	if err == nil {
		h.wait.Add(1)
	}
	return err
}

// Door says whether a handshake from where a request comes from, or a new participant's
// hello after it, would be refused now, nil if not. A browser does not tell its page why
// a handshake failed.
func (h *Hub) Door(r *http.Request) *quota.Refusal {
	from := h.limits.Addresses.Of(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.sockets.Check(from)
	if err == nil {
		err = h.places.Check(from)
	}
	switch {
	case h.closing:
		err = quota.ErrStopping
	case err == nil && !h.pace.Ready(from): // which passes sooner
		err = quota.ErrPace
	}
	return h.limits.Addresses.Refuse(err, r)
}

// dismiss counts it out.
func (h *Hub) dismiss(from string) {
	h.sockets.Release(from)
	h.wait.Done()
}

// Sessions returns how many sockets are open.
func (h *Hub) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

const shutdownText = "the coordinator is stopping"

// Shutdown tells every participant that the coordinator stops and waits until
// the sockets are closed, or ctx ends.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	for s := range h.sessions {
		s.Close(protocol.CloseShutdown, shutdownText)
	}
	h.mu.Unlock()
	h.stop()
	done := make(chan struct{})
	go func() { h.wait.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hub: sessions still open: %w", ctx.Err())
	}
}

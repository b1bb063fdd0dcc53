// Package hub holds the participants' WebSocket sessions and connects each to
// the run of its task. It knows the protocol's frames and limits; what the
// messages mean is the run's business.
//
// A session has one goroutine that reads and one that writes. Contributions
// are put together, decoded and checked on the reading goroutine, so that the
// run's owner never touches a vector and a slow or hostile peer holds up
// nobody but itself.
package hub

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/coordinator/run"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// A Room is where the participants of one task meet.
type Room struct {
	Task    string
	Live    *run.Live
	Checker *run.Checker
	Tokens  Tokens
	MaxBody int64 // largest body of a contribution

	bodies sync.Pool // *[]byte, for bodies that arrive in chunks
}

// Hub serves WebSocket handshakes.
type Hub struct {
	rooms    map[string]*Room
	log      *slog.Logger
	upgrader websocket.Upgrader
	number   atomic.Uint64 // of the newest session

	mu       sync.Mutex
	sessions map[*session]struct{}
	closing  bool
	wait     sync.WaitGroup
}

// New returns a hub with one room for each task.
func New(rooms []*Room, log *slog.Logger) *Hub {
	h := &Hub{rooms: map[string]*Room{}, log: log, sessions: map[*session]struct{}{}}
	for _, r := range rooms {
		h.rooms[r.Task] = r
	}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: protocol.HelloTimeout,
		// Sessions are idle most of the time: small buffers of their own, and
		// one pool for writing. Reads of large frames go around the buffer.
		ReadBufferSize:  1 << 10,
		WriteBufferSize: 4 << 10,
		WriteBufferPool: &sync.Pool{},
		// CheckOrigin stays nil: gorilla then takes handshakes from pages of
		// this coordinator only, and from clients that are no browser.
	}
	return h
}

// ServeHTTP takes a WebSocket handshake and serves the session to its end.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	s := newSession(h, conn)
	h.mu.Lock()
	if h.closing {
		h.mu.Unlock()
		close(s.readDone)
		s.Close(protocol.CloseShutdown, "the coordinator is stopping")
		s.write()
		return
	}
	h.sessions[s] = struct{}{}
	h.wait.Add(2)
	h.mu.Unlock()
	go func() {
		defer h.wait.Done()
		s.write()
	}()
	defer h.wait.Done()
	s.serve()
	h.mu.Lock()
	delete(h.sessions, s)
	h.mu.Unlock()
}

// Sessions returns how many sockets are open.
func (h *Hub) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// Shutdown tells every participant that the coordinator stops and waits until
// the sockets are closed, or ctx ends.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	for s := range h.sessions {
		s.Close(protocol.CloseShutdown, "the coordinator is stopping")
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.wait.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hub: sessions still open: %w", ctx.Err())
	}
}

// writeDeadline bounds a single write, so that a peer that reads nothing is let
// go.
func writeDeadline() time.Time { return time.Now().Add(protocol.WriteTimeout) }

package quota

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// Conns bounds the connections of an HTTP server. Those that a handler has taken over
// count no more. Connections of trusted proxies, and of this machine unless loopback
// addresses count, count towards the total only.
type Conns struct {
	quota     *Quota
	pace      *Pace // of new connections
	addresses Addresses
	log       *slog.Logger
	notices   Notices

	mu       sync.Mutex
	admitted map[net.Conn]string // by address
}

// NewConns returns a bound by q and p. The log says, once a minute for each address,
// that connections are closed: nobody else can be told.
func NewConns(q *Quota, p *Pace, a Addresses, log *slog.Logger) *Conns {
	return &Conns{quota: q, pace: p, addresses: a, log: log, admitted: map[net.Conn]string{}}
}

// Check says why a new connection from where a request comes from would be closed now,
// nil if it would not be. A nil c closes none.
func (c *Conns) Check(r *http.Request) error {
	if c == nil {
		return nil
	}
	from := c.addresses.ofConn(r.RemoteAddr)
	if err := c.quota.Check(from); err != nil {
		return err
	}
	if !c.pace.Ready(from) {
		return ErrPace
	}
	return nil
}

// State is the server's ConnState. It closes a new connection beyond the quota.
// (A listener that wraps connections would cost every session a larger stack.)
func (c *Conns) State(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		from := c.addresses.ofConn(conn.RemoteAddr().String())
		err := ErrPace
		if c.pace.Allow(from) {
			err = c.quota.Acquire(from)
		}
		if err != nil {
			conn.Close()
			if c.notices.Due(from) {
				c.log.Info("connections closed; if this is the address of a proxy, start the coordinator with --trusted-proxies", "address", from, "reason", err)
			}
			return
		}
		c.mu.Lock()
		c.admitted[conn] = from
		c.mu.Unlock()
	case http.StateHijacked, http.StateClosed:
		c.mu.Lock()
		from, ok := c.admitted[conn]
		delete(c.admitted, conn)
		c.mu.Unlock()
		if ok {
			c.quota.Release(from)
		}
	}
}

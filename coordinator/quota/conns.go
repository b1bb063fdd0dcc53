package quota

import (
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

	mu       sync.Mutex
	admitted map[net.Conn]string // by address
}

// NewConns returns a bound by q and p.
func NewConns(q *Quota, p *Pace, a Addresses) *Conns {
	return &Conns{quota: q, pace: p, addresses: a, admitted: map[net.Conn]string{}}
}

// State is the server's ConnState. It closes a new connection beyond the quota.
// (A listener that wraps connections would cost every session a larger stack.)
func (c *Conns) State(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		from := c.addresses.ofConn(conn.RemoteAddr().String())
		if !c.pace.Allow(from) || c.quota.Acquire(from) != nil {
			conn.Close()
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

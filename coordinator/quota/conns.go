package quota

import (
	"cmp"
	"container/list"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// Conns bounds the connections of an HTTP server. Those that a handler has taken over
// count no more. Connections of trusted proxies, and of this machine unless loopback
// addresses count, count towards the total only.
//
// No address keeps the others out. When the total is reached, a new connection takes
// the place of one of the address that holds the most: of one without a request under
// way, or else, if that address holds at least two more than the newcomer's, of the
// request that has been under way for the longest time.
type Conns struct {
	quota     *Quota
	pace      *Pace // of new connections
	addresses Addresses
	log       *slog.Logger
	notices   Notices

	mu       sync.Mutex
	admitted map[net.Conn]*admitted
	holders  map[string]*holder // by address; uncounted connections have none
}

// admitted is a connection.
type admitted struct {
	conn net.Conn
	from string
	busy bool          // a request is under way
	at   *list.Element // of the holder's idle or busy
}

// holder has the connections of an address, those that have waited the longest first.
type holder struct {
	idle, busy list.List // of *admitted
}

func (h *holder) held() int { return h.idle.Len() + h.busy.Len() }

// list returns the list that a connection belongs to.
func (h *holder) list(busy bool) *list.List {
	if busy {
		return &h.busy
	}
	return &h.idle
}

// NewConns returns a bound by q and p. The log says, once a minute for each address,
// that connections are closed: nobody else can be told.
func NewConns(q *Quota, p *Pace, a Addresses, log *slog.Logger) *Conns {
	return &Conns{quota: q, pace: p, addresses: a, log: log, admitted: map[net.Conn]*admitted{}, holders: map[string]*holder{}}
}

// Check says why a new connection from where a request comes from would be closed now,
// nil if it would not be. A nil c closes none.
func (c *Conns) Check(r *http.Request) error {
	if c == nil {
		return nil
	}
	from := c.addresses.ofConn(r.RemoteAddr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.quota.Check(from); err != nil && (!errors.Is(err, ErrFull) || c.victim(from) == nil) {
		return err
	}
	if !c.pace.Ready(from) {
		return ErrPace
	}
	return nil
}

// State is the server's ConnState. It closes a new connection beyond the quota, or
// another one in its favour.
// (A listener that wraps connections would cost every session a larger stack.)
func (c *Conns) State(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.open(conn)
	case http.StateActive, http.StateIdle:
		c.mu.Lock()
		defer c.mu.Unlock()
		if a := c.admitted[conn]; a != nil {
			c.remove(a)
			a.busy = state == http.StateActive
			c.add(a)
		}
	case http.StateHijacked, http.StateClosed:
		c.mu.Lock()
		a := c.admitted[conn]
		if a != nil {
			c.remove(a)
		}
		c.mu.Unlock()
		if a != nil {
			c.quota.Release(a.from)
		}
	}
}

// open admits a new connection, or closes it.
func (c *Conns) open(conn net.Conn) {
	from := c.addresses.ofConn(conn.RemoteAddr().String())
	if !c.pace.Allow(from) {
		c.refuse(conn, from, ErrPace)
		return
	}
	c.mu.Lock()
	err := c.quota.Acquire(from)
	var victim *admitted
	if errors.Is(err, ErrFull) {
		if victim = c.victim(from); victim != nil {
			c.remove(victim)
			c.quota.Release(victim.from)
			err = c.quota.Acquire(from)
		}
	}
	if err == nil {
		c.add(&admitted{conn: conn, from: from})
	}
	c.mu.Unlock()
	if victim != nil {
		drop(victim.conn)
		if c.notices.Due(victim.from, "replaced") {
			c.log.Info("the coordinator has as many HTTP connections as it can take: those of the address that holds the most are closed in favour of new ones", "address", victim.from)
		}
	}
	if err != nil {
		c.refuse(conn, from, err)
	}
}

// victim returns the connection that one of the address from replaces, nil if there is
// none.
func (c *Conns) victim(from string) *admitted {
	own := 0
	if h := c.holders[from]; h != nil {
		own = h.held()
	}
	var idle, busy *holder
	var idleHeld, busyHeld int
	for address, h := range c.holders {
		n := h.held()
		if h.idle.Len() > 0 && n > idleHeld && (n > own || address == from) {
			idle, idleHeld = h, n
		}
		if h.busy.Len() > 0 && n > busyHeld && n > own+1 {
			busy, busyHeld = h, n
		}
	}
	switch {
	case idle != nil:
		return idle.idle.Front().Value.(*admitted)
	case busy != nil:
		return busy.busy.Front().Value.(*admitted)
	}
	return nil
}

// add counts a connection among those of its address; c.mu is held.
func (c *Conns) add(a *admitted) {
	c.admitted[a.conn] = a
	if a.from == "" {
		return
	}
	h := c.holders[a.from]
	if h == nil {
		h = &holder{}
		c.holders[a.from] = h
	}
	a.at = h.list(a.busy).PushBack(a)
}

// remove undoes add; c.mu is held.
func (c *Conns) remove(a *admitted) {
	delete(c.admitted, a.conn)
	if h := c.holders[a.from]; h != nil {
		if h.list(a.busy).Remove(a.at); h.held() == 0 {
			delete(c.holders, a.from)
		}
	}
}

// refuse closes a new connection.
func (c *Conns) refuse(conn net.Conn, from string, err error) {
	conn.Close()
	text, code := "connections closed: the address has too many; if it is that of a proxy, start the coordinator with --trusted-proxies", "address"
	switch {
	case errors.Is(err, ErrFull):
		text, code = "connections closed: the coordinator has as many HTTP connections as it can take", "full"
	case errors.Is(err, ErrPace):
		text, code = "connections closed: the address opens too many; if it is that of a proxy, start the coordinator with --trusted-proxies", "pace"
	}
	from = cmp.Or(from, group(peerOf(conn.RemoteAddr().String())))
	if c.notices.Due(from, code) {
		c.log.Info(text, "address", from, "reason", err)
	}
}

// drop closes a connection without a word: TLS would wait until its peer reads.
func drop(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	conn.Close()
}

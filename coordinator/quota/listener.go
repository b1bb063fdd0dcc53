package quota

import (
	"net"
	"sync"
)

// Listen returns a listener that closes at once what goes beyond the quota.
// Connections from this machine count towards the total only.
func Listen(l net.Listener, q *Quota) net.Listener { return &listener{l, q} }

type listener struct {
	net.Listener
	quota *Quota
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := remote(c)
		if l.quota.Acquire(from) != nil {
			c.Close()
			continue
		}
		return &conn{Conn: c, release: sync.OnceFunc(func() { l.quota.Release(from) })}, nil
	}
}

func remote(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if ip := net.ParseIP(host); err != nil || ip.IsLoopback() {
		return ""
	}
	return host
}

type conn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

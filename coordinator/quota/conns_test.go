package quota

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (f *fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.from), Port: 1} }
func (f *fakeConn) Close() error         { f.closed = true; return nil }

func TestConns(t *testing.T) {
	q := New(4, 2)
	var told strings.Builder
	log := slog.New(slog.NewTextHandler(&told, nil))
	c := NewConns(q, NewPace(0, 0), Addresses{}, log)
	var all []*fakeConn
	for _, test := range []struct {
		from   string
		closed bool
	}{
		{"192.0.2.1", false}, {"192.0.2.1", false}, {"192.0.2.1", true}, // the third of one address
		{"127.0.0.1", false}, {"127.0.0.1", false},
	} {
		conn := &fakeConn{from: test.from}
		c.State(conn, http.StateNew)
		if conn.closed != test.closed {
			t.Errorf("connection %d from %s: closed %v, want %v", len(all)+1, test.from, conn.closed, test.closed)
		}
		all = append(all, conn)
	}
	for i, conn := range all {
		if i%2 == 0 {
			c.State(conn, http.StateHijacked)
		}
		c.State(conn, http.StateClosed)
	}
	if q.held != 0 || len(c.admitted) != 0 || len(c.holders) != 0 {
		t.Errorf("%d are held after all have ended", q.held)
	}
	if got := strings.Count(told.String(), "--trusted-proxies\" address=192.0.2.1 "); got != 1 {
		t.Errorf("the log names the address %d times, want once:\n%s", got, &told)
	}
	c = NewConns(q, NewPace(1, 3), Addresses{CountLoopback: true}, log)
	for i, from := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.3"} {
		conn := &fakeConn{from: from}
		if c.State(conn, http.StateNew); conn.closed != (i == 2) {
			t.Errorf("with loopback counted: connection %d from %s: closed %v", i+1, from, conn.closed)
		}
	}
}

// When there is no more room, a new connection replaces one of the address that holds
// the most, as long as that is fair.
func TestConnsReplace(t *testing.T) {
	const heavy, light, uncounted = "192.0.2.1", "192.0.2.2", "127.0.0.1"
	for _, test := range []struct {
		name  string
		held  string // h, l, u: connections of heavy, light and uncounted that are idle, H, L, U: busy
		from  string
		place int // in held of the one that is closed; -1: the new one
		told  string
	}{
		{"the longest idle one of the address that holds the most", "lHhhl", light, 2, "replaced"},
		{"for an address without any", "HhHl", "192.0.2.3", 1, "replaced"},
		{"for one that is not counted", "HhHl", uncounted, 1, "replaced"},
		{"an idle one of any address before a busy one", "HHHHl", "192.0.2.3", 4, "replaced"},
		{"its own idle one", "HhHl", heavy, 1, "replaced"},
		{"the longest busy one of the address that holds the most", "LHHH", light, 1, "replaced"},
		{"no busy one of its own", "HHHL", heavy, -1, "full"},
		{"no busy one of an address that holds as many afterwards", "HHL", light, -1, "full"},
		{"none that is not counted", "uUuU", light, -1, "full"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told strings.Builder
			q := New(len(test.held), 10)
			c := NewConns(q, NewPace(0, 0), Addresses{}, slog.New(slog.NewTextHandler(&told, nil)))
			var all []*fakeConn
			for _, letter := range test.held {
				from := map[string]string{"h": heavy, "l": light, "u": uncounted}[strings.ToLower(string(letter))]
				conn := &fakeConn{from: from}
				c.State(conn, http.StateNew)
				c.State(conn, http.StateActive)
				if letter >= 'a' {
					c.State(conn, http.StateIdle)
				}
				all = append(all, conn)
			}
			conn := &fakeConn{from: test.from}
			c.State(conn, http.StateNew)
			for i, held := range append(all, conn) {
				if want := i == test.place || test.place < 0 && held == conn; held.closed != want {
					t.Errorf("connection %d: closed %v, want %v", i, held.closed, want)
				}
			}
			line := map[string]string{"replaced": "closed in favour of new ones\" address=" + heavy, "full": "connections closed: the coordinator has as many"}[test.told]
			if test.place == 4 {
				line = strings.Replace(line, heavy, light, 1)
			}
			if !strings.Contains(told.String(), line) || strings.Contains(told.String(), "--trusted-proxies") {
				t.Errorf("the log lacks %q, or has the remedy of another limit:\n%s", line, &told)
			}
			for _, held := range append(all, conn) {
				c.State(held, http.StateClosed)
			}
			if q.held != 0 || len(q.addresses) != 0 || len(c.admitted) != 0 || len(c.holders) != 0 {
				t.Errorf("%d are held after all have ended", q.held)
			}
		})
	}
}

// Idle connections of a few addresses, some of which have sent nothing and some half a
// request, keep neither requests nor new sockets of another address out, over HTTP and
// over TLS.
func TestConnsFull(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			const addresses, each = 4, 25
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
			s.Config.ConnState = NewConns(New(addresses*each, each), NewPace(0, 0), Addresses{CountLoopback: true}, slog.New(slog.DiscardHandler)).State
			if secure {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			client := func(from string) *http.Client {
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
				transport := s.Client().Transport.(*http.Transport).Clone()
				transport.DialContext = dialer.DialContext
				t.Cleanup(transport.CloseIdleConnections)
				return &http.Client{Transport: transport, Timeout: 10 * time.Second}
			}
			get := func(c *http.Client) error {
				r, err := c.Get(s.URL)
				if err != nil {
					return err
				}
				defer r.Body.Close()
				_, err = io.Copy(io.Discard, r.Body)
				return err
			}
			for a := range addresses {
				from := fmt.Sprintf("127.0.0.%d", a+2)
				for i := range each {
					if i%3 == 0 { // keep-alive
						if err := get(client(from)); err != nil {
							t.Fatalf("connection %d of %s: %v", i, from, err)
						}
						continue
					}
					dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
					conn, err := dialer.Dial("tcp", s.Listener.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if i%3 == 1 {
						io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a")
					}
				}
			}
			for i := range 20 {
				if err := get(client("127.0.0.9")); err != nil {
					t.Fatalf("request %d of another address: %v", i+1, err)
				}
			}
		})
	}
}

// Connections of a trusted proxy are those of many clients.
func TestConnsOfProxies(t *testing.T) {
	p, err := ParseProxies("10.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConns(New(0, 2), NewPace(0, 0), Addresses{Proxies: p}, slog.New(slog.DiscardHandler))
	for i := range 4 {
		for from, limited := range map[string]bool{"10.0.0.1": false, "10.0.0.2": true} {
			conn := &fakeConn{from: from}
			c.State(conn, http.StateNew)
			if want := limited && i >= 2; conn.closed != want {
				t.Errorf("connection %d from %s: closed %v, want %v", i+1, from, conn.closed, want)
			}
		}
	}
}

package quota

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestQuota(t *testing.T) {
	q := New(3, 2)
	for i, step := range []struct {
		address string
		release bool
		want    error
	}{
		{address: "a"}, {address: "a"}, {address: "a", want: ErrAddress},
		{address: ""}, {address: "b", want: ErrFull}, {address: "", want: ErrFull},
		{address: "a", release: true}, {address: "b"}, {address: "a", want: ErrFull},
		{address: "", release: true}, {address: "a"}, {address: "a", want: ErrFull},
	} {
		if step.release {
			q.Release(step.address)
			continue
		}
		if got := q.Acquire(step.address); got != step.want {
			t.Fatalf("step %d: %q: got %v, want %v", i, step.address, got, step.want)
		}
	}
	for _, a := range []string{"a", "a", "b"} {
		q.Release(a)
	}
	if q.held != 0 || len(q.addresses) != 0 {
		t.Errorf("after the last release: %d held by %v, want none", q.held, q.addresses)
	}
}

func TestAddress(t *testing.T) {
	for _, test := range []struct {
		name, remote string
		forwarded    []string
		want         string
		counted      string // with CountLoopback; empty: the same
	}{
		{"a client", "192.0.2.1:5000", nil, "192.0.2.1", ""},
		{"a client that names another", "192.0.2.1:5000", []string{"203.0.113.7"}, "192.0.2.1", ""},
		{"a client over IPv6", "[2001:db8:1:2:3:4:5:6]:5000", nil, "2001:db8:1:2::/64", ""},
		{"its neighbour", "[2001:db8:1:2::7]:5000", nil, "2001:db8:1:2::/64", ""},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5000", nil, "192.0.2.1", ""},
		{"a program on this machine", "127.0.0.1:5000", nil, "", "127.0.0.1"},
		{"another", "127.0.0.2:5000", nil, "", "127.0.0.2"},
		{"over IPv6", "[::1]:5000", nil, "", "::1"},
		{"a proxy on this machine", "127.0.0.1:5000", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"a proxy of IPv6", "127.0.0.1:5000", []string{"2001:db8::1"}, "2001:db8::/64", ""},
		{"a list", "[::1]:5000", []string{"10.0.0.1", "spoofed, 203.0.113.7"}, "203.0.113.7", ""},
		{"no port", "pipe", nil, "pipe", ""},
	} {
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{"X-Forwarded-For": test.forwarded}}
		if got := (Addresses{}).Of(r); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		want := cmp.Or(test.counted, test.want)
		if got := (Addresses{CountLoopback: true}).Of(r); got != want {
			t.Errorf("%s, with loopback counted: got %q, want %q", test.name, got, want)
		}
	}
}

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
		{"127.0.0.1", false}, {"127.0.0.1", false}, {"192.0.2.2", true}, // the fifth in all
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
	if q.held != 0 || len(c.admitted) != 0 {
		t.Errorf("%d are held after all have ended", q.held)
	}
	for _, from := range []string{"192.0.2.1", "192.0.2.2"} {
		if got := strings.Count(told.String(), "address="+from+" "); got != 1 {
			t.Errorf("the log names %s %d times, want once:\n%s", from, got, &told)
		}
	}
	c = NewConns(q, NewPace(1, 3), Addresses{CountLoopback: true}, log)
	for i, from := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.3"} {
		conn := &fakeConn{from: from}
		if c.State(conn, http.StateNew); conn.closed != (i == 2) {
			t.Errorf("with loopback counted: connection %d from %s: closed %v", i+1, from, conn.closed)
		}
	}
}

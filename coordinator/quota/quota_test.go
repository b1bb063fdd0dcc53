package quota

import (
	"net"
	"net/http"
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
	}{
		{"a client", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"a client that names another", "192.0.2.1:5000", []string{"203.0.113.7"}, "192.0.2.1"},
		{"a program on this machine", "127.0.0.1:5000", nil, ""},
		{"a proxy on this machine", "127.0.0.1:5000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"a list", "[::1]:5000", []string{"10.0.0.1", "spoofed, 203.0.113.7"}, "203.0.113.7"},
		{"no port", "pipe", nil, "pipe"},
		{"a subscriber's network", "[2001:db8:1:2:3:4:5:6]:5000", nil, "2001:db8:1:2::/64"},
		{"a host of it behind a proxy", "127.0.0.1:5000", []string{"2001:db8:1:2:ffff::1"}, "2001:db8:1:2::/64"},
		{"IPv4 as IPv6", "[::ffff:192.0.2.1]:5000", nil, "192.0.2.1"},
	} {
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{"X-Forwarded-For": test.forwarded}}
		if got := (Addresses{}).Of(r); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		want := test.want
		if want == "" {
			want = "127.0.0.1"
		}
		if got := (Addresses{Loopback: true}).Of(r); got != want {
			t.Errorf("%s, with loopback addresses counted: got %q, want %q", test.name, got, want)
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
	c := NewConns(q, Addresses{})
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
}

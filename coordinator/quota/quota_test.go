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
	} {
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{"X-Forwarded-For": test.forwarded}}
		if got := Address(r); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// fakeListener accepts connections from given addresses.
type fakeListener struct {
	net.Listener
	from   []string
	closed int
}

type fakeConn struct {
	net.Conn
	l    *fakeListener
	from string
}

func (f *fakeListener) Accept() (net.Conn, error) {
	if len(f.from) == 0 {
		return nil, net.ErrClosed
	}
	c := &fakeConn{l: f, from: f.from[0]}
	f.from = f.from[1:]
	return c, nil
}

func (f *fakeConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(f.from), Port: 1}
}

func (f *fakeConn) Close() error { f.l.closed++; return nil }

func TestListen(t *testing.T) {
	f := &fakeListener{from: []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "127.0.0.1", "127.0.0.1", "192.0.2.2"}}
	q := New(4, 2)
	l := Listen(f, q)
	var got []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		got = append(got, c)
	}
	// The third of one address is closed, and the fifth in all.
	if len(got) != 4 || f.closed != 2 {
		t.Errorf("%d are accepted and %d closed, want 4 and 2", len(got), f.closed)
	}
	for _, c := range got {
		c.Close()
		c.Close()
	}
	if q.held != 0 {
		t.Errorf("%d are held after all are closed", q.held)
	}
}

package quota

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
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
		{address: "", release: true}, {address: "a"}, {address: "a", want: ErrAddress},
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

// The networks of one IPv6 site hold a sixth of all together, and what they release is
// there again; others are not concerned.
func TestQuotaOfSites(t *testing.T) {
	q := New(60, 4)
	network := func(i int) string { return group(netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", i))) }
	held := 0
	for i := range 100 {
		if q.Acquire(network(i)) == nil {
			held++
		}
	}
	if held != 10 {
		t.Errorf("a site holds %d of 60, want 10", held)
	}
	if err := q.Acquire(network(0)); !errors.Is(err, ErrAddress) {
		t.Errorf("one more of the site: %v, want %v", err, ErrAddress)
	}
	for _, address := range []string{"192.0.2.1", group(netip.MustParseAddr("2001:db8:8::1")), ""} {
		if err := q.Acquire(address); err != nil {
			t.Errorf("%q beside the site: %v", address, err)
		}
	}
	q.Release(network(0))
	if err := q.Acquire(network(50)); err != nil {
		t.Errorf("after a release: %v", err)
	}
	small := New(12, 4) // a sixth is less than an address may have
	for i := range 4 {
		if err := small.Acquire(network(1)); err != nil {
			t.Errorf("participant %d of one network: %v", i, err)
		}
	}
	for range 4 {
		small.Release(network(1))
	}
	if len(small.addresses) != 0 || small.held != 0 {
		t.Errorf("after all is released, %v and %d are left", small.addresses, small.held)
	}
}

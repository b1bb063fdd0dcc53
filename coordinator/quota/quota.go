// Package quota bounds what peers hold and do: how many resources at one time, in all
// and from one address (Quota, Conns), and how often (Pace). It says which address a
// request counts for, also behind trusted reverse proxies (Addresses, Proxies), how a
// refusal is worded (Refusal), and when the log hears of it again (Notices, Notice).
//
// The hub counts sockets and handshakes this way, package web requests, downloads and
// event streams.
package quota

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// Why Acquire refuses.
var (
	ErrFull    = errors.New("too many connections")
	ErrAddress = errors.New("too many connections from one address")
)

// Quota counts what is held. It is safe for concurrent use.
type Quota struct {
	total      int
	perAddress int

	mu        sync.Mutex
	held      int
	addresses map[string]int // and sites
}

// siteShare is the share of the total that the addresses of one IPv6 site may hold
// together: a home or a company has up to 65,536 networks that count as addresses.
const siteShare = 6

// New returns a quota of total resources, of which one address may hold
// perAddress, and one IPv6 site a sixth of the total; 0 sets no bound.
func New(total, perAddress int) *Quota {
	return &Quota{total: total, perAddress: perAddress, addresses: map[string]int{}}
}

// Acquire counts one resource more for an address. An empty address counts
// towards the total only. Its errors are ErrAddress and, if that is no reason, ErrFull.
func (q *Quota) Acquire(address string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.check(address); err != nil {
		return err
	}
	q.held++
	if address != "" {
		q.addresses[address]++
	}
	if site := siteOf(address); site != "" {
		q.addresses[site]++
	}
	return nil
}

// Check returns the error that Acquire would return now.
func (q *Quota) Check(address string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.check(address)
}

func (q *Quota) check(address string) error {
	switch {
	case address != "" && q.perAddress > 0 && q.addresses[address] >= q.perAddress:
		return ErrAddress
	case q.total > 0 && q.held >= q.total:
		return ErrFull
	}
	if q.total > 0 && q.perAddress > 0 {
		if site := siteOf(address); site != "" && q.addresses[site] >= max(q.perAddress, q.total/siteShare) {
			return ErrAddress
		}
	}
	return nil
}

// Release undoes one Acquire.
func (q *Quota) Release(address string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held--
	if address == "" {
		return
	}
	for _, key := range []string{address, siteOf(address)} {
		if key == "" {
			continue
		}
		if q.addresses[key]--; q.addresses[key] == 0 {
			delete(q.addresses, key)
		}
	}
}

// siteOf returns the /48 of an IPv6 network that counts as an address; it is empty for
// any other address.
func siteOf(address string) string {
	if !strings.HasSuffix(address, "/64") {
		return ""
	}
	network, err := netip.ParsePrefix(address)
	if err != nil {
		return ""
	}
	return netip.PrefixFrom(network.Addr(), 48).Masked().String()
}

// Addresses says which address a connection counts for. A home or a server has an
// IPv6 network of 2^64 addresses at the least: they count as one, by their prefix.
type Addresses struct {
	// CountLoopback counts programs on this machine like any other, each loopback
	// address by itself; otherwise they are not counted.
	CountLoopback bool
	// Proxies are trusted to name their clients; nil trusts loopback addresses.
	Proxies *Proxies
}

// Of returns the address that a request counts for, empty if it is not counted. For a
// request of a trusted proxy it is the client's. A proxy whose word does not count is
// counted itself, also on this machine: one that is not trusted, and one whose headers
// cannot be read, or contradict each other, because a client that spoils them must not
// escape the count.
func (a Addresses) Of(r *http.Request) string {
	peer := peerOf(r.RemoteAddr)
	switch {
	case !names(r.Header), !peer.IsValid():
		return a.of(r.RemoteAddr)
	case !a.Proxies.trusts(peer):
		return group(peer)
	}
	client, err := a.Proxies.client(r.Header)
	switch {
	case errors.Is(err, errNone):
		return a.of(r.RemoteAddr)
	case err != nil:
		a.Proxies.unreadable(peer, err)
		return group(peer)
	}
	return a.counted(client)
}

// Untrusted reports whether a request names its client, but comes from an address
// that is no trusted proxy's.
func (a Addresses) Untrusted(r *http.Request) bool {
	return names(r.Header) && !a.Proxies.trusts(peerOf(r.RemoteAddr))
}

// Unnamed reports whether a request that comes from a trusted proxy's address, or from
// this machine, names no client.
func (a Addresses) Unnamed(r *http.Request) bool {
	peer := peerOf(r.RemoteAddr)
	if !a.Proxies.trusts(peer) {
		return peer.IsLoopback() && !names(r.Header)
	}
	_, err := a.Proxies.client(r.Header)
	return errors.Is(err, errNone)
}

// Local reports whether a request comes from this machine.
func (a Addresses) Local(r *http.Request) bool { return peerOf(r.RemoteAddr).IsLoopback() }

// Proxied reports whether a request comes from a trusted proxy on another machine.
func (a Addresses) Proxied(r *http.Request) bool {
	peer := peerOf(r.RemoteAddr)
	return a.Proxies.trusts(peer) && !peer.IsLoopback()
}

// shared says what to change where a request counts for the address of a proxy, with all
// clients of that proxy; it is empty where it counts for its client's.
func (a Addresses) shared(r *http.Request) string {
	peer := peerOf(r.RemoteAddr)
	switch {
	case a.Untrusted(r):
		return untrustedText
	case !a.Proxies.trusts(peer):
		return ""
	}
	switch _, err := a.Proxies.client(r.Header); {
	case err == nil, errors.Is(err, errNone) && peer.IsLoopback():
		return ""
	case errors.Is(err, errNone):
		return unnamedText
	}
	return unreadableText
}

// of returns the address that a connection from a remote HOST:PORT counts for.
func (a Addresses) of(remote string) string {
	peer := peerOf(remote)
	if !peer.IsValid() {
		return remote
	}
	return a.counted(peer)
}

// ofConn is of for a connection that carries requests. Those of a trusted proxy are of
// many clients.
func (a Addresses) ofConn(remote string) string {
	if peer := peerOf(remote); a.Proxies.trusts(peer) && !peer.IsLoopback() {
		return ""
	}
	return a.of(remote)
}

func (a Addresses) counted(address netip.Addr) string {
	if address.IsLoopback() && !a.CountLoopback {
		return ""
	}
	return group(address)
}

// group returns an IPv4 address as it is, and the /64 network of an IPv6 address.
func group(ip netip.Addr) string {
	if ip.Is4() || ip.IsLoopback() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// Package quota bounds how many resources peers hold at one time: in all, and
// from one address. Sockets of the hub and event streams of the API are counted
// this way.
package quota

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// Why Acquire refuses.
var (
	ErrFull    = errors.New("too many connections, try again later")
	ErrAddress = errors.New("too many connections from your address")
)

// Quota counts what is held. It is safe for concurrent use.
type Quota struct {
	total      int
	perAddress int

	mu        sync.Mutex
	held      int
	addresses map[string]int
}

// New returns a quota of total resources, of which one address may hold
// perAddress; 0 sets no bound.
func New(total, perAddress int) *Quota {
	return &Quota{total: total, perAddress: perAddress, addresses: map[string]int{}}
}

// Acquire counts one resource more for an address. An empty address counts
// towards the total only. Its errors are ErrFull and ErrAddress.
func (q *Quota) Acquire(address string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.total > 0 && q.held >= q.total:
		return ErrFull
	case address != "" && q.perAddress > 0 && q.addresses[address] >= q.perAddress:
		return ErrAddress
	}
	q.held++
	if address != "" {
		q.addresses[address]++
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
	if q.addresses[address]--; q.addresses[address] == 0 {
		delete(q.addresses, address)
	}
}

// Status returns the HTTP status for an error of Acquire.
func Status(err error) int {
	if errors.Is(err, ErrAddress) {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

// Addresses names the addresses that peers are counted for. The zero value counts no
// loopback address: programs on this machine are its owner's.
type Addresses struct {
	Loopback bool // count loopback addresses as well, each by itself
}

// Of returns the address that a request is counted for; it is empty for one that is
// not counted. A proxy on this machine names its client in the last entry of
// X-Forwarded-For; from elsewhere the header cannot be trusted.
func (a Addresses) Of(r *http.Request) string {
	if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 {
		if ip, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && ip.Addr().IsLoopback() {
			list := forwarded[len(forwarded)-1]
			return group(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
		}
	}
	return a.remote(r.RemoteAddr)
}

// remote returns the address that a connection from HOST:PORT is counted for.
func (a Addresses) remote(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() && !a.Loopback {
		return ""
	}
	return group(host)
}

// group returns what a host is counted as: an IPv6 address as its /64 network, all of
// which one subscriber has (RFC 6177), and any other as itself.
func group(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.IsLoopback() {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, _ := ip.WithZone("").Prefix(64)
	return network.String()
}

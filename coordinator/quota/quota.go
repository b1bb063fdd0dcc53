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

// Addresses says which address a connection counts for. A home or a server has an
// IPv6 network of 2^64 addresses at the least: they count as one, by their prefix.
type Addresses struct {
	// CountLoopback counts programs on this machine like any other, each loopback
	// address by itself; otherwise they are not counted.
	CountLoopback bool
}

// Of returns the address that a request counts for, empty if it is not counted. A
// proxy on this machine names its client in the last entry of X-Forwarded-For; from
// elsewhere the header cannot be trusted.
func (a Addresses) Of(r *http.Request) string {
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) > 0 && isLoopback(r.RemoteAddr) {
		list := forwarded[len(forwarded)-1]
		return group(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
	}
	return a.of(r.RemoteAddr)
}

// of returns the address that a connection from a remote HOST:PORT counts for.
func (a Addresses) of(remote string) string {
	if !a.CountLoopback && isLoopback(remote) {
		return ""
	}
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return group(host)
}

func isLoopback(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// group returns an IPv4 address as it is, and the /64 network of an IPv6 address.
func group(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() || ip.IsLoopback() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

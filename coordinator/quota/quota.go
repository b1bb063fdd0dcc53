// Package quota bounds how many resources peers hold at one time: in all, and
// from one address. Sockets of the hub and event streams of the API are counted
// this way.
package quota

import (
	"errors"
	"net"
	"net/http"
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

// Address returns the address that a request is counted for. A proxy on this
// machine names its client in the last entry of X-Forwarded-For; from elsewhere
// the header cannot be trusted. Programs on this machine are not counted, and
// the address is empty.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return host
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return ""
	}
	list := forwarded[len(forwarded)-1]
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

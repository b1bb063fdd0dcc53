package live

import (
	"context"
	"sync"

	"fedtab/protocol"

	"golang.org/x/sync/semaphore"
)

// shares is the number of addresses that fill a lease. The participants of one or two
// addresses cannot use it up, however slowly they send.
const shares = 4

// A Lease bounds the memory of the bodies in flight in a run: in all, and a share of
// that for one address. A session that finds either used up stops reading its socket
// until memory is released, in order of arrival. A nil Lease bounds nothing.
type Lease struct {
	total int64
	used  *semaphore.Weighted

	mu        sync.Mutex
	addresses map[string]*share
	unused    []*share // for the next addresses
}

// share is what the bodies of one address use of a lease.
type share struct {
	used  *semaphore.Weighted
	users int // bodies that use it or wait for it
}

// NewLease returns a lease of the given number of bytes. A body that is larger waits
// until no other is in flight; one larger than a share, until no other of its address
// is.
func NewLease(bytes int64) *Lease {
	return &Lease{total: bytes, used: semaphore.NewWeighted(bytes), addresses: map[string]*share{}}
}

// LeaseBytes returns the size of the lease of a run whose contributions are at most the
// given number of vectors of n parameters: protocol.MaxBodies, or more if a share has
// no room for one packed body and its values.
func LeaseBytes(n, vectors int) int64 {
	return max(protocol.MaxBodies, shares*2*protocol.MaxBody(uint64(n), vectors))
}

// clip returns the bytes that a body of an address counts for.
func (l *Lease) clip(address string, n int64) int64 {
	if address == "" {
		return min(n, l.total)
	}
	return min(n, max(l.total/shares, 1))
}

// acquire takes n bytes for a body of an address; an empty one has no share. It waits
// until they are free, or ctx ends.
func (l *Lease) acquire(ctx context.Context, address string, n int64) error {
	if l == nil {
		return nil
	}
	n = l.clip(address, n)
	if address != "" {
		s := l.enter(address)
		if err := s.used.Acquire(ctx, n); err != nil {
			l.leave(address)
			return err
		}
	}
	err := l.used.Acquire(ctx, n)
	if err != nil && address != "" {
		l.leave(address).used.Release(n)
	}
	return err
}

// release gives back what acquire took.
func (l *Lease) release(address string, n int64) {
	if l == nil || n == 0 {
		return
	}
	n = l.clip(address, n)
	l.used.Release(n)
	if address != "" {
		l.leave(address).used.Release(n)
	}
}

// enter returns the share of an address, for one user more.
func (l *Lease) enter(address string) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.addresses[address]
	if s == nil {
		if last := len(l.unused) - 1; last >= 0 {
			s, l.unused = l.unused[last], l.unused[:last]
		} else {
			s = &share{used: semaphore.NewWeighted(l.clip(address, l.total))}
		}
		l.addresses[address] = s
	}
	s.users++
	return s
}

// leave undoes enter. The caller releases what it took of the share.
func (l *Lease) leave(address string) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.addresses[address]
	if s.users--; s.users == 0 {
		delete(l.addresses, address)
		l.unused = append(l.unused, s)
	}
	return s
}

package live

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// A Lease bounds the memory of the bodies in flight, over all runs of a
// coordinator. A session that finds it used up stops reading its socket until memory
// is released, in order of arrival. A nil Lease bounds nothing.
type Lease struct {
	total int64
	used  *semaphore.Weighted
}

// NewLease returns a lease of the given number of bytes. A larger body waits until
// no other is in flight.
func NewLease(bytes int64) *Lease {
	return &Lease{total: bytes, used: semaphore.NewWeighted(bytes)}
}

func (l *Lease) acquire(ctx context.Context, n int64) error {
	if l == nil {
		return nil
	}
	return l.used.Acquire(ctx, min(n, l.total))
}

// release gives back what acquire took.
func (l *Lease) release(n int64) {
	if l != nil {
		l.used.Release(min(n, l.total))
	}
}

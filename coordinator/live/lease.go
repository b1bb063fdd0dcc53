package live

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// A Lease bounds the memory of the bodies that are on their way, over all runs
// of a coordinator. Who finds it used up waits, and its peer's line with it,
// first come first served. A nil Lease bounds nothing.
type Lease struct {
	total int64
	used  *semaphore.Weighted
}

// NewLease returns a lease of so many bytes. A body that is larger waits until
// it is alone.
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

package access

import (
	"sync"
	"time"
)

// ended are the sessions that have been signed out, and whose cookies would still be
// good. The zero value is ready, and safe for concurrent use.
type ended struct {
	mu  sync.Mutex
	all map[[idBytes]byte]time.Time // when the last cookie expires, by session
}

// maxEnded is the max number of sessions that are remembered.
const maxEnded = 10_000

func (e *ended) has(id [idBytes]byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.all[id]
	return ok
}

// add remembers a session. Others are forgotten only when there are too many: those that
// have expired, or else the one that expires first. (A clock that is set forward and back
// would bring back a session that is forgotten early.)
func (e *ended) add(id [idBytes]byte, now, expires time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = map[[idBytes]byte]time.Time{}
	}
	if len(e.all) >= maxEnded {
		e.forget(now)
	}
	e.all[id] = expires
}

func (e *ended) forget(now time.Time) {
	var first [idBytes]byte
	var at time.Time
	for id, expires := range e.all {
		if !now.Before(expires) {
			delete(e.all, id)
		} else if at.IsZero() || expires.Before(at) {
			first, at = id, expires
		}
	}
	if len(e.all) >= maxEnded {
		delete(e.all, first)
	}
}

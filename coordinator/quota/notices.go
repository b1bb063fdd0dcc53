package quota

import (
	"cmp"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Notices says when something that peers can cause is logged again: once a minute for
// each key. The zero value is ready, and safe for concurrent use.
type Notices struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	noticeEvery = time.Minute
	maxNotices  = 100 // keys that are remembered, and due in a minute
)

// Due reports whether a key has not been due for a minute. While too many keys are
// remembered, new ones are not due.
func (n *Notices) Due(key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if last, ok := n.last[key]; ok && now.Sub(last) < noticeEvery {
		return false
	}
	if len(n.last) >= maxNotices {
		for k, last := range n.last {
			if now.Sub(last) >= noticeEvery {
				delete(n.last, k)
			}
		}
		if len(n.last) >= maxNotices {
			return false
		}
	}
	if n.last == nil {
		n.last = map[string]time.Time{}
	}
	n.last[key] = now
	return true
}

// DueFor is Due for an address that is counted, or for the peer if it is empty.
func (n *Notices) DueFor(from, remote string) bool { return n.Due(cmp.Or(from, group(peerOf(remote)))) }

// Refused logs a refused request: once a minute for each address.
func (n *Notices) Refused(log *slog.Logger, r *http.Request, from string, refusal *Refusal) {
	from = cmp.Or(from, group(peerOf(r.RemoteAddr)))
	if n.Due(from) {
		log.Info("request refused", "address", from, "peer", r.RemoteAddr, "path", r.URL.Path, "code", refusal.Code, "reason", refusal.Reason())
	}
}

package quota

import (
	"cmp"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"fedtab/protocol"
)

// Notices says when something that peers can cause is logged again: once a minute for
// each address and code. The zero value is ready, and safe for concurrent use.
type Notices struct {
	mu        sync.Mutex
	addresses map[string]map[string]*Notice // by address and code
}

// Notice says when one thing is logged again: once a minute. What an organiser has to
// know has one of its own, which peers cannot fill. The zero value is ready, and safe
// for concurrent use.
type Notice struct {
	mu   sync.Mutex
	last time.Time
}

// noticeEvery is the time between two notices of the same.
const noticeEvery = time.Minute

// Due reports whether it has not been due for a minute.
func (n *Notice) Due() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if n.recent(now) {
		return false
	}
	n.last = now
	return true
}

func (n *Notice) recent(now time.Time) bool { return !n.last.IsZero() && now.Sub(n.last) < noticeEvery }

// Due reports whether a code has not been due for a minute for an address. While too many
// addresses are remembered, new ones are not due. Codes are the coordinator's own words,
// never a peer's.
func (n *Notices) Due(address, code string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	codes := n.addresses[address]
	if codes == nil {
		if len(n.addresses) >= protocol.MaxLoggedAddresses {
			n.forget(time.Now())
		}
		if len(n.addresses) >= protocol.MaxLoggedAddresses {
			return false
		}
		if n.addresses == nil {
			n.addresses = map[string]map[string]*Notice{}
		}
		codes = map[string]*Notice{}
		n.addresses[address] = codes
	}
	if codes[code] == nil {
		codes[code] = &Notice{}
	}
	return codes[code].Due()
}

// forget forgets the addresses for which nothing has been due for a minute.
func (n *Notices) forget(now time.Time) {
	for address, codes := range n.addresses {
		for code, notice := range codes {
			if !notice.recent(now) {
				delete(codes, code)
			}
		}
		if len(codes) == 0 {
			delete(n.addresses, address)
		}
	}
}

// DueFor is Due for an address that is counted, or for the peer if it is empty.
func (n *Notices) DueFor(from, remote, code string) bool {
	return n.Due(cmp.Or(from, group(peerOf(remote))), code)
}

// Refused logs a refused request: once a minute for each address and code.
func (n *Notices) Refused(log *slog.Logger, r *http.Request, from string, refusal *Refusal) {
	if n.DueFor(from, r.RemoteAddr, refusal.Code) {
		log.Info("request refused", "address", cmp.Or(from, group(peerOf(r.RemoteAddr))), "peer", r.RemoteAddr, "path", clip(r.URL.Path), "code", refusal.Code, "reason", refusal.Reason())
	}
}

package quota

import (
	"sync"

	"golang.org/x/time/rate"
)

// Pace bounds how often each address may do something. It is safe for concurrent use.
type Pace struct {
	limit rate.Limit
	burst int

	mu        sync.Mutex
	addresses map[string]*rate.Limiter
}

// NewPace returns a pace of limit a second, and burst at once; a limit of 0 sets no
// bound.
func NewPace(limit rate.Limit, burst int) *Pace {
	return &Pace{limit: limit, burst: burst, addresses: map[string]*rate.Limiter{}}
}

// maxPaced is how many addresses are remembered; those that have rested are forgotten
// beyond it.
const maxPaced = 10_000

// Allow reports whether an address may do it now. An empty address always may.
func (p *Pace) Allow(address string) bool {
	if address == "" || p.limit == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.addresses[address]
	if l == nil {
		if len(p.addresses) >= maxPaced {
			for a, l := range p.addresses {
				if l.Tokens() >= float64(p.burst) {
					delete(p.addresses, a)
				}
			}
		}
		l = rate.NewLimiter(p.limit, p.burst)
		p.addresses[address] = l
	}
	return l.Allow()
}

// Ready reports whether Allow would.
func (p *Pace) Ready(address string) bool {
	if address == "" || p.limit == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.addresses[address]
	return l == nil || l.Tokens() >= 1
}

package quota

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Pace bounds how often each address may do something. It is safe for concurrent use.
type Pace struct {
	limit rate.Limit
	burst int

	mu        sync.Mutex
	addresses map[string]*rate.Limiter
	swept     time.Time // when those that had rested were forgotten last
}

// NewPace returns a pace of limit a second, and burst at once; a limit of 0 sets no
// bound.
func NewPace(limit rate.Limit, burst int) *Pace {
	return &Pace{limit: limit, burst: burst, addresses: map[string]*rate.Limiter{}}
}

// maxPaced is how many addresses are remembered; beyond it those that have rested are
// forgotten, once a second.
const maxPaced = 10_000

// Rate returns how often an address may do it in the long run, a second.
func (p *Pace) Rate() float64 { return float64(p.limit) }

// Scaled returns a burst for a share of what it is meant for, 1 at least.
func Scaled(burst int, share float64) int { return max(1, int(float64(burst)*share)) }

// Allow reports whether an address may do it now. An empty address always may.
func (p *Pace) Allow(address string) bool {
	l := p.of(address)
	return l == nil || l.Allow()
}

// Rested reports whether an address may do it now, and counts nothing.
func (p *Pace) Rested(address string) bool {
	l := p.of(address)
	return l == nil || l.Tokens() > 0
}

// Charge counts what an address has done n times, also if it may not. What is beyond a
// burst counts as one.
func (p *Pace) Charge(address string, n int) {
	if l := p.of(address); l != nil {
		l.ReserveN(time.Now(), min(n, p.burst))
	}
}

// Wait waits for the turn of an address. Its error says that the turn does not come
// before ctx ends.
func (p *Pace) Wait(ctx context.Context, address string) error {
	l := p.of(address)
	if l == nil {
		return nil
	}
	return l.Wait(ctx)
}

// of returns the limiter of an address; nil if it has none.
func (p *Pace) of(address string) *rate.Limiter {
	if address == "" || p.limit == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.addresses[address]
	if l == nil {
		if now := time.Now(); len(p.addresses) >= maxPaced && now.Sub(p.swept) > time.Second {
			p.swept = now
			for a, l := range p.addresses {
				if l.Tokens() >= float64(p.burst) {
					delete(p.addresses, a)
				}
			}
		}
		l = rate.NewLimiter(p.limit, p.burst)
		p.addresses[address] = l
	}
	return l
}

// Ready reports whether Allow would.
func (p *Pace) Ready(address string) bool {
	l := p.of(address)
	return l == nil || l.Tokens() >= 1
}

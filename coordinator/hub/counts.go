package hub

import (
	"sync"

	"fedtab/protocol"
)

// Counts are what a hub has seen so far, for /metrics.
type Counts struct {
	Sessions int                        // open now
	Closed   map[protocol.CloseCode]int // sessions that the hub closed, and CloseNormal for those that were left or lost
	Refused  map[string]int             // handshakes, and hellos beyond the limit of an address, by reason: the code of a quota.Refusal, "host", "origin" or "request"
	Ignored  int                        // messages of unknown kinds
	Skipped  int                        // bodies that were not wanted
	Closing  bool                       // Shutdown has been called
}

type counts struct {
	mu      sync.Mutex
	closed  map[protocol.CloseCode]int
	refused map[string]int
	ignored int
	skipped int
}

func (c *counts) add(f func(*counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// Counts returns what the hub has seen so far.
func (h *Hub) Counts() Counts {
	out := Counts{Sessions: h.Sessions(), Closed: map[protocol.CloseCode]int{}, Refused: map[string]int{}}
	h.counts.add(func(c *counts) {
		for code, n := range c.closed {
			out.Closed[code] = n
		}
		for reason, n := range c.refused {
			out.Refused[reason] = n
		}
		out.Ignored, out.Skipped = c.ignored, c.skipped
	})
	out.Closing = h.ctx.Err() != nil
	return out
}

package protocol

import "time"

// Backoff returns the pause before the next attempt to connect: between half
// and the whole of a span that doubles with every attempt. random is in [0, 1)
// and spreads tabs that lost their coordinator at the same time.
func Backoff(attempts int, random float64) time.Duration {
	span := min(ReconnectMin<<min(attempts, 16), ReconnectMax)
	return span/2 + time.Duration(random*float64(span)/2)
}

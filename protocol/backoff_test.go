package protocol

import (
	"testing"
	"time"
)

// The pause doubles from ReconnectMin to ReconnectMax, and chance takes at
// most half of it away.
func TestBackoff(t *testing.T) {
	for _, test := range []struct {
		attempts int
		random   float64
		want     time.Duration
	}{
		{0, 0, ReconnectMin / 2},
		{0, .999999, ReconnectMin},
		{1, .999999, 2 * ReconnectMin},
		{3, 0, 4 * ReconnectMin},
		{50, 0, ReconnectMax / 2},
		{1 << 30, .999999, ReconnectMax},
	} {
		if got := Backoff(test.attempts, test.random); got < test.want-time.Millisecond || got > test.want {
			t.Errorf("attempt %d: %v, want %v", test.attempts, got, test.want)
		}
	}
}

package quota

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// An address may do a burst, and then so many a second; others are not touched by it,
// and addresses that have rested are forgotten.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(2, 5)
		allowed := func(address string, n int) (ok int) {
			for range n {
				if p.Allow(address) {
					ok++
				}
			}
			return ok
		}
		if got := allowed("a", 20); got != 5 {
			t.Errorf("%d at once, want 5", got)
		}
		time.Sleep(time.Second)
		if got := allowed("a", 20); got != 2 {
			t.Errorf("%d after a second, want 2", got)
		}
		if got := allowed("b", 20) + allowed("", 20); got != 25 {
			t.Errorf("%d of another address and of none, want 25", got)
		}
		for i := range 2 * maxPaced {
			p.Allow(fmt.Sprint(i))
			if i == maxPaced-10 {
				time.Sleep(time.Minute)
			}
		}
		if n := len(p.addresses); n > maxPaced+10 {
			t.Errorf("%d addresses are remembered", n)
		}
	})
}

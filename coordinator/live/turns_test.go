package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/protocol"
)

// As many bodies come at once as there are turns. The next one waits for the end of one,
// or for a slow one's time to be up, and takes no memory meanwhile.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		k := NewChecker(n, 1, 1, NewLease(4*protocol.MaxBody(n, 1)))
		k.TakeTurns(NewTurns(2, time.Second))
		borrow := func(ctx context.Context) *Body {
			b, err := k.Borrow(ctx, "", &protocol.Contribution{})
			if err != nil {
				return nil
			}
			return b
		}
		first, second := borrow(t.Context()), borrow(t.Context())
		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if borrow(short) != nil {
			t.Error("a third body is let in at once, want it to wait")
		}
		if !k.lease.used.TryAcquire(2 * protocol.MaxBody(n, 1)) {
			t.Fatal("a body that got no turn keeps its memory")
		}
		k.lease.used.Release(2 * protocol.MaxBody(n, 1))
		first.Release()
		third := borrow(t.Context())
		if took := time.Since(began); took != time.Second/2 {
			t.Errorf("the turn of a body that is released is free after %v more, want at once", took-time.Second/2)
		}
		fourth := borrow(t.Context())
		if took := time.Since(began); took != time.Second {
			t.Errorf("the turn of a slow body ends after %v, want %v", took, time.Second)
		}
		for _, b := range []*Body{second, third, fourth} { // that of second has ended
			b.Release()
		}
		if used := len(k.turns.free); used != 0 {
			t.Errorf("turns under way: %d, want 0", used)
		}
	})
}

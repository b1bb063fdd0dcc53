package run

import (
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/strategy"
)

// A cohort of 100 of which 30 drop out: all in one phase, each phase in turn, and spread over
// them. The model has about as many parameters as the 2NN of MNIST. The sum is that of the
// integers of those whose vectors have come, to the last bit, and the version is the mean that
// it says.
func TestSecureHundred(t *testing.T) {
	hidden := []int{440, 440}
	if testing.Short() {
		hidden = []int{50, 50}
	}
	m, err := learn.New(learn.MLP([]int{2}, hidden, 2))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		stops [4]int // drop-outs before keys, shares, masked vectors and shares that unmask
	}{
		{"keys", [4]int{30, 0, 0, 0}}, {"shares", [4]int{0, 30, 0, 0}}, {"masked vectors", [4]int{0, 0, 30, 0}},
		{"shares that unmask", [4]int{0, 0, 0, 30}}, {"all phases", [4]int{8, 7, 8, 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLodge(t, 100, func(c *Config, sc *strategy.Config) {
				c.Model = m
				c.Secure.Terms.Min, c.Secure.Terms.Max, c.Secure.Terms.Bits = 5, 100, 12
				c.Secure.Terms.Dropout, c.Secure.Terms.Corrupt = .3, .2
			})
			next := 0
			for phase, n := range test.stops {
				for range n {
					l.members[next].stops = [...]byte{sendsKeys, sendsShares, sendsMasked, sendsReveal}[phase]
					next += 3 // neighbours in the list are not neighbours in the graph
				}
			}
			l.until(1, 3*time.Minute)
			survivors := 100 - test.stops[0] - test.stops[1] - test.stops[2]
			if l.down.version != 1 || len(l.journal.sums) != 1 || len(l.journal.sums[0].Participants) != survivors {
				t.Fatalf("version %d, %d sums (%s), want version 1 with the sum of %d", l.down.version, len(l.journal.sums), l.abandonedFor(), survivors)
			}
			l.checkSums()
			l.wantMean()
		})
	}
}

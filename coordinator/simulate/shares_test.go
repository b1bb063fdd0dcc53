package simulate

import (
	"math"
	"testing"
)

// Two classes, of which 9 of 10 and 4 of 8 are recognised.
func TestShares(t *testing.T) {
	confusion := []int64{9, 1, 4, 4}
	labels := []uint8{0, 0, 1, 1}
	for _, test := range []struct {
		name   string
		shards [][]int32
		want   *Shares
	}{
		{"one of each class", [][]int32{{0, 1}, {2, 3}}, &Shares{.7, .2, .5}},
		{"mixed", [][]int32{{0, 2}, {1, 3}, {}}, &Shares{.7, 0, .7}},
		{"nobody", [][]int32{{}}, nil},
	} {
		got := sharesOf(confusion, 2, labels, test.shards)
		if (got == nil) != (test.want == nil) || got != nil && (math.Abs(got.Mean-test.want.Mean)+math.Abs(got.Deviation-test.want.Deviation)+math.Abs(got.Worst-test.want.Worst)) > 1e-12 {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	if got := sharesOf([]int64{9, 1, 0, 0}, 2, labels, [][]int32{{0, 2}}); got != nil {
		t.Errorf("without examples of a class: %+v", got)
	}
}

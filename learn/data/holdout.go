package data

import (
	"fmt"
	"math"
	"slices"

	"fedtab/learn/rng"
)

// Holdout divides n examples at random into those to learn from and a share,
// rounded, to test with; both in ascending order. It depends on nothing but its
// arguments. Each gets at least one example; the error wraps ErrSettings when
// that cannot be.
func Holdout(n int, share float64, seed uint64) (train, test []int32, err error) {
	if n < 2 || n > math.MaxInt32 {
		return nil, nil, fmt.Errorf("data: %d examples, want at least 2 to hold some out: %w", n, ErrSettings)
	}
	if !(share > 0 && share < 1) {
		return nil, nil, fmt.Errorf("data: a share of %v to hold out, want more than 0 and less than 1: %w", share, ErrSettings)
	}
	order := permutation(n, rng.Stream(seed, "holdout"))
	k := min(max(int(math.Round(share*float64(n))), 1), n-1)
	test, train = order[:k:k], order[k:]
	slices.Sort(test)
	slices.Sort(train)
	return train, test, nil
}

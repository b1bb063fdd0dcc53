package data

import (
	"fmt"
	"math"
	"slices"

	"fedtab/learn/rng"
)

// Holdout divides n examples at random into a training and a test set. The test
// set has the given share of the examples, rounded. Both are in ascending order,
// have at least one example and depend on the arguments alone. The error wraps
// ErrSettings.
func Holdout(n int, share float64, seed uint64) (train, test []int32, err error) {
	if n < 2 || n > math.MaxInt32 {
		return nil, nil, fmt.Errorf("data: %d examples, want at least 2 for a training and a test set: %w", n, ErrSettings)
	}
	if !(share > 0 && share < 1) {
		return nil, nil, fmt.Errorf("data: share is %v, want 0 < share < 1: %w", share, ErrSettings)
	}
	order := permutation(n, rng.Stream(seed, "holdout"))
	k := min(max(int(math.Round(share*float64(n))), 1), n-1)
	test, train = order[:k:k], order[k:]
	slices.Sort(test)
	slices.Sort(train)
	return train, test, nil
}

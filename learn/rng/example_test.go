package rng_test

import (
	"fmt"

	"fedtab/learn/rng"
)

// A coordinator draws a round's cohort from a stream of its own, named by the
// purpose and the round.
func ExampleStream() {
	const seed, round = 1, 17
	fmt.Println(rng.Stream(seed, "cohort", round).Perm(5))
	fmt.Println(rng.Stream(seed, "cohort", round).Perm(5))
	// Output:
	// [2 3 4 1 0]
	// [2 3 4 1 0]
}

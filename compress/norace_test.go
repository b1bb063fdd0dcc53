//go:build !race

package compress

// raced says that the race detector is on, which makes long computations take
// minutes. Nothing here is concurrent but what tests do themselves.
const raced = false

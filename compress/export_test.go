package compress

import "testing"

// What the tests of reference codecs share with those of this package's own.
var (
	CheckRoundTrip = checkRoundTrip
	CheckDamage    = checkDamage
	FuzzCodec      = fuzzCodec
	NMSE           = nmse
	Median         = median
)

// RecordedUpdates are ten updates of a real run, and their layout.
func RecordedUpdates(t testing.TB) ([]Tensor, [][]float32) {
	r := recorded(t)
	return r.tensors, r.updates
}

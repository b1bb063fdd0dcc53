package workload

import "math"

// Standing is how a speed stands against a recorded one.
type Standing string

// The standings.
const (
	Faster  Standing = "faster"
	Slower  Standing = "slower"
	Even    Standing = "even"    // within 5%, which is what two measurements differ by
	Unknown Standing = "unknown" // one of the two was not measured
)

// Against compares a rate with a recorded one. times is how many times the faster of the
// two is as fast as the other, rounded to two digits; 0 if the standing is Unknown.
func Against(rate, recorded float64) (times float64, is Standing) {
	r := rate / recorded
	if !(rate > 0 && recorded > 0) || math.IsInf(r, 0) || r == 0 {
		return 0, Unknown
	}
	is = Faster
	if r < 1 {
		r, is = 1/r, Slower
	}
	if r < 1.05 {
		is = Even
	}
	scale := math.Pow(10, 1-math.Floor(math.Log10(r)))
	return math.Round(r*scale) / scale, is
}

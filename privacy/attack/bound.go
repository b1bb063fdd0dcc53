package attack

import "math"

// MaxTPR returns the largest share of members that any attack recognises with a share fpr of
// false alarms, if what it sees is Gaussian noise on one of two vectors that are distance
// standard deviations apart (Dong, Roth, Su 2022, section 2.2). account.Distance has the
// distance.
func MaxTPR(distance, fpr float64) float64 {
	quantile := -math.Sqrt2 * math.Erfcinv(2*fpr)
	return math.Erfc(-(quantile+distance)/math.Sqrt2) / 2
}

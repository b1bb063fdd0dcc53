package attack

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// ROC is how well scores tell members from others: members are to have higher ones. Errors
// take scores as independent of each other.
type ROC struct {
	members, others []float64 // ascending
}

// NewROC returns the curve of scores, of which there are two or more of either kind. NaN
// counts as the lowest score.
func NewROC(members, others []float64) *ROC {
	return &ROC{ascending(members), ascending(others)}
}

func ascending(scores []float64) []float64 {
	s := slices.Clone(scores)
	for i, x := range s {
		if math.IsNaN(x) {
			s[i] = math.Inf(-1)
		}
	}
	slices.Sort(s)
	return s
}

// below returns the share of ascending scores that are less than x, equal ones counting half.
func below(scores []float64, x float64) float64 {
	low, _ := slices.BinarySearch(scores, x)
	equal := 1 - above(scores, x) - float64(low)/float64(len(scores))
	return float64(low)/float64(len(scores)) + equal/2
}

// above returns the share of ascending scores that are greater than x.
func above(scores []float64, x float64) float64 {
	high, _ := slices.BinarySearch(scores, math.Nextafter(x, math.Inf(1)))
	return float64(len(scores)-high) / float64(len(scores))
}

// Estimate is a figure with its standard error.
type Estimate struct{ Value, Error float64 }

// AUC returns the area under the curve: how often a member has a higher score than one of
// the others, 1/2 by chance. Its error is that of DeLong, DeLong, Clarke-Pearson 1988.
func (r *ROC) AUC() Estimate {
	m, o := make([]float64, len(r.members)), make([]float64, len(r.others))
	for i, x := range r.members {
		m[i] = below(r.others, x)
	}
	for i, x := range r.others {
		o[i] = below(r.members, x)
	}
	area, spread := stat.MeanVariance(m, nil)
	return Estimate{area, math.Sqrt(spread/float64(len(m)) + stat.Variance(o, nil)/float64(len(o)))}
}

// Advantage returns the largest difference of true and false positive rates over all
// thresholds (Yeom et al. 2018), with the error of both rates at that threshold. Chance
// alone makes it positive, by about the inverse root of the number of scores.
func (r *ROC) Advantage() Estimate {
	var best, tpr, fpr float64
	for _, x := range r.others {
		t, f := above(r.members, x), above(r.others, x)
		if t-f > best {
			best, tpr, fpr = t-f, t, f
		}
	}
	return Estimate{best, math.Sqrt(tpr*(1-tpr)/float64(len(r.members)) + fpr*(1-fpr)/float64(len(r.others)))}
}

// Share is a share with its exact interval of 95% (Clopper, Pearson 1934).
type Share struct{ Value, Low, High float64 }

// TPR returns the share of members with scores above a threshold that at most a share fpr of
// the others exceeds, 0 <= fpr < 1.
func (r *ROC) TPR(fpr float64) Share {
	n := len(r.others)
	x := r.others[n-1-int(fpr*float64(n))]
	return shareOf(int(math.Round(above(r.members, x)*float64(len(r.members)))), len(r.members))
}

// shareOf returns the share of hits among n.
func shareOf(hits, n int) Share {
	s := Share{Value: float64(hits) / float64(n), High: 1}
	if hits > 0 {
		s.Low = mathext.InvRegIncBeta(float64(hits), float64(n-hits)+1, .025)
	}
	if hits < n {
		s.High = mathext.InvRegIncBeta(float64(hits)+1, float64(n-hits), .975)
	}
	return s
}

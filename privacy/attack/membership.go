package attack

import "math"

// Confidence returns the logit of the probability that a classifier with softmax outputs
// gives a label, log p/(1-p). It falls as the loss log(1 + exp(-logit)) grows, and is nearly
// normal over models (Carlini et al. 2022, section V-A).
func Confidence(outputs []float32, label int) float64 {
	peak := math.Inf(-1)
	for k, z := range outputs {
		if k != label {
			peak = max(peak, float64(z))
		}
	}
	sum := 0.
	for k, z := range outputs {
		if k != label {
			sum += math.Exp(float64(z) - peak)
		}
	}
	return float64(outputs[label]) - peak - math.Log(sum)
}

// Trials are trainings of which each has an independent half of the candidates: each is
// attacked, and the others are its shadow models.
type Trials struct {
	Statistic [][]float64 // of each candidate, by trial; members are to have higher ones
	In        [][]bool    // whether the candidate was trained with
}

// Threshold says of all candidates with a statistic above one threshold that they are members:
// with Confidence, those of little loss (Yeom, Giacomelli, Fredrikson, Jha 2018).
func (t *Trials) Threshold() *ROC {
	var members, others []float64
	for i, all := range t.Statistic {
		for c, x := range all {
			if t.In[i][c] {
				members = append(members, x)
			} else {
				others = append(others, x)
			}
		}
	}
	return NewROC(members, others)
}

// LiRA compares, for each candidate, how likely its statistic is among shadow models trained
// with it and among those trained without it (the online attack of Carlini et al. 2022,
// algorithm 1). Both are normal with means of the candidate, and variances of all candidates
// together, as few shadow models want it (the same, section VI-C). A candidate that all
// shadow models of a trial have, or none, is left out of that trial.
func (t *Trials) LiRA() *ROC {
	of := make([][2]sums, len(t.Statistic[0]))
	for i, all := range t.Statistic {
		for c, x := range all {
			of[c][side(t.In[i][c])].add(x, 1)
		}
	}
	variance := variances(of)
	var scores [2][]float64
	for i, all := range t.Statistic {
		for c, x := range all {
			in := side(t.In[i][c])
			shadows := of[c]
			shadows[in].add(x, -1)
			if shadows[0].n == 0 || shadows[1].n == 0 {
				continue
			}
			scores[in] = append(scores[in], likelihood(x, shadows[1], variance[1])-likelihood(x, shadows[0], variance[0]))
		}
	}
	return NewROC(scores[1], scores[0])
}

// sums are those of a candidate's statistics.
type sums struct{ n, x, square float64 }

func (s *sums) add(x, times float64) {
	s.n += times
	s.x += times * x
	s.square += times * x * x
}

// side returns the index of models with a candidate, 1, or without it, 0.
func side(in bool) int {
	if in {
		return 1
	}
	return 0
}

// variances returns those of the statistics about the means of their candidates.
func variances(of [][2]sums) (variance [2]float64) {
	for k := range variance {
		var square, free float64
		for c := range of {
			if s := of[c][k]; s.n > 1 {
				square += s.square - s.x*s.x/s.n
				free += s.n - 1
			}
		}
		variance[k] = square / free
	}
	return variance
}

// likelihood returns the logarithm of a normal density, but for a constant.
func likelihood(x float64, s sums, variance float64) float64 {
	d := x - s.x/s.n
	return -(d*d/variance + math.Log(variance)) / 2
}

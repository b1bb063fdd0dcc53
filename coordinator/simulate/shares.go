package simulate

import (
	"math"
	"slices"
)

// Shares says how the version that was evaluated last does for the clients. A client's
// accuracy is that on the test set, in which each class has the client's share of it.
type Shares struct {
	Mean      float64 `json:"mean"` // each client counts once
	Deviation float64 `json:"deviation"`
	Worst     float64 `json:"worst_tenth"` // mean of the tenth of the clients, rounded up, with the lowest
}

// sharesOf returns the shares of clients with some of the examples with labels. It is nil
// where nothing is known: without classes, and for a class that the test set lacks.
func sharesOf(confusion []int64, classes int, labels []uint8, shards [][]int32) *Shares {
	if len(confusion) == 0 || labels == nil {
		return nil
	}
	right := make([]float64, classes) // of each class, the share that is recognised
	for c := range right {
		var n int64
		for _, k := range confusion[c*classes : (c+1)*classes] {
			n += k
		}
		right[c] = float64(confusion[c*classes+c]) / float64(n) // NaN: there are none
	}
	var all []float64
	for _, shard := range shards {
		if len(shard) == 0 {
			continue
		}
		var sum float64
		for _, i := range shard {
			sum += right[labels[i]]
		}
		all = append(all, sum/float64(len(shard)))
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	s := &Shares{Mean: mean(all), Worst: mean(all[:(len(all)+9)/10])}
	var squares float64
	for _, x := range all {
		squares += (x - s.Mean) * (x - s.Mean)
	}
	if s.Deviation = math.Sqrt(squares / float64(len(all))); math.IsNaN(s.Deviation) {
		return nil
	}
	return s
}

func mean(all []float64) float64 {
	var sum float64
	for _, x := range all {
		sum += x
	}
	return sum / float64(len(all))
}

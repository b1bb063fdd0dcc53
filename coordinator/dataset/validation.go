package dataset

import (
	"fmt"
	"math"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// setAside takes a share of the training examples out of them as the validation set. Clients
// that the data has itself keep the rest of theirs.
func (d *Dataset) setAside(share float64, seed uint64) error {
	n := d.Train.Len()
	if n < 2 {
		return fmt.Errorf("%d training examples, want at least 2: one of them is set aside", n)
	}
	rest, aside, err := data.Holdout(n, share, seed)
	if err != nil {
		return err
	}
	if d.clients != nil {
		d.keep(rest, n)
	}
	d.Validation, d.Train = d.Train.Select(aside), d.Train.Select(rest)
	d.content = nil // it is that of this task alone
	d.note("%d of the %d training examples are set aside for validation", len(aside), n)
	return nil
}

// keep leaves the clients that the data has those of the n training examples that remain,
// under their new indices.
func (d *Dataset) keep(rest []int32, n int) {
	to := make([]int32, n)
	for i := range to {
		to[i] = -1
	}
	for k, i := range rest {
		to[i] = int32(k)
	}
	var clients [][]int32
	for _, shard := range d.clients {
		var kept []int32
		for _, i := range shard {
			if to[i] >= 0 {
				kept = append(kept, to[i])
			}
		}
		if kept != nil {
			clients = append(clients, kept)
		}
	}
	if without := len(d.clients) - len(clients); without > 0 {
		d.note("%d clients have all their examples in the validation set, and are left out", without)
	}
	d.clients = clients
}

// note adds to the notes of this task, which shares the others.
func (d *Dataset) note(format string, args ...any) {
	d.Notes = append(d.Notes[:len(d.Notes):len(d.Notes)], fmt.Sprintf(format, args...))
}

// maxSample is the max number of examples that the guard judges by.
const maxSample = 1000

// guards reports whether the task's strategy has a guard.
func guards(t *task.Task) bool { return t.Strategy.Guard != 0 && !math.IsInf(t.Strategy.Guard, 1) }

// sampleOf returns some examples of a set, which may be released.
func sampleOf(s *data.Set) *data.Set { return s.Select(spaced(s.Len())) }

// spaced returns indices of n examples, at most maxSample, evenly spaced.
func spaced(n int) []int32 {
	sample := make([]int32, min(n, maxSample))
	for i := range sample {
		sample[i] = int32(i * n / len(sample))
	}
	return sample
}

package secagg

import "fmt"

// Releases are the sets of participants whose sums have been released of one quantity: of the
// same statistics, or of an evaluation of the same version. The difference of two sums is the
// sum of those in which their sets differ, so these must be as many as a sum needs, or
// none.
type Releases struct {
	Min  int // min participants of a difference
	sets []map[uint64]bool
}

// Release takes a set that is to be released. The error, which wraps ErrDifference, says that it
// is too near to one that has been.
func (r *Releases) Release(participants []uint64) error {
	next := make(map[uint64]bool, len(participants))
	for _, p := range participants {
		next[p] = true
	}
	if len(next) < r.Min {
		return fmt.Errorf("%w: %d participants, want %d", ErrTooFew, len(next), r.Min)
	}
	for _, before := range r.sets {
		both := 0
		for p := range next {
			if before[p] {
				both++
			}
		}
		for _, only := range []int{len(next) - both, len(before) - both} {
			if 0 < only && only < r.Min {
				return fmt.Errorf("%w: %d are in one of the sets alone, want %d or none", ErrDifference, only, r.Min)
			}
		}
	}
	r.sets = append(r.sets, next)
	return nil
}

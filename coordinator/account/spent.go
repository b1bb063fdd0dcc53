package account

import "fedtab/run"

// Epsilon returns the upper bound of an account of privacy; nil if there is no account, or no
// bound.
func Epsilon(s *run.Spent) *float64 {
	if s == nil {
		return nil
	}
	return run.Finite(&s.Epsilon)
}

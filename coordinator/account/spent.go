package account

import (
	"fedtab/api"
	"fedtab/run"
)

// Epsilon returns the upper bound of an account of privacy; nil if there is no account, or no
// bound.
func Epsilon(s *run.Spent) *float64 {
	if s == nil {
		return nil
	}
	return run.Finite(&s.Epsilon)
}

// With adds what a run tells to what earlier ones of its task have told, by basic composition.
// A run that has told nothing yet adds nothing.
func With(earlier *api.Together, s *run.Spent, adjacency string) *api.Together {
	sum := *earlier
	if s == nil {
		return &sum
	}
	switch e := Epsilon(s); {
	case e == nil || sum.Epsilon == nil:
		sum.Epsilon = nil
	default:
		total := *sum.Epsilon + *e
		sum.Epsilon = &total
	}
	sum.Delta += s.Delta
	if sum.Adjacency != adjacency {
		sum.Adjacency = api.Mixed
	}
	return &sum
}

// Add is With for one more earlier run. The sum of none is nil.
func Add(sum *api.Together, s *run.Spent, adjacency string) *api.Together {
	if sum == nil {
		sum = &api.Together{Epsilon: new(float64), Adjacency: adjacency}
	}
	sum = With(sum, s, adjacency)
	sum.Runs++
	return sum
}

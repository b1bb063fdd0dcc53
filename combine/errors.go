package combine

import "errors"

var (
	// ErrTooFew says that a rule needs more models than it was given.
	ErrTooFew = errors.New("too few models")

	// ErrNotFinite says that a value is infinite or NaN.
	ErrNotFinite = errors.New("value is not finite")

	// ErrSides says that the two sides of a Radon partition do not meet in
	// a point.
	ErrSides = errors.New("the sides of the Radon partition do not meet")

	// ErrParameter says that a rule's parameter is out of its range.
	ErrParameter = errors.New("parameter out of range")
)

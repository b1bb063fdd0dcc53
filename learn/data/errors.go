package data

import (
	"errors"
	"fmt"
)

var (
	// ErrFormat is wrapped by errors about malformed input: an IDX file, a shard
	// or a table.
	ErrFormat = errors.New("malformed data")
	// ErrTooLarge is wrapped by errors about input that exceeds a limit.
	ErrTooLarge = errors.New("data too large")
	// ErrDecimal is wrapped by errors about a table whose decimal sign no number shows. It
	// wraps ErrFormat.
	ErrDecimal = fmt.Errorf("unknown decimal sign: %w", ErrFormat)
	// ErrEmpty is wrapped by errors about a drawing without strokes.
	ErrEmpty = errors.New("empty drawing")
	// ErrSettings is wrapped by errors about the arguments of a partition or a
	// hold-out.
	ErrSettings = errors.New("invalid partition")
)

// Refusal is why data that a participant has brought cannot be used: sentences for that
// person, on what is wrong and what to do. It wraps another error of this package.
type Refusal struct {
	Text string
	Err  error
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// Unwrap returns the kind of error.
func (r *Refusal) Unwrap() error { return r.Err }

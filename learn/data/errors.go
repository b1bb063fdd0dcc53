package data

import "errors"

var (
	// ErrFormat is wrapped by errors about malformed input: an IDX file, a shard
	// or a table.
	ErrFormat = errors.New("malformed data")
	// ErrTooLarge is wrapped by errors about input that exceeds a limit.
	ErrTooLarge = errors.New("data too large")
	// ErrSettings is wrapped by errors about the arguments of a partition or a
	// hold-out.
	ErrSettings = errors.New("invalid partition")
)

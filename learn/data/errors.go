package data

import "errors"

var (
	// ErrFormat is wrapped when bytes are not a valid IDX file or shard.
	ErrFormat = errors.New("malformed data")
	// ErrTooLarge is wrapped when a file announces more than the caller's
	// limit allows.
	ErrTooLarge = errors.New("data too large")
	// ErrSettings is wrapped when examples cannot be divided as asked.
	ErrSettings = errors.New("impossible partition")
)

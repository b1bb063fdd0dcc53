package export

import "errors"

var (
	// ErrFormat is wrapped when a file is no model that this package has written.
	ErrFormat = errors.New("invalid model file")
	// ErrModel is wrapped when a Model does not fit together.
	ErrModel = errors.New("invalid model to export")
)

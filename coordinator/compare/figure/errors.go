package figure

import "errors"

// ErrEmpty is wrapped by the error of a figure without a value to draw.
var ErrEmpty = errors.New("no data")

package compress

import "errors"

// Errors of packing and unpacking.
var (
	ErrUnknownCodec = errors.New("compress: unknown codec")
	ErrBlock        = errors.New("compress: broken block")
	ErrNotFinite    = errors.New("compress: value is not finite")
	ErrRange        = errors.New("compress: value out of range")
	ErrLayout       = errors.New("compress: layout does not fit the vector")
	ErrOptions      = errors.New("compress: options do not fit the codec")
)

package protocol

import (
	"errors"
	"strconv"
)

// The errors of this package. What Decode and Assembler return wraps exactly
// one of them, with the path of the field that is to blame; CloseFor turns
// them into close codes.
var (
	// ErrMalformed: the bytes are no message. The peer is broken or hostile.
	ErrMalformed = errors.New("malformed")
	// ErrTooLarge: a frame, field, list or body is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrUnknownKind: the frame is well formed, but its message is of a kind
	// that this package does not know. See UnknownKindError.
	ErrUnknownKind = errors.New("unknown kind of message")
	// ErrTransfer: a chunk or an announcement that the rules of transfers do
	// not allow at this point.
	ErrTransfer = errors.New("transfer out of order")
)

// UnknownKindError says which kind a frame had. It is ErrUnknownKind to
// errors.Is. The peer is newer than this package: it is told so with
// ReasonUnsupported, and the session goes on.
type UnknownKindError struct{ Kind Kind }

// Error describes e.
func (e *UnknownKindError) Error() string {
	return "protocol: unknown kind of message " + strconv.FormatUint(uint64(e.Kind), 10)
}

// Is reports whether target is ErrUnknownKind.
func (e *UnknownKindError) Is(target error) bool { return target == ErrUnknownKind }

// A FieldError says which field of a message is wrong, and how. It wraps
// ErrMalformed or ErrTooLarge.
type FieldError struct {
	Path   string // "contribution.vectors[2].base_hash"
	Detail string // "5 bytes, want 0 or 32"
	Err    error
}

// Error describes e.
func (e *FieldError) Error() string {
	return "protocol: " + e.Path + ": " + e.Err.Error() + ": " + e.Detail
}

// Unwrap returns the sentinel.
func (e *FieldError) Unwrap() error { return e.Err }

// within puts the name of the enclosing field before e's path.
func (e *FieldError) within(name string) *FieldError {
	switch {
	case e.Path == "":
		e.Path = name
	case e.Path[0] == '[':
		e.Path = name + e.Path
	default:
		e.Path = name + "." + e.Path
	}
	return e
}

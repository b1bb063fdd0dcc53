package protocol

import (
	"errors"
	"strconv"
)

// The errors of this package. What Decode and Assembler return wraps exactly
// one of them; CloseFor turns them into close codes.
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

// The classes of ErrMalformed and ErrTooLarge, as docs/protocol.md names them.
// What wraps one of the two sentinels wraps exactly one of its classes.
var (
	ErrBrokenField   error = &class{"broken-field", ErrMalformed}   // a tag, number or field that ends early or has no such form
	ErrGroup         error = &class{"group", ErrMalformed}          // wire type 3 or 4
	ErrWireType      error = &class{"wire-type", ErrMalformed}      // a known field with another wire type than its own
	ErrRepeatedField error = &class{"repeated-field", ErrMalformed} // a field that is not repeated occurs twice
	ErrMessageCount  error = &class{"message-count", ErrMalformed}  // no message in the frame, or two
	ErrText          error = &class{"text", ErrMalformed}           // a string that is not UTF-8
	ErrNumber        error = &class{"number", ErrMalformed}         // a number too large for its field
	ErrHash          error = &class{"hash", ErrMalformed}           // neither 0 nor HashSize bytes
	ErrMixedBody     error = &class{"mixed-body", ErrMalformed}     // some blocks inline, some in chunks

	ErrFrameSize     error = &class{"frame-size", ErrTooLarge}     // of more than MaxFrame bytes
	ErrFieldSize     error = &class{"field-size", ErrTooLarge}     // text or bytes over their limit
	ErrListSize      error = &class{"list-size", ErrTooLarge}      // more elements than the list may have
	ErrUnknownFields error = &class{"unknown-fields", ErrTooLarge} // more than MaxUnknown in one message
	ErrAnnouncedSize error = &class{"announced-size", ErrTooLarge} // a size, count or length to come that no model needs
	ErrBodySize      error = &class{"body-size", ErrTooLarge}      // a body over the receiver's limit
)

// class is one way of being what a sentinel says.
type class struct {
	name string
	of   error
}

func (c *class) Error() string { return c.of.Error() + " (" + c.name + ")" }
func (c *class) Unwrap() error { return c.of }

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
// a class of ErrMalformed or of ErrTooLarge.
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

package compress

import (
	"errors"
	"strconv"
)

// Errors of packing and unpacking.
var (
	ErrUnknownCodec = errors.New("compress: unknown codec")
	ErrBlock        = errors.New("compress: broken block")
	ErrNotFinite    = errors.New("compress: value is not finite")
	ErrRange        = errors.New("compress: value out of range")
	ErrLayout       = errors.New("compress: layout does not fit the vector")
	ErrOptions      = errors.New("compress: options do not fit the codec")
)

// The classes of ErrBlock, as docs/compression.md names them. What a decoder says
// of a block wraps exactly one of them, or ErrNotFinite or ErrRange.
var (
	ErrVersion   error = &class{"version"}   // the block has another version than 1
	ErrTruncated error = &class{"truncated"} // the block ends before what it must hold
	ErrTrailing  error = &class{"trailing"}  // bytes follow its end
	ErrLength    error = &class{"length"}    // it has another number of values, or of bytes for them
	ErrParts     error = &class{"parts"}     // parts or segments of a wrong number or size
	ErrTable     error = &class{"table"}     // frequencies that fill no table
	ErrClasses   error = &class{"classes"}   // more classes than there may be
	ErrStream    error = &class{"stream"}    // a stream does not begin or end where it must
	ErrExponent  error = &class{"exponent"}  // float32-planes: none of a finite number
	ErrMantissas error = &class{"mantissas"} // float32-planes: more or fewer than there are values
	ErrHalvings  error = &class{"halvings"}  // grid: the step is halved too often
)

// class is one way of being broken.
type class struct{ name string }

func (c *class) Error() string { return ErrBlock.Error() + " (" + c.name + ")" }
func (c *class) Unwrap() error { return ErrBlock }

// incomparable keeps the compiler from making a function that compares the
// structs that it is in, large arrays and all.
type incomparable [0]func()

// refusal is an error of this package with what it is about. Decoding can fail
// in many places, and a call of fmt.Errorf takes 200 bytes of WebAssembly in
// each.
type refusal struct {
	_    incomparable
	err  error
	what string
	got  int
	want string // what would be right, if that says more; with got
}

func (r *refusal) Error() string {
	if r.want == "" {
		return r.err.Error() + ": " + r.what
	}
	return r.err.Error() + ": " + r.what + " " + strconv.Itoa(r.got) + ", want " + r.want
}

func (r *refusal) Unwrap() error { return r.err }

// broken says in which way a block is broken.
//
//go:noinline
func broken(class error, what string) error { return &refusal{err: class, what: what} }

// brokenBy says which number is wrong.
//
//go:noinline
func brokenBy(class error, what string, got, want int) error {
	return &refusal{err: class, what: what, got: got, want: strconv.Itoa(want)}
}

// outOfRange says what is wrong with which element.
//
//go:noinline
func outOfRange(what string, i int) error {
	return &refusal{err: ErrRange, what: "element " + strconv.Itoa(i) + " is " + what}
}

// notFinite says where.
//
//go:noinline
func notFinite(i int) error {
	return &refusal{err: ErrNotFinite, what: "element " + strconv.Itoa(i)}
}

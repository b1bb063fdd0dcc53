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

// broken says that a block is broken.
//
//go:noinline
func broken(what string) error { return &refusal{err: ErrBlock, what: what} }

// brokenBy says which number is wrong.
//
//go:noinline
func brokenBy(what string, got, want int) error {
	return &refusal{err: ErrBlock, what: what, got: got, want: strconv.Itoa(want)}
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

package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// An IDX file is: two zero bytes, the type (8 is unsigned byte, the only one
// taken here), the number of dimensions, each dimension as four bytes
// big-endian, and the elements, row-major. (Yann LeCun, "The MNIST database of
// handwritten digits".)
const (
	idxUint8 = 0x08
	maxDims  = 8
)

// ReadIDX reads an IDX file of unsigned bytes that must end where its header
// says. limit bounds the number of elements, and is checked before they are
// allocated.
func ReadIDX(r io.Reader, limit int) (Array, error) {
	in := &reader{r: r}
	a, err := in.array("file", limit)
	if err != nil {
		return Array{}, err
	}
	if err := in.end(); err != nil {
		return Array{}, err
	}
	return a, nil
}

// WriteIDX writes a as an IDX file. It panics when a has no dimension or too
// many, or a dimension that does not fit in 32 bits.
func WriteIDX(w io.Writer, a Array) error {
	if _, err := w.Write(appendIDXHeader(nil, a.Dims...)); err != nil {
		return fmt.Errorf("data: write IDX header: %w", err)
	}
	if _, err := w.Write(a.Data); err != nil {
		return fmt.Errorf("data: write IDX elements: %w", err)
	}
	return nil
}

func appendIDXHeader(dst []byte, dims ...int) []byte {
	if len(dims) == 0 || len(dims) > maxDims {
		panic(fmt.Sprintf("data: IDX file with %d dimensions, want 1 to %d", len(dims), maxDims))
	}
	dst = append(dst, 0, 0, idxUint8, byte(len(dims)))
	for _, d := range dims {
		if uint64(d) > 1<<32-1 {
			panic(fmt.Sprintf("data: IDX file with dimensions %v", dims))
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(d))
	}
	return dst
}

// AppendShard appends the examples of s with the given numbers in the shard
// format: an IDX file of images followed directly by an IDX file of labels.
func AppendShard(dst []byte, s *Set, index []int32) []byte {
	dims := append([]int{len(index)}, s.Shape...)
	dst = appendIDXHeader(dst, dims...)
	for _, i := range index {
		dst = append(dst, s.X[int(i)*s.features:][:s.features]...)
	}
	dst = appendIDXHeader(dst, len(index))
	for _, i := range index {
		dst = append(dst, s.Y[i])
	}
	return dst
}

// ReadShard reads what AppendShard wrote and nothing else. limit bounds the
// number of bytes in images and labels together, and is checked before they
// are allocated. The set's classes go up to the largest label in the shard.
func ReadShard(r io.Reader, limit int) (*Set, error) {
	in := &reader{r: r}
	images, err := in.array("images", limit)
	if err != nil {
		return nil, err
	}
	labels, err := in.array("labels", limit-len(images.Data))
	if err != nil {
		return nil, err
	}
	if err := in.end(); err != nil {
		return nil, err
	}
	return NewSet(images, labels, 0)
}

// reader reads IDX files and knows how far it is.
type reader struct {
	r  io.Reader
	at int64
}

// full fills b, which is the given part of the given array.
func (in *reader) full(b []byte, array, part string) error {
	n, err := io.ReadFull(in.r, b)
	in.at += int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("data: IDX %s ends at byte %d, %d bytes short in its %s: %w", array, in.at, len(b)-n, part, ErrFormat)
	case err != nil:
		return fmt.Errorf("data: read IDX %s at byte %d: %w", array, in.at, err)
	}
	return nil
}

func (in *reader) array(name string, limit int) (Array, error) {
	start := in.at
	var head [4]byte
	if err := in.full(head[:], name, "magic number"); err != nil {
		return Array{}, err
	}
	switch {
	case head[0] != 0 || head[1] != 0:
		return Array{}, fmt.Errorf("data: IDX %s at byte %d begins with %#02x %#02x, want two zeros: %w", name, start, head[0], head[1], ErrFormat)
	case head[2] != idxUint8:
		return Array{}, fmt.Errorf("data: IDX %s at byte %d has elements of type %#02x, want unsigned bytes, %#02x: %w", name, start, head[2], idxUint8, ErrFormat)
	case head[3] < 1 || head[3] > maxDims:
		return Array{}, fmt.Errorf("data: IDX %s at byte %d has %d dimensions, want 1 to %d: %w", name, start, head[3], maxDims, ErrFormat)
	}
	var sizes [4 * maxDims]byte
	if err := in.full(sizes[:4*int(head[3])], name, "dimensions"); err != nil {
		return Array{}, err
	}
	// A dimension of zero makes the product zero whatever the others are, so
	// the others are bounded one by one too.
	a := Array{Dims: make([]int, head[3])}
	size, least := uint64(1), uint64(1)
	for i := range a.Dims {
		d := uint64(binary.BigEndian.Uint32(sizes[4*i:]))
		size *= d
		least *= max(d, 1)
		if limit < 0 || least > uint64(limit) {
			return Array{}, fmt.Errorf("data: IDX %s at byte %d has more elements than the limit of %d allows: %w", name, start, max(limit, 0), ErrTooLarge)
		}
		a.Dims[i] = int(d)
	}
	a.Data = make([]uint8, size)
	if err := in.full(a.Data, name, "elements"); err != nil {
		return Array{}, err
	}
	return a, nil
}

// end checks that nothing follows.
func (in *reader) end() error {
	var b [1]byte
	n, err := io.ReadFull(in.r, b[:])
	switch {
	case n > 0:
		return fmt.Errorf("data: bytes follow the end at byte %d: %w", in.at, ErrFormat)
	case err != io.EOF:
		return fmt.Errorf("data: read at byte %d: %w", in.at, err)
	}
	return nil
}

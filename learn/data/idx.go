package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An IDX file consists of two zero bytes, the type, the number of dimensions, each
// dimension as four bytes big-endian, and the elements, row-major and big-endian
// (Yann LeCun, "The MNIST database of handwritten digits"). Images are unsigned
// bytes; shards have float32 too.
const (
	idxUint8   = 0x08
	idxFloat32 = 0x0d
	maxDims    = 8
)

// ReadIDX reads an IDX file of unsigned bytes. The file must end after the elements
// that its header declares. limit is the max number of elements, checked before
// they are allocated.
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

// WriteIDX writes a as an IDX file. It panics if a has not 1 to maxDims dimensions,
// or one of more than 32 bits.
func WriteIDX(w io.Writer, a Array) error {
	if _, err := w.Write(appendIDXHeader(nil, idxUint8, a.Dims...)); err != nil {
		return fmt.Errorf("data: write IDX header: %w", err)
	}
	if _, err := w.Write(a.Data); err != nil {
		return fmt.Errorf("data: write IDX elements: %w", err)
	}
	return nil
}

func appendIDXHeader(dst []byte, kind byte, dims ...int) []byte {
	if len(dims) == 0 || len(dims) > maxDims {
		panic(fmt.Sprintf("data: IDX file with %d dimensions, want 1 to %d", len(dims), maxDims))
	}
	dst = append(dst, 0, 0, kind, byte(len(dims)))
	for _, d := range dims {
		if uint64(d) > 1<<32-1 {
			panic(fmt.Sprintf("data: IDX file with dimensions %v", dims))
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(d))
	}
	return dst
}

// reader reads IDX files and counts the bytes read.
type reader struct {
	r  io.Reader
	at int64
}

// full fills b; array and part name it in errors.
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

// header reads a header and returns the type of the elements, which must be one of
// kinds, the dimensions and their product. limit is the max number of bytes of the
// elements.
func (in *reader) header(name string, limit int, kinds ...byte) (kind byte, dims []int, size int, err error) {
	start := in.at
	var head [4]byte
	if err := in.full(head[:], name, "magic number"); err != nil {
		return 0, nil, 0, err
	}
	switch {
	case head[0] != 0 || head[1] != 0:
		return 0, nil, 0, fmt.Errorf("data: IDX %s at byte %d begins with %#02x %#02x, want two zeros: %w", name, start, head[0], head[1], ErrFormat)
	case !slices.Contains(kinds, head[2]):
		return 0, nil, 0, fmt.Errorf("data: IDX %s at byte %d has elements of type %#02x, want %s: %w", name, start, head[2], kindNames(kinds), ErrFormat)
	case head[3] < 1 || head[3] > maxDims:
		return 0, nil, 0, fmt.Errorf("data: IDX %s at byte %d has %d dimensions, want 1 to %d: %w", name, start, head[3], maxDims, ErrFormat)
	}
	kind, dims = head[2], make([]int, head[3])
	var sizes [4 * maxDims]byte
	if err := in.full(sizes[:4*len(dims)], name, "dimensions"); err != nil {
		return 0, nil, 0, err
	}
	limit = max(limit, 0) / width(kind)
	// The product is zero if one dimension is, so each dimension is bounded too.
	size, least := 1, uint64(1)
	for i := range dims {
		d := binary.BigEndian.Uint32(sizes[4*i:])
		least *= max(uint64(d), 1)
		if least > uint64(limit) {
			return 0, nil, 0, fmt.Errorf("data: IDX %s at byte %d has more elements than the limit of %d allows: %w", name, start, limit, ErrTooLarge)
		}
		dims[i] = int(d)
		size *= int(d)
	}
	return kind, dims, size, nil
}

// width returns the number of bytes of an element.
func width(kind byte) int {
	if kind == idxFloat32 {
		return 4
	}
	return 1
}

func kindNames(kinds []byte) string {
	var names []string
	for _, k := range kinds {
		name := "unsigned bytes"
		if k == idxFloat32 {
			name = "float32"
		}
		names = append(names, fmt.Sprintf("%s, %#02x", name, k))
	}
	return strings.Join(names, ", or ")
}

// array reads an IDX file of unsigned bytes.
func (in *reader) array(name string, limit int) (Array, error) {
	_, dims, size, err := in.header(name, limit, idxUint8)
	if err != nil {
		return Array{}, err
	}
	return in.elements(name, dims, size)
}

func (in *reader) elements(name string, dims []int, size int) (Array, error) {
	a := Array{Dims: dims, Data: make([]uint8, size)}
	if err := in.full(a.Data, name, "elements"); err != nil {
		return Array{}, err
	}
	return a, nil
}

// more reports whether bytes follow.
func (in *reader) more() (bool, error) {
	b := make([]byte, 1)
	switch _, err := io.ReadFull(in.r, b); {
	case err == io.EOF:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("data: read at byte %d: %w", in.at, err)
	}
	in.r = io.MultiReader(bytes.NewReader(b), in.r)
	return true, nil
}

// end returns an error if bytes follow.
func (in *reader) end() error {
	more, err := in.more()
	if more {
		return fmt.Errorf("data: bytes follow the end at byte %d: %w", in.at, ErrFormat)
	}
	return err
}

package compress

import (
	"encoding/binary"
	"strconv"
)

// Tensor is the size of one tensor of a vector and the length of its rows (its
// last dimension; 0 or 1 if it has none). The
// values of a row of an update are alike: the rows of the first layer that
// belong to a dark pixel are all zero.
type Tensor struct{ Size, Row int }

// Flat is the layout of a vector of which only the length is known.
func Flat(n int) []Tensor { return []Tensor{{Size: n}} }

const (
	maxTensors = 1 << 8 // 2 KiB of header
	maxValues  = 1 << 28

	// A segment is one row if its length is between these; shorter rows are
	// joined, longer ones cut.
	minSegment = 64
	maxSegment = 1 << 10
	// shortestSegment is the min length that a decoder accepts. It bounds the
	// memory of the list of segments by that of the values.
	shortestSegment = 16
)

// part is a run of segments of one length; only the last may be shorter.
type part struct{ size, segment int }

// layout says how a vector is divided into segments.
type layout struct {
	n        int
	segments int
	parts    []part
}

// set makes l the layout of tensors, which may not be more than maxTensors.
// The last tensor is made as long as n asks for.
func (l *layout) set(tensors []Tensor, n int) error {
	l.n, l.segments, l.parts = n, 0, l.parts[:0]
	sum := 0
	for _, t := range tensors {
		if t.Size < 0 || t.Row < 0 {
			return &refusal{err: ErrLayout, what: "negative size"}
		}
		sum += t.Size
		if t.Size == 0 {
			continue
		}
		row := t.Row
		switch {
		case row <= 1:
			row = 2 * minSegment
		case row < minSegment:
			row *= (minSegment + row - 1) / row
		case row > maxSegment:
			pieces := (row + maxSegment/2 - 1) / (maxSegment / 2)
			row = (row + pieces - 1) / pieces
		}
		l.add(part{t.Size, row})
	}
	if sum != n {
		return &refusal{err: ErrLayout, what: "values in tensors:", got: sum, want: strconv.Itoa(n)}
	}
	if len(l.parts) > maxTensors {
		l.parts, l.segments = l.parts[:0], 0
		l.add(part{n, 2 * minSegment})
	}
	return nil
}

// add appends a part.
//
//go:noinline
func (l *layout) add(p part) {
	l.parts = append(l.parts, p)
	l.segments += (p.size + p.segment - 1) / p.segment
}

// append writes the number of parts and their sizes.
func (l *layout) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l.parts)))
	for _, p := range l.parts {
		dst = binary.AppendUvarint(dst, uint64(p.size))
		dst = binary.AppendUvarint(dst, uint64(p.segment))
	}
	return dst
}

// read is the inverse of append for a vector of n values; it returns the rest
// of b.
func (l *layout) read(b []byte, n int) ([]byte, error) {
	l.n, l.segments, l.parts = n, 0, l.parts[:0]
	count, b, err := uvarint(b, maxTensors, ErrParts, "number of parts")
	if err != nil {
		return nil, err
	}
	left := uint64(n)
	for range count {
		var size, segment uint64
		if size, b, err = uvarint(b, left, ErrParts, "size of a part"); err != nil {
			return nil, err
		}
		if segment, b, err = uvarint(b, maxValues, ErrParts, "length of a segment"); err != nil {
			return nil, err
		}
		if size == 0 || segment < shortestSegment {
			return nil, broken(ErrParts, "empty part, or segments that are too short")
		}
		left -= size
		l.add(part{int(size), int(segment)})
	}
	if left != 0 {
		return nil, brokenBy(ErrParts, "values in parts:", n-int(left), n)
	}
	return b, nil
}

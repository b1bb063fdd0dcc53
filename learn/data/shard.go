package data

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// A shard is an IDX file of examples followed directly by one of labels. The
// examples are unsigned bytes (images) or float32 (rows of a table), the labels
// unsigned bytes (classes) or float32 (targets of a regression). Images with a
// scaling other than p / 255 are followed by a third file, float32 [2]: the
// scaling. The types are in the IDX headers, so a reader of images alone refuses
// other shards by their type.

// AppendShard appends the examples index of s in the shard format.
func AppendShard(dst []byte, s *Set, index []int32) []byte {
	dims := append([]int{len(index)}, s.Shape...)
	if s.Values != nil {
		dst = appendIDXHeader(dst, idxFloat32, dims...)
		for _, i := range index {
			dst = appendFloats(dst, s.Values[int(i)*s.features:][:s.features])
		}
	} else {
		dst = appendIDXHeader(dst, idxUint8, dims...)
		for _, i := range index {
			dst = append(dst, s.X[int(i)*s.features:][:s.features]...)
		}
	}
	if s.Targets != nil {
		dst = appendIDXHeader(dst, idxFloat32, len(index))
		for _, i := range index {
			dst = appendFloats(dst, s.Targets[i:i+1])
		}
	} else {
		dst = appendIDXHeader(dst, idxUint8, len(index))
		for _, i := range index {
			dst = append(dst, s.Y[i])
		}
	}
	if s.scaling != nil {
		dst = appendIDXHeader(dst, idxFloat32, 2)
		dst = appendFloats(dst, []float32{s.scaling.Scale, s.scaling.Offset})
	}
	return dst
}

func appendFloats(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.BigEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// ReadShard reads a shard. No bytes may follow it. limit is the max number of bytes
// of examples and labels together, checked before they are allocated. The set's
// number of classes is the largest label plus one.
func ReadShard(r io.Reader, limit int) (*Set, error) {
	in := &reader{r: r}
	kind, dims, size, err := in.header("images", limit, idxUint8, idxFloat32)
	if err != nil {
		return nil, err
	}
	limit -= size * width(kind)
	if kind == idxFloat32 {
		return in.table(dims, size, limit)
	}
	images, err := in.elements("images", dims, size)
	if err != nil {
		return nil, err
	}
	labels, err := in.array("labels", limit)
	if err != nil {
		return nil, err
	}
	s, err := NewSet(images, labels, 0)
	if err != nil {
		return nil, err
	}
	if more, err := in.more(); err != nil || !more {
		return s, err
	}
	scaling, err := in.scaling()
	if err != nil {
		return nil, err
	}
	return s.Scaled(scaling)
}

// table reads the rest of a shard of a table.
func (in *reader) table(dims []int, size, limit int) (*Set, error) {
	values, err := in.floats("values", size)
	if err != nil {
		return nil, err
	}
	kind, labels, n, err := in.header("labels", limit, idxUint8, idxFloat32)
	if err != nil {
		return nil, err
	}
	if len(labels) != 1 {
		return nil, fmt.Errorf("data: labels have shape %v, want [n]: %w", labels, ErrFormat)
	}
	if n != dims[0] {
		return nil, fmt.Errorf("data: %d rows but %d labels: %w", dims[0], n, ErrFormat)
	}
	if kind == idxUint8 {
		y, err := in.elements("labels", labels, n)
		if err != nil {
			return nil, err
		}
		if err := in.end(); err != nil {
			return nil, err
		}
		return NewLabelled(dims[1:], values, y.Data, 0)
	}
	targets, err := in.floats("targets", n)
	if err != nil {
		return nil, err
	}
	if err := in.end(); err != nil {
		return nil, err
	}
	return NewMeasured(dims[1:], values, targets)
}

// floats reads n elements.
func (in *reader) floats(name string, n int) ([]float32, error) {
	v := make([]float32, n)
	var buf [4096]byte
	for done := 0; done < n; {
		piece := min(n-done, len(buf)/4)
		if err := in.full(buf[:4*piece], name, "elements"); err != nil {
			return nil, err
		}
		for i := range piece {
			v[done+i] = math.Float32frombits(binary.BigEndian.Uint32(buf[4*i:]))
		}
		done += piece
	}
	return v, nil
}

// scaling reads the third file of a shard.
func (in *reader) scaling() (Scaling, error) {
	_, dims, n, err := in.header("scaling", 8, idxFloat32)
	if err != nil {
		return Scaling{}, err
	}
	if len(dims) != 1 || n != 2 {
		return Scaling{}, fmt.Errorf("data: scaling has shape %v, want [2]: %w", dims, ErrFormat)
	}
	v, err := in.floats("scaling", n)
	if err != nil {
		return Scaling{}, err
	}
	return Scaling{Scale: v[0], Offset: v[1]}, in.end()
}

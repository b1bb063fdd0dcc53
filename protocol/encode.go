package protocol

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Append appends m's frame to dst and returns the extended slice. The
// encoding is canonical: fields in ascending order, zero values left out,
// lists of numbers packed. Texts for people pass through ClipText; Append checks
// no other limit. It encodes a Model or Contribution of any size as one frame:
// Frames cuts bodies over InlineBody into chunks.
//
// Append allocates only where dst lacks room.
func Append(dst []byte, m Message) []byte {
	w := writer{b: dst}
	w.frame(m)
	return w.b
}

// Size returns the length of m's frame, len(Append(nil, m)), without
// encoding it.
func Size(m Message) int {
	w := writer{counting: true}
	w.frame(m)
	return w.n
}

// A writer encodes fields, or only counts their bytes.
type writer struct {
	b        []byte
	n        int
	counting bool
	// announcing leaves the vectors' blocks out and writes their sizes.
	announcing bool
}

// counter returns a writer that counts what w would write.
func (w *writer) counter() writer {
	return writer{counting: true, announcing: w.announcing}
}

func (w *writer) frame(m Message) {
	c := w.counter()
	c.message(m)
	w.open(protowire.Number(m.kind()), c.n)
	if w.counting {
		w.n += c.n
	} else {
		w.message(m)
	}
}

// open writes the tag and length of a field of n bytes.
func (w *writer) open(num protowire.Number, n int) {
	if w.counting {
		w.n += protowire.SizeTag(num) + protowire.SizeVarint(uint64(n))
		return
	}
	w.b = protowire.AppendTag(w.b, num, protowire.BytesType)
	w.b = protowire.AppendVarint(w.b, uint64(n))
}

func (w *writer) uint(num protowire.Number, v uint64) {
	switch {
	case v == 0:
	case w.counting:
		w.n += protowire.SizeTag(num) + protowire.SizeVarint(v)
	default:
		w.b = protowire.AppendTag(w.b, num, protowire.VarintType)
		w.b = protowire.AppendVarint(w.b, v)
	}
}

func (w *writer) bool(num protowire.Number, v bool) {
	w.uint(num, protowire.EncodeBool(v))
}

// float omits positive zero only: the encoding keeps all bits.
func (w *writer) float(num protowire.Number, v float32) {
	bits := math.Float32bits(v)
	switch {
	case bits == 0:
	case w.counting:
		w.n += protowire.SizeTag(num) + protowire.SizeFixed32()
	default:
		w.b = protowire.AppendTag(w.b, num, protowire.Fixed32Type)
		w.b = protowire.AppendFixed32(w.b, bits)
	}
}

func (w *writer) double(num protowire.Number, v float64) {
	bits := math.Float64bits(v)
	switch {
	case bits == 0:
	case w.counting:
		w.n += protowire.SizeTag(num) + protowire.SizeFixed64()
	default:
		w.b = protowire.AppendTag(w.b, num, protowire.Fixed64Type)
		w.b = protowire.AppendFixed64(w.b, bits)
	}
}

func (w *writer) bytes(num protowire.Number, v []byte) {
	if len(v) == 0 {
		return
	}
	w.open(num, len(v))
	if w.counting {
		w.n += len(v)
	} else {
		w.b = append(w.b, v...)
	}
}

func (w *writer) string(num protowire.Number, v string) {
	if v == "" {
		return
	}
	w.open(num, len(v))
	if w.counting {
		w.n += len(v)
	} else {
		w.b = append(w.b, v...)
	}
}

// text writes a text for people, clipped to what Decode accepts.
func (w *writer) text(num protowire.Number, v string) { w.string(num, ClipText(v)) }

// packed writes a list of numbers as one field.
func packed[T ~uint32](w *writer, num protowire.Number, list []T) {
	if len(list) == 0 {
		return
	}
	n := 0
	for _, v := range list {
		n += protowire.SizeVarint(uint64(v))
	}
	w.open(num, n)
	if w.counting {
		w.n += n
		return
	}
	for _, v := range list {
		w.b = protowire.AppendVarint(w.b, uint64(v))
	}
}

func packedFloats(w *writer, num protowire.Number, list []float32) {
	if len(list) == 0 {
		return
	}
	w.open(num, 4*len(list))
	if w.counting {
		w.n += 4 * len(list)
		return
	}
	for _, v := range list {
		w.b = protowire.AppendFixed32(w.b, math.Float32bits(v))
	}
}

// packedDoubles writes a list of numbers of 64 bits.
func packedDoubles(w *writer, num protowire.Number, list []float64) {
	if len(list) == 0 {
		return
	}
	w.open(num, 8*len(list))
	if w.counting {
		w.n += 8 * len(list)
		return
	}
	for _, v := range list {
		w.b = protowire.AppendFixed64(w.b, math.Float64bits(v))
	}
}

package protocol

import (
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Decode returns the message in a frame, the payload of one binary WebSocket
// message.
//
// The Data of a Chunk and the Block of a Vector alias the frame; everything
// else is copied. An empty []byte field and an empty list are nil.
//
// Decode takes what proto3 allows (any order of fields, zero values, lists
// packed or not) with these exceptions, which are errors: a known field with
// the wrong wire type, a field that is not repeated occurring twice, two
// messages in one frame, group wire types, text that is not UTF-8, numbers
// that do not fit their field, hashes that are neither empty nor HashSize
// bytes, lists and fields over their limits. Unknown fields are skipped, at
// most MaxUnknown in each message. Enumerations keep unknown values, because
// they have typed answers; see docs/protocol.md.
//
// Errors wrap a class of ErrMalformed or of ErrTooLarge, or ErrUnknownKind. What a
// message announces (blocks, payloads, parameters) is refused here if it is
// larger than any model needs. Decode allocates
// at most a small multiple of the frame's length and a fixed amount of about
// 50 KB.
func Decode(frame []byte) (Message, error) {
	if len(frame) > MaxFrame {
		return nil, &FieldError{"frame", strconv.Itoa(len(frame)) + " bytes, want at most " + strconv.Itoa(MaxFrame), ErrFrameSize}
	}
	r := reader{b: frame}
	var m Message
	var unknown Kind
	for r.next() {
		if !Kind(r.num).known() {
			if unknown == 0 {
				unknown = Kind(r.num)
			}
			r.skip()
			continue
		}
		name := Kind(r.num).String()
		if m != nil {
			r.fail(name, ErrMessageCount, "a second message in the frame")
			break
		}
		if sub, ok := r.nested(name); ok {
			m = sub.message(Kind(r.num))
			r.join(name, &sub)
		}
	}
	switch {
	case r.err != nil:
		if r.err.Path == "" {
			r.err.Path = "frame"
		}
		return nil, r.err
	case m != nil:
		return m, nil
	case unknown != 0:
		return nil, &UnknownKindError{unknown}
	}
	return nil, &FieldError{"frame", "no message in it", ErrMessageCount}
}

// A reader decodes the fields of one message. After an error it has no more
// fields.
type reader struct {
	b       []byte // what follows the present field
	num     protowire.Number
	typ     protowire.Type
	u       uint64 // value of a varint, fixed32 or fixed64 field
	v       []byte // value of a bytes field
	seen    uint32 // bit num is set when the singular field num was met
	unknown int
	err     *FieldError
}

// next reads the next field and reports whether there is one.
func (r *reader) next() bool {
	if r.err != nil || len(r.b) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(r.b)
	if n < 0 || num > protowire.MaxValidNumber {
		r.fail("", ErrBrokenField, "broken tag")
		return false
	}
	r.num, r.typ, r.b = num, typ, r.b[n:]
	switch typ {
	case protowire.VarintType:
		r.u, n = protowire.ConsumeVarint(r.b)
	case protowire.Fixed32Type:
		var u uint32
		u, n = protowire.ConsumeFixed32(r.b)
		r.u = uint64(u)
	case protowire.Fixed64Type:
		r.u, n = protowire.ConsumeFixed64(r.b)
	case protowire.BytesType:
		r.v, n = protowire.ConsumeBytes(r.b)
	case protowire.StartGroupType, protowire.EndGroupType:
		r.fail("", ErrGroup, "field "+strconv.Itoa(int(num))+" has wire type "+strconv.Itoa(int(typ)))
		return false
	default:
		n = -1
	}
	if n < 0 {
		r.fail("", ErrBrokenField, "broken or truncated field "+strconv.Itoa(int(num)))
		return false
	}
	r.b = r.b[n:]
	return true
}

// fail records the first error.
func (r *reader) fail(name string, err error, detail string) {
	if r.err == nil {
		r.err = &FieldError{name, detail, err}
	}
}

// over records that the field has n units and may have limit.
func (r *reader) over(name string, err error, n, limit int, unit string) {
	r.fail(name, err, strconv.Itoa(n)+" "+unit+", want at most "+strconv.Itoa(limit))
}

// skip passes over an unknown field.
func (r *reader) skip() {
	if r.unknown++; r.unknown > MaxUnknown {
		r.over("", ErrUnknownFields, r.unknown, MaxUnknown, "unknown fields")
	}
}

// wire reports whether the field has the wire type that its name wants.
func (r *reader) wire(name string, want protowire.Type) bool {
	if r.typ != want {
		r.fail(name, ErrWireType, "wire type "+strconv.Itoa(int(r.typ))+", want "+strconv.Itoa(int(want)))
		return false
	}
	return true
}

// singular is wire for a field that may occur at most once.
func (r *reader) singular(name string, want protowire.Type) bool {
	bit := uint32(1) << r.num // the field numbers of all messages are below 32
	if r.seen&bit != 0 {
		r.fail(name, ErrRepeatedField, "occurs twice")
		return false
	}
	r.seen |= bit
	return r.wire(name, want)
}

// nested returns a reader of the singular sub-message in the field.
func (r *reader) nested(name string) (reader, bool) {
	ok := r.singular(name, protowire.BytesType)
	return reader{b: r.v}, ok
}

// join takes over the error of sub, which read the sub-message name.
func (r *reader) join(name string, sub *reader) {
	if sub.err != nil {
		r.err = sub.err.within(name)
	}
}

func (r *reader) uint64(name string) uint64 {
	if !r.singular(name, protowire.VarintType) {
		return 0
	}
	return r.u
}

// announced returns the size or count of something that is to come, for which
// memory will be needed: above limit it is refused before any is allocated.
func (r *reader) announced(name string, limit uint64) uint64 {
	v := r.uint64(name)
	if v > limit {
		r.fail(name, ErrAnnouncedSize, strconv.FormatUint(v, 10)+", want at most "+strconv.FormatUint(limit, 10))
		return 0
	}
	return v
}

func (r *reader) uint32(name string) uint32 {
	return uint32(r.atMost(name, math.MaxUint32))
}

// atMost returns the number in the field; above limit it is an error.
func (r *reader) atMost(name string, limit uint64) uint64 {
	v := r.uint64(name)
	if v > limit {
		r.fail(name, ErrNumber, strconv.FormatUint(v, 10)+", want at most "+strconv.FormatUint(limit, 10))
		return 0
	}
	return v
}

// enum returns the number in the field, known or not. This protocol has no
// negative enumerations.
func (r *reader) enum(name string) uint32 {
	return uint32(r.atMost(name, math.MaxInt32))
}

func (r *reader) bool(name string) bool {
	return r.atMost(name, 1) == 1
}

func (r *reader) float(name string) float32 {
	if !r.singular(name, protowire.Fixed32Type) {
		return 0
	}
	return math.Float32frombits(uint32(r.u))
}

func (r *reader) double(name string) float64 {
	if !r.singular(name, protowire.Fixed64Type) {
		return 0
	}
	return math.Float64frombits(r.u)
}

// alias returns the bytes in the field, without a copy.
func (r *reader) alias(name string, limit int) []byte {
	if !r.singular(name, protowire.BytesType) || len(r.v) == 0 {
		return nil
	}
	if len(r.v) > limit {
		r.over(name, ErrFieldSize, len(r.v), limit, "bytes")
		return nil
	}
	return r.v[:len(r.v):len(r.v)]
}

// bytes returns a copy of the bytes in the field.
func (r *reader) bytes(name string, limit int) []byte {
	return append([]byte(nil), r.alias(name, limit)...)
}

func (r *reader) hash(name string) []byte {
	if !r.singular(name, protowire.BytesType) || len(r.v) == 0 {
		return nil
	}
	if len(r.v) != HashSize {
		r.fail(name, ErrHash, strconv.Itoa(len(r.v))+" bytes, want 0 or "+strconv.Itoa(HashSize))
		return nil
	}
	return append([]byte(nil), r.v...)
}

func (r *reader) text(name string, limit int) string {
	v := r.alias(name, limit)
	if !utf8.Valid(v) {
		r.fail(name, ErrText, "not UTF-8")
		return ""
	}
	return string(v)
}

// unpack appends the numbers in the field, one or a packed list, to list. Each
// is at most max; list has at most limit.
func unpack[T ~uint32](r *reader, name string, list []T, limit int, max uint32) []T {
	one := func(v uint64) bool {
		if len(list) == limit {
			r.over(name, ErrListSize, limit+1, limit, "numbers")
			return false
		}
		if v > uint64(max) {
			r.fail(name, ErrNumber, strconv.FormatUint(v, 10)+", want at most "+strconv.FormatUint(uint64(max), 10))
			return false
		}
		list = append(list, T(v))
		return true
	}
	if r.typ == protowire.VarintType {
		one(r.u)
		return list
	}
	if !r.wire(name, protowire.BytesType) {
		return list
	}
	if list == nil {
		list = make([]T, 0, min(len(r.v), limit))
	}
	for b := r.v; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			r.fail(name, ErrBrokenField, "broken or truncated number")
			return list
		}
		if !one(v) {
			return list
		}
		b = b[n:]
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// unpackFloats is unpack for numbers of 32 bits.
func unpackFloats(r *reader, name string, list []float32, limit int) []float32 {
	one := func(v uint32) bool {
		if len(list) == limit {
			r.over(name, ErrListSize, limit+1, limit, "numbers")
			return false
		}
		list = append(list, math.Float32frombits(v))
		return true
	}
	if r.typ == protowire.Fixed32Type {
		one(uint32(r.u))
		return list
	}
	if !r.wire(name, protowire.BytesType) {
		return list
	}
	for b := r.v; len(b) > 0; {
		v, n := protowire.ConsumeFixed32(b)
		if n < 0 {
			r.fail(name, ErrBrokenField, "broken or truncated number")
			return list
		}
		if !one(v) {
			return list
		}
		b = b[n:]
	}
	return list
}

// unpackDoubles is unpack for numbers of 64 bits.
func unpackDoubles(r *reader, name string, list []float64, limit int) []float64 {
	one := func(v uint64) bool {
		if len(list) == limit {
			r.over(name, ErrListSize, limit+1, limit, "numbers")
			return false
		}
		list = append(list, math.Float64frombits(v))
		return true
	}
	if r.typ == protowire.Fixed64Type {
		one(r.u)
		return list
	}
	if !r.wire(name, protowire.BytesType) {
		return list
	}
	for b := r.v; len(b) > 0; {
		v, n := protowire.ConsumeFixed64(b)
		if n < 0 {
			r.fail(name, ErrBrokenField, "broken or truncated number")
			return list
		}
		if !one(v) {
			return list
		}
		b = b[n:]
	}
	return list
}

// element returns a reader of the next element of a repeated sub-message, which
// has n elements so far and may have limit.
func (r *reader) element(name string, n, limit int) (reader, bool) {
	if n == limit {
		r.over(name, ErrListSize, n+1, limit, "elements")
		return reader{}, false
	}
	ok := r.wire(name, protowire.BytesType)
	return reader{b: r.v}, ok
}

// joinElement takes over the error of sub, which read element i.
func (r *reader) joinElement(name string, i int, sub *reader) {
	if sub.err != nil {
		r.err = sub.err.within("[" + strconv.Itoa(i) + "]").within(name)
	}
}

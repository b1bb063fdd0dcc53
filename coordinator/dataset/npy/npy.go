// Package npy reads arrays in NumPy's format .npy, versions 1 to 3 (NEP 1, and
// numpy.lib.format). It reads what examples are made of: booleans, integers and floating
// point numbers in C order. Memory grows with the bytes that are there, not with what a
// header promises.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

var (
	// ErrFormat is wrapped by errors about malformed files, and about arrays that this
	// package does not read.
	ErrFormat = errors.New("malformed npy file")
	// ErrTooLarge is wrapped by errors about arrays that exceed the limit.
	ErrTooLarge = errors.New("array too large")
)

// Limits of a header.
const (
	maxHeader = 1 << 16 // bytes; NumPy writes 118 for the arrays that this package reads
	maxDims   = 8
	pieceSize = 1 << 16 // bytes that are read at once
)

const magic = "\x93NUMPY"

// Array is an array in row-major order.
type Array struct {
	Type   string    // of the elements, as NumPy writes it: |u1, <f4
	Shape  []int     // none for a single number
	Bytes  []uint8   // elements of type u1 or b1; nil for others
	Floats []float32 // elements of the other types, rounded to float32; nil for u1 and b1
}

// Len returns the number of elements.
func (a *Array) Len() int { return len(a.Bytes) + len(a.Floats) }

// At returns element i as a number.
func (a *Array) At(i int) float32 {
	if a.Bytes != nil {
		return float32(a.Bytes[i])
	}
	return a.Floats[i]
}

// header is what precedes the elements.
type header struct {
	kind  byte // b, u, i or f
	size  int  // bytes of an element
	order binary.ByteOrder
	typ   string
	shape []int
}

// Read reads an array, after whose elements the file must end. maxBytes is the max number
// of bytes that the elements take in memory: 1 each of u1 and b1, 4 of other types.
// The error wraps ErrFormat or ErrTooLarge, or is that of r.
func Read(r io.Reader, maxBytes int) (*Array, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	n, err := h.elements(maxBytes)
	if err != nil {
		return nil, err
	}
	a := &Array{Type: h.typ, Shape: h.shape}
	if h.size == 1 && h.kind != 'i' {
		a.Bytes = []uint8{}
	} else {
		a.Floats = []float32{}
	}
	buffer := make([]byte, pieceSize)
	for done := 0; done < n; {
		piece := min(n-done, pieceSize/h.size)
		b := buffer[:piece*h.size]
		if got, err := io.ReadFull(r, b); err != nil {
			return nil, short(err, fmt.Sprintf("its elements: %d of %d bytes", done*h.size+got, n*h.size))
		}
		if a.Bytes != nil {
			a.Bytes = append(a.Bytes, b...)
		} else {
			for at := 0; at < len(b); at += h.size {
				a.Floats = append(a.Floats, h.number(b[at:][:h.size]))
			}
		}
		done += piece
	}
	switch _, err := io.ReadFull(r, buffer[:1]); {
	case err == nil:
		return nil, wrong("bytes follow the %d elements of shape %s, want the end of the file", n, h.tuple())
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return a, nil
}

// wrong returns an error that wraps ErrFormat.
func wrong(format string, args ...any) error {
	return fmt.Errorf("npy: "+format+": %w", append(args, ErrFormat)...)
}

// short returns the error of a read that the end of the file cut off.
func short(err error, in string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wrong("the file ends in %s", in)
	}
	return fmt.Errorf("npy: read %s: %w", in, err)
}

func readHeader(r io.Reader) (*header, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, short(err, "its magic number")
	}
	if string(head[:6]) != magic {
		return nil, wrong("begins with %q, want %q", head[:6], magic)
	}
	width := 4 // bytes of the header's length
	switch head[6] {
	case 1:
		width = 2
	case 2, 3:
	default:
		return nil, wrong("version %d.%d, want 1, 2 or 3", head[6], head[7])
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:width]); err != nil {
		return nil, short(err, "the length of its header")
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxHeader {
		return nil, wrong("a header of %d bytes, want at most %d", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, short(err, "its header")
	}
	return parse(string(text))
}

// parse reads the header's text, a Python dictionary:
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
func parse(text string) (*header, error) {
	s := &scanner{rest: text}
	h := &header{}
	var descr, order, shape bool
	s.want("{")
	for s.err == nil && !s.take("}") {
		key := s.text()
		s.want(":")
		switch {
		case key == "descr" && !descr:
			descr = true
			if s.peek("[") || s.peek("{") {
				return nil, wrong("elements with fields, %s, want numbers of one type", s.shown())
			}
			h.typ = s.text()
		case key == "fortran_order" && !order:
			order = true
			if s.take("True") {
				return nil, wrong("fortran_order is True, want an array in C order (numpy.ascontiguousarray)")
			}
			s.want("False")
		case key == "shape" && !shape:
			shape = true
			h.shape = s.tuple()
		default:
			s.fail("the keys descr, fortran_order and shape, each once")
		}
		if !s.take(",") && !s.peek("}") {
			s.fail("a comma or the closing brace")
		}
	}
	s.peek("") // skips spaces
	switch {
	case s.err != nil:
		return nil, s.err
	case s.rest != "":
		return nil, wrong("%s follows the header's dictionary", s.shown())
	case !descr || !order || !shape:
		return nil, wrong("a header without all of descr, fortran_order and shape")
	}
	return h, h.setType()
}

// setType reads the type of the elements.
func (h *header) setType() error {
	const want = "want b1, u1, u2, u4, u8, i1, i2, i4, i8, f2, f4 or f8"
	if len(h.typ) != 3 {
		return wrong("elements of type %s, "+want, clip(h.typ))
	}
	h.kind, h.size = h.typ[1], int(h.typ[2]-'0')
	switch h.typ[1:] {
	case "b1", "u1", "i1", "u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8":
	default:
		return wrong("elements of type %s, "+want, clip(h.typ))
	}
	switch {
	case h.typ[0] == '>':
		h.order = binary.BigEndian
	case h.typ[0] == '<', h.typ[0] == '|' && h.size == 1:
		h.order = binary.LittleEndian
	default:
		return wrong("elements of type %s, want < or > as the order of their bytes", clip(h.typ))
	}
	return nil
}

// elements returns the number of elements.
func (h *header) elements(maxBytes int) (int, error) {
	limit := maxBytes
	if h.size > 1 || h.kind == 'i' {
		limit /= 4
	}
	n, least := 1, 1 // the product is 0 if one dimension is, so each is bounded too
	for _, d := range h.shape {
		if d > 0 && least > limit/d {
			return 0, fmt.Errorf("npy: shape %s of type %s, want at most %d elements: %w", h.tuple(), h.typ, limit, ErrTooLarge)
		}
		least *= max(d, 1)
		n *= d
	}
	return n, nil
}

// number returns an element, rounded to float32.
func (h *header) number(b []byte) float32 {
	var u uint64
	switch h.size {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(h.order.Uint16(b))
	case 4:
		u = uint64(h.order.Uint32(b))
	default:
		u = h.order.Uint64(b)
	}
	switch h.kind {
	case 'i':
		unused := 64 - 8*h.size
		return float32(int64(u<<unused) >> unused)
	case 'f':
		switch h.size {
		case 2:
			return half(uint16(u))
		case 4:
			return math.Float32frombits(uint32(u))
		}
		return float32(math.Float64frombits(u))
	}
	return float32(u)
}

// half returns an IEEE 754 binary16 number.
func half(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero, or subnormal: fraction * 2^-24
		v := float32(fraction) * (1. / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// tuple returns the shape as Python writes it.
func (h *header) tuple() string {
	var dims []string
	for _, d := range h.shape {
		dims = append(dims, strconv.Itoa(d))
	}
	if len(dims) == 1 {
		return "(" + dims[0] + ",)"
	}
	return "(" + strings.Join(dims, ", ") + ")"
}

// clip returns a text of the file, quoted and not long.
func clip(s string) string {
	if len(s) > 40 {
		return strconv.QuoteToASCII(s[:40]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// scanner reads Python literals. After an error it reads nothing more.
type scanner struct {
	rest string
	err  error
}

func (s *scanner) shown() string { return clip(s.rest) }

func (s *scanner) fail(want string) {
	if s.err == nil {
		s.err = wrong("%s in the header, want %s", s.shown(), want)
	}
}

func (s *scanner) peek(token string) bool {
	s.rest = strings.TrimLeft(s.rest, " \t\n")
	return s.err == nil && strings.HasPrefix(s.rest, token)
}

func (s *scanner) take(token string) bool {
	if !s.peek(token) {
		return false
	}
	s.rest = s.rest[len(token):]
	return true
}

func (s *scanner) want(token string) {
	if !s.take(token) {
		s.fail(strconv.Quote(token))
	}
}

// text reads a text in quotes without escapes.
func (s *scanner) text() string {
	for _, quote := range []string{"'", `"`} {
		if s.take(quote) {
			text, rest, ok := strings.Cut(s.rest, quote)
			if ok && !strings.ContainsAny(text, "\\\n") {
				s.rest = rest
				return text
			}
			break
		}
	}
	s.fail("a text in quotes")
	return ""
}

// tuple reads a tuple of whole numbers. Old files have 3L for 3.
func (s *scanner) tuple() (dims []int) {
	s.want("(")
	for s.err == nil && !s.take(")") {
		digits := len(s.rest) - len(strings.TrimLeft(s.rest, "0123456789"))
		d, err := strconv.ParseInt(s.rest[:digits], 10, 32)
		if err != nil || len(dims) == maxDims {
			s.fail(fmt.Sprintf("up to %d dimensions of 0 to %d", maxDims, math.MaxInt32))
			return nil
		}
		s.rest = s.rest[digits:]
		s.take("L")
		dims = append(dims, int(d))
		if !s.take(",") && !s.peek(")") {
			s.fail("a comma or the closing parenthesis")
		}
		s.peek("") // skips spaces
	}
	return dims
}

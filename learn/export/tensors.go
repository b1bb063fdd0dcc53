package export

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fedtab/learn"
)

// maxOtherHeader is the max length of the header of a file that another program has
// written, bytes. It names tensors, and describes nothing.
const maxOtherHeader = 1 << 20

// MaxOtherFile is the max size of a file that ReadTensors takes, bytes.
const MaxOtherFile = 8 + maxOtherHeader + 8*learn.MaxParameters

// RawTensor is a tensor of a safetensors file that any program has written.
type RawTensor struct {
	Name   string
	Shape  []int
	Values []float32 // row-major
}

// numberTypes are the dtypes that ReadTensors takes.
var numberTypes = map[string]struct {
	size int // bytes
	read func(b []byte) float32
}{
	"F32":  {4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }},
	"F64":  {8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }},
	"F16":  {2, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }},
	"BF16": {2, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) }},
}

// half returns the value of an IEEE 754 binary16.
func half(bits uint16) float32 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var v float64
	switch exponent {
	case 0: // subnormal
		v = math.Ldexp(fraction, -24)
	case 31:
		if v = math.Inf(1); fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 == 1 {
		v = -v
	}
	return float32(v)
}

// Described reports whether a safetensors file says of itself that it is a fedtab model,
// so that [Read] reads it. An error wraps ErrFormat.
func Described(file []byte) (bool, error) {
	h, _, err := split(file, maxHeader)
	if err != nil {
		return false, err
	}
	return h.metadata["format"] == "fedtab", nil
}

// ReadTensors reads the tensors of a safetensors file that any program has written, in the
// order of their bytes. The numbers are F32, or F64, F16 and BF16, which are converted;
// they must be finite. It allocates at most twice what the file takes. An error wraps
// ErrFormat.
func ReadTensors(file []byte) ([]RawTensor, error) {
	bad := func(format string, args ...any) ([]RawTensor, error) {
		return nil, fmt.Errorf("export: %s: %w", fmt.Sprintf(format, args...), ErrFormat)
	}
	h, body, err := split(file, maxOtherHeader)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(h.entries, func(a, b entry) int { return cmp.Or(a.begin-b.begin, a.end-b.end) })
	var all []RawTensor
	at, total := 0, 0
	for _, e := range h.entries {
		kind, ok := numberTypes[e.kind]
		if !ok {
			return bad("tensor %s: dtype %q, want F32, F64, F16 or BF16", e.name, e.kind)
		}
		n, ok := count(e.shape, len(body)/kind.size)
		if !ok || e.begin != at || e.end != at+n*kind.size || e.end > len(body) {
			return bad("tensor %s: bytes %d to %d of %d for the shape %v of %s, want as many as that takes, from byte %d", e.name, e.begin, e.end, len(body), e.shape, e.kind, at)
		}
		if total += n; total > learn.MaxParameters {
			return bad("more than %d numbers", learn.MaxParameters)
		}
		t := RawTensor{Name: e.name, Shape: e.shape, Values: make([]float32, n)}
		for i := range t.Values {
			t.Values[i] = kind.read(body[at+i*kind.size:])
		}
		if err := finiteValues("tensor "+e.name, t.Values, ErrFormat); err != nil {
			return nil, err
		}
		all = append(all, t)
		at = e.end
	}
	if at != len(body) {
		return bad("%d bytes after the header, want the %d of the tensors", len(body), at)
	}
	return all, nil
}

// count returns the number of values of a shape, and false if it is more than limit.
func count(shape []int, limit int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d > 0 && n > limit/d {
			return 0, false
		}
		n *= d
	}
	return n, n <= limit
}

// split reads the header of a safetensors file, of at most limit bytes, and returns what
// comes after it.
func split(file []byte, limit uint64) (*header, []byte, error) {
	if len(file) < 8 {
		return nil, nil, fmt.Errorf("export: file of %d bytes, want at least 8: %w", len(file), ErrFormat)
	}
	n := binary.LittleEndian.Uint64(file)
	if n > uint64(len(file)-8) {
		return nil, nil, fmt.Errorf("export: no safetensors file: its first 8 bytes promise a header of %d bytes in a file of %d, want a file that export --format safetensors has written: %w", n, len(file), ErrFormat)
	}
	if n > limit {
		return nil, nil, fmt.Errorf("export: header of %d bytes, want at most %d: %w", n, limit, ErrFormat)
	}
	h, err := readHeader(string(file[8 : 8+n]))
	return h, file[8+n:], err
}

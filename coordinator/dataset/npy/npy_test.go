package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// file returns a file of version 1, 2 or 3.
func file(version byte, header string, elements ...byte) []byte {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), elements...)
}

func described(typ, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }      \n", typ, shape)
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		typ      string
		elements string
		want     []float32
	}{
		{"|u1", "\x00\xff", []float32{0, 255}},
		{"|b1", "\x00\x01", []float32{0, 1}},
		{"|i1", "\x7f\x80", []float32{127, -128}},
		{"<u2", "\x01\x00\xff\xff", []float32{1, 65535}},
		{">u2", "\x00\x01\x01\x00", []float32{1, 256}},
		{"<i2", "\xff\xff\x00\x80", []float32{-1, -32768}},
		{"<u4", "\x00\x00\x00\x80\x02\x00\x00\x00", []float32{1 << 31, 2}},
		{">i4", "\xff\xff\xff\xfe\x00\x00\x00\x03", []float32{-2, 3}},
		{"<i8", "\xff\xff\xff\xff\xff\xff\xff\xff\x07\x00\x00\x00\x00\x00\x00\x00", []float32{-1, 7}},
		{"<u8", "\xff\xff\xff\xff\xff\xff\xff\xff\x07\x00\x00\x00\x00\x00\x00\x00", []float32{1 << 64, 7}},
		{"<f2", "\x00\x3c\x01\x80", []float32{1, -1. / (1 << 24)}},
		{"<f4", "\x00\x00\x80\x3f\x00\x00\x00\xc0", []float32{1, -2}},
		{">f8", "\x3f\xf8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", []float32{1.5, 0}},
	} {
		for version := byte(1); version <= 3; version++ {
			a, err := Read(bytes.NewReader(file(version, described(c.typ, "(2,)"), []byte(c.elements)...)), 8)
			if err != nil {
				t.Errorf("%s, version %d: %v", c.typ, version, err)
				continue
			}
			got := []float32{a.At(0), a.At(1)}
			if !slices.Equal(got, c.want) || a.Len() != 2 || !slices.Equal(a.Shape, []int{2}) || a.Type != c.typ || (a.Bytes != nil) != (c.typ == "|u1" || c.typ == "|b1") {
				t.Errorf("%s, version %d: got %+v, want %v", c.typ, version, a, c.want)
			}
		}
	}
}

func TestShapes(t *testing.T) {
	for text, want := range map[string][]int{
		"()": nil, "(1,)": {1}, "(1, 1)": {1, 1}, "( 1 ,1,1 , )": {1, 1, 1}, "(0, 3)": {0, 3}, "(1L, 1L)": {1, 1},
	} {
		elements := []byte{7}
		if slices.Contains(want, 0) {
			elements = nil
		}
		a, err := Read(bytes.NewReader(file(1, described("|u1", text), elements...)), 100)
		if err != nil || !slices.Equal(a.Shape, want) || a.Len() != len(elements) {
			t.Errorf("%s: %+v, %v; want %v", text, a, err, want)
		}
	}
	other := `{"shape": (1,), "fortran_order": False, "descr": "|u1"}`
	if _, err := Read(bytes.NewReader(file(1, other, 1)), 100); err != nil {
		t.Errorf("another order of keys: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	good := described("<f4", "(2,)")
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "the file ends in its magic number"},
		{"another format", []byte("PK\x03\x04 a zip file"), `begins with "PK\x03\x04 a"`},
		{"version 4", file(4, good), "version 4.0, want 1, 2 or 3"},
		{"cut in the length", file(2, good)[:10], "ends in the length of its header"},
		{"cut in the header", file(1, good)[:20], "ends in its header"},
		{"huge header", append([]byte(magic), 2, 0, 255, 255, 255, 255), "a header of 4294967295 bytes, want at most 65536"},
		{"cut in the elements", file(1, good, 0, 0, 0, 0, 0), "ends in its elements: 5 of 8 bytes"},
		{"more elements", file(1, good, make([]byte, 9)...), "bytes follow the 2 elements of shape (2,)"},
		{"Fortran order", file(1, strings.Replace(good, "False", "True", 1)), "fortran_order is True, want an array in C order"},
		{"fields", file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), "elements with fields"},
		{"objects", file(1, described("|O", "(1,)")), `elements of type "|O", want b1, u1`},
		{"texts", file(1, described("<U5", "(1,)")), `elements of type "<U5"`},
		{"complex", file(1, described("<c8", "(1,)")), `elements of type "<c8"`},
		{"long double", file(1, described("<f16", "(1,)")), `elements of type "<f16"`},
		{"no byte order", file(1, described("|f4", "(1,)")), "want < or > as the order of their bytes"},
		{"negative", file(1, described("|u1", "(-1,)")), "want up to 8 dimensions of 0 to 2147483647"},
		{"too many dimensions", file(1, described("|u1", "(1, 1, 1, 1, 1, 1, 1, 1, 1)")), "want up to 8 dimensions"},
		{"too large", file(1, described("<f4", "(2147483647, 2147483647, 2147483647)")), "want at most 250 elements"},
		{"hidden by a zero", file(1, described("<f4", "(0, 2147483647)")), "want at most 250 elements"},
		{"a key is missing", file(1, "{'descr': '<f4', 'shape': (1,)}"), "without all of descr, fortran_order and shape"},
		{"a key twice", file(1, "{'descr': '<f4', 'descr': '<f4'}"), "each once"},
		{"no dictionary", file(1, "[1, 2]"), `want "{"`},
		{"text after it", file(1, strings.TrimSpace(good)+" x"), `"x" follows the header's dictionary`},
		{"no quotes", file(1, "{descr: 1}"), "want a text in quotes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(c.file), 1000)
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	broken := errors.New("broken disk")
	if _, err := Read(io.MultiReader(bytes.NewReader(file(1, good)), iotest.ErrReader(broken)), 1000); !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
		t.Errorf("the reader's error became %v", err)
	}
}

// A header that promises more than the file has costs no memory.
func TestPromise(t *testing.T) {
	b := file(1, described("|u1", "(1000000000,)"), make([]byte, 10)...)
	if n := testing.Benchmark(func(bench *testing.B) {
		bench.ReportAllocs()
		for range bench.N {
			if _, err := Read(bytes.NewReader(b), 1<<30); err == nil {
				bench.Fatal("accepted")
			}
		}
	}).AllocedBytesPerOp(); n > 1<<20 {
		t.Errorf("%d bytes for a file of %d", n, len(b))
	}
}

// half agrees with the definition of binary16 for every number.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		sign, e, f := 1-2*float64(h>>15), h>>10&31, float64(h&1023)
		want := sign * math.Ldexp(1024+f, e-25)
		switch {
		case e == 0:
			want = sign * math.Ldexp(f, -24)
		case e == 31 && f == 0:
			want = math.Inf(int(sign))
		case e == 31:
			want = math.NaN()
		}
		got := half(uint16(h))
		if float64(got) != want && !(math.IsNaN(want) && got != got) {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
	}
}

// What NumPy would write of any float64 array comes back, rounded to float32.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(0, 9).Draw(t, "rows"), rapid.IntRange(1, 4000).Draw(t, "columns")
		var elements []byte
		var want []float32
		for i := range rows * columns {
			v := float64(i) * 1.1
			elements = binary.LittleEndian.AppendUint64(elements, math.Float64bits(v))
			want = append(want, float32(v))
		}
		a, err := Read(bytes.NewReader(file(1, described("<f8", fmt.Sprintf("(%d, %d)", rows, columns)), elements...)), 4*max(rows, 1)*columns)
		if err != nil || !slices.Equal(a.Floats, want) {
			t.Fatalf("%v, %v", a, err)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(file(1, described("<f4", "(2,)"), make([]byte, 8)...))
	f.Add(file(2, described("|u1", "(2, 2)"), 1, 2, 3, 4))
	f.Add(file(3, described(">i8", "()"), make([]byte, 8)...))
	f.Add(file(1, described("<f2", "(0, 2147483647)")))
	f.Fuzz(func(t *testing.T, b []byte) {
		const maxBytes = 1 << 12
		a, err := Read(bytes.NewReader(b), maxBytes)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if a.Len() != n || len(a.Bytes)+4*len(a.Floats) > maxBytes || a.Bytes != nil && a.Floats != nil {
			t.Fatalf("%d bytes and %d floats for shape %v", len(a.Bytes), len(a.Floats), a.Shape)
		}
	})
}

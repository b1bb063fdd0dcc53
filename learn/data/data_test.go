package data

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// numbered makes n images of 2 pixels: image i is (i, i+1), of class i%3.
func numbered(t testing.TB, n int) *Set {
	t.Helper()
	images := Array{Dims: []int{n, 1, 2}}
	labels := Array{Dims: []int{n}}
	for i := range n {
		images.Data = append(images.Data, uint8(i), uint8(i+1))
		labels.Data = append(labels.Data, uint8(i%3))
	}
	s, err := NewSet(images, labels, 3)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFill(t *testing.T) {
	a, b := numbered(t, 10), numbered(t, 5)
	sub := NewSubset(a, []int32{9, 0, 4})
	empty := NewSubset(a, nil)
	for _, c := range []struct {
		name  string
		ex    Examples
		n     int
		index []int32
		first []uint8 // first pixels wanted
	}{
		{"set", a, 10, []int32{3, 0, 9, 3}, []uint8{3, 0, 9, 3}},
		{"subset", sub, 3, []int32{2, 0, 1}, []uint8{4, 9, 0}},
		{"subset of a subset", NewSubset(sub, []int32{1, 1}), 2, []int32{0, 1}, []uint8{0, 0}},
		{"union", NewUnion(empty, b, empty, sub, empty, a, empty), 18, []int32{0, 4, 5, 7, 8, 17}, []uint8{0, 4, 9, 4, 0, 9}},
		{"union of one", NewUnion(b), 5, []int32{4}, []uint8{4}},
		{"subset of a union", NewSubset(NewUnion(b, a), []int32{5, 4}), 2, []int32{0, 1}, []uint8{0, 4}},
		{"another type", NewSubset(struct{ Examples }{a}, []int32{7, 6}), 2, []int32{1, 0}, []uint8{6, 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ex.Len() != c.n || c.ex.Features() != 2 || c.ex.Classes() != 3 {
				t.Fatalf("%d examples, %d features, %d classes", c.ex.Len(), c.ex.Features(), c.ex.Classes())
			}
			x, y := make([]float32, 2*len(c.index)), make([]float32, len(c.index))
			c.ex.Fill(x, y, c.index)
			for k, p := range c.first {
				if x[2*k] != float32(p)/255 || x[2*k+1] != float32(p+1)/255 || y[k] != float32(p%3) {
					t.Errorf("example %d is %v, %v of class %v, want image %d", c.index[k], x[2*k], x[2*k+1], y[k], p)
				}
			}
		})
	}
}

func TestNewSetRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		images, labels Array
		classes        int
	}{
		"one dimension":    {Array{[]int{2}, []uint8{0, 0}}, Array{[]int{2}, []uint8{0, 0}}, 2},
		"labels 2-d":       {Array{[]int{2, 1}, []uint8{0, 0}}, Array{[]int{2, 1}, []uint8{0, 0}}, 2},
		"counts differ":    {Array{[]int{2, 1}, []uint8{0, 0}}, Array{[]int{1}, []uint8{0}}, 2},
		"label range":      {Array{[]int{2, 1}, []uint8{0, 0}}, Array{[]int{2}, []uint8{0, 2}}, 2},
		"too many classes": {Array{[]int{2, 1}, []uint8{0, 0}}, Array{[]int{2}, []uint8{0, 0}}, 257},
		"no pixels":        {Array{[]int{2, 0}, nil}, Array{[]int{2}, []uint8{0, 0}}, 2},
		"too few bytes":    {Array{[]int{2, 2}, []uint8{0, 0}}, Array{[]int{2}, []uint8{0, 0}}, 2},
	} {
		if s, err := NewSet(c.images, c.labels, c.classes); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, %v, want ErrFormat", name, s, err)
		}
	}
}

func TestIDXRoundTrip(t *testing.T) {
	for _, a := range []Array{
		{[]int{0}, []uint8{}},
		{[]int{3}, []uint8{1, 2, 3}},
		{[]int{2, 1, 3}, []uint8{1, 2, 3, 4, 5, 6}},
		{[]int{0, 28, 28}, []uint8{}},
	} {
		var b bytes.Buffer
		if err := WriteIDX(&b, a); err != nil {
			t.Fatal(err)
		}
		got, err := ReadIDX(iotest.OneByteReader(&b), 28*28)
		if err != nil {
			t.Errorf("%v: %v", a, err)
		}
		if !slices.Equal(got.Dims, a.Dims) || !bytes.Equal(got.Data, a.Data) {
			t.Errorf("got %v, want %v", got, a)
		}
	}
}

// The bytes are written by hand from LeCun's description.
func TestIDXBytes(t *testing.T) {
	var b bytes.Buffer
	if err := WriteIDX(&b, Array{[]int{1, 258}, make([]uint8, 258)}); err != nil {
		t.Fatal(err)
	}
	if want := []byte{0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 1, 2, 0}; !bytes.Equal(b.Bytes()[:13], want) {
		t.Errorf("got % x, want % x", b.Bytes()[:13], want)
	}
}

func TestReadIDXRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		is    error
		want  string // in the message
	}{
		{"empty", "", ErrFormat, "ends at byte 0, 4 bytes short in its magic number"},
		{"magic", "\x01\x00\x08\x01\x00\x00\x00\x00", ErrFormat, "two zeros"},
		{"type", "\x00\x00\x0d\x01\x00\x00\x00\x00", ErrFormat, "0x0d"},
		{"no dimensions", "\x00\x00\x08\x00", ErrFormat, "0 dimensions"},
		{"many dimensions", "\x00\x00\x08\x09", ErrFormat, "9 dimensions"},
		{"dimensions cut", "\x00\x00\x08\x02\x00\x00\x00\x01\x00", ErrFormat, "byte 9, 3 bytes short in its dimensions"},
		{"elements cut", "\x00\x00\x08\x01\x00\x00\x00\x03ab", ErrFormat, "byte 10, 1 bytes short in its elements"},
		{"trailing", "\x00\x00\x08\x01\x00\x00\x00\x01ab", ErrFormat, "follow the end at byte 9"},
		{"huge", "\x00\x00\x08\x01\xff\xff\xff\xff", ErrTooLarge, "limit of 100"},
		{"overflowing", "\x00\x00\x08\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ErrTooLarge, "limit of 100"},
		{"huge beside zero", "\x00\x00\x08\x02\x00\x00\x00\x00\xff\xff\xff\xff", ErrTooLarge, "limit of 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := ReadIDX(strings.NewReader(c.bytes), 100)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v, want %v with %q", a, err, c.is, c.want)
			}
		})
	}
	broken := errors.New("broken pipe")
	if _, err := ReadIDX(iotest.ErrReader(broken), 100); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if _, err := ReadIDX(io.MultiReader(strings.NewReader("\x00\x00\x08\x01\x00\x00\x00\x00"), iotest.ErrReader(broken)), 100); !errors.Is(err, broken) {
		t.Errorf("at the end: got %v, want %v", err, broken)
	}
}

func TestShard(t *testing.T) {
	s := numbered(t, 10)
	b := AppendShard([]byte("before"), s, []int32{7, 2, 5})[len("before"):]
	got, err := ReadShard(bytes.NewReader(b), 9)
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint8{7, 8, 2, 3, 5, 6}; !bytes.Equal(got.X, want) {
		t.Errorf("images are %v, want %v", got.X, want)
	}
	if want := []uint8{1, 2, 2}; !bytes.Equal(got.Y, want) {
		t.Errorf("labels are %v, want %v", got.Y, want)
	}
	if want := []int{1, 2}; !slices.Equal(got.Shape, want) || got.Classes() != 3 {
		t.Errorf("shape is %v, %d classes, want %v, 3", got.Shape, got.Classes(), want)
	}
	if _, err := ReadShard(bytes.NewReader(b), 8); !errors.Is(err, ErrTooLarge) {
		t.Errorf("limit: got %v, want ErrTooLarge", err)
	}
	for n := range b {
		if _, err := ReadShard(bytes.NewReader(b[:n]), 100); !errors.Is(err, ErrFormat) {
			t.Errorf("cut at %d: got %v, want ErrFormat", n, err)
		}
	}
	if _, err := ReadShard(bytes.NewReader(append(b, 0)), 100); !errors.Is(err, ErrFormat) {
		t.Errorf("trailing: got %v, want ErrFormat", err)
	}
}

func TestFillAllocatesNothing(t *testing.T) {
	s := numbered(t, 10)
	var ex Examples = NewSubset(NewUnion(s, NewSubset(s, []int32{1, 2})), []int32{11, 0})
	x, y, index := make([]float32, 4), make([]float32, 2), []int32{0, 1}
	if n := testing.AllocsPerRun(10, func() { ex.Fill(x, y, index) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzReadIDX(f *testing.F) {
	f.Add([]byte("\x00\x00\x08\x01\x00\x00\x00\x02ab"))
	f.Add([]byte("\x00\x00\x08\x02\x00\x00\x00\x00\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ReadIDX(bytes.NewReader(b), 1000)
		if err != nil {
			return
		}
		if len(a.Data) > 1000 {
			t.Fatalf("%d elements, beyond the limit", len(a.Data))
		}
		var again bytes.Buffer
		if err := WriteIDX(&again, a); err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("% x, encoded again: % x, %v", b, again.Bytes(), err)
		}
	})
}

func FuzzReadShard(f *testing.F) {
	f.Add(AppendShard(nil, numbered(f, 4), []int32{3, 1}))
	f.Add(AppendShard(nil, numbered(f, 1), nil))
	f.Add(AppendShard(nil, labelled(), []int32{2, 0}))
	f.Add(AppendShard(nil, measured(), []int32{1}))
	f.Add(AppendShard(nil, must(numbered(f, 2).Scaled(Scaling{0.5, -1})), []int32{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadShard(bytes.NewReader(b), 1000)
		if err != nil {
			return
		}
		index := make([]int32, s.Len())
		for i := range index {
			index[i] = int32(i)
		}
		if again := AppendShard(nil, s, index); !bytes.Equal(again, b) {
			t.Fatalf("% x, encoded again: % x", b, again)
		}
		s.Fill(make([]float32, s.Len()*s.Features()), make([]float32, s.Len()), index)
	})
}

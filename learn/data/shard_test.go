package data

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func must(s *Set, err error) *Set {
	if err != nil {
		panic(err)
	}
	return s
}

func labelled() *Set {
	return must(NewLabelled([]int{2}, []float32{1, -0.5, 3e38, 1e-45, 0, 7}, []uint8{2, 0, 1}, 3))
}

func measured() *Set {
	return must(NewMeasured([]int{1, 2}, []float32{1, 2, 3, 4}, []float32{-1, 0.25}))
}

// A shard holds all that Fill needs.
func TestShardKinds(t *testing.T) {
	for name, s := range map[string]*Set{
		"table":         labelled(),
		"regression":    measured(),
		"scaled images": must(numbered(t, 9).Scaled(Scaling{Scale: 0.5, Offset: -3})),
	} {
		t.Run(name, func(t *testing.T) {
			b := AppendShard(nil, s, []int32{1, 0})
			got, err := ReadShard(bytes.NewReader(b), 100)
			if err != nil {
				t.Fatal(err)
			}
			n := s.Features()
			x, y := make([]float32, 2*n), make([]float32, 2)
			wantX, wantY := make([]float32, 2*n), make([]float32, 2)
			got.Fill(x, y, []int32{0, 1})
			s.Fill(wantX, wantY, []int32{1, 0})
			if !reflect.DeepEqual(x, wantX) || !reflect.DeepEqual(y, wantY) || !reflect.DeepEqual(got.Shape, s.Shape) {
				t.Errorf("got %v of %v with shape %v, want %v of %v with %v", x, y, got.Shape, wantX, wantY, s.Shape)
			}
			if s.Targets != nil && (got.Targets[0] != s.Targets[1] || got.Targets[1] != s.Targets[0]) {
				t.Errorf("targets are %v, want those of %v", got.Targets, s.Targets)
			}
			for cut := range b {
				// A shard of images without its scaling is valid, with other features.
				if s.scaling != nil && cut == len(b)-16 {
					continue
				}
				if _, err := ReadShard(bytes.NewReader(b[:cut]), 100); !errors.Is(err, ErrFormat) {
					t.Errorf("cut at %d: got %v, want ErrFormat", cut, err)
				}
			}
			if _, err := ReadShard(bytes.NewReader(append(b, 0)), 100); !errors.Is(err, ErrFormat) {
				t.Errorf("trailing: got %v, want ErrFormat", err)
			}
			if _, err := ReadShard(bytes.NewReader(b), 2*n); !errors.Is(err, ErrTooLarge) {
				t.Errorf("limit: got %v, want ErrTooLarge", err)
			}
		})
	}
}

// A shard of unscaled images is two IDX files of bytes.
func TestShardOfImagesIsPlainIDX(t *testing.T) {
	b := AppendShard(nil, numbered(t, 9), []int32{4, 6, 8})
	if want := 4 + 3*4 + 3*2 + 4 + 4 + 3; len(b) != want || b[2] != idxUint8 || b[16+6+2] != idxUint8 {
		t.Errorf("%d bytes, % x, want %d, all of unsigned bytes", len(b), b, want)
	}
}

func TestReadShardRefusesNumbers(t *testing.T) {
	bad := AppendShard(nil, labelled(), []int32{0, 1, 2})
	copy(bad[12+4*3:], "\x7f\xc0\x00\x00") // a NaN in row 1, column 1
	_, err := ReadShard(bytes.NewReader(bad), 100)
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "row 1 has NaN in column 1") {
		t.Errorf("got %v", err)
	}
}

func TestScaled(t *testing.T) {
	s := must(numbered(t, 9).Scaled(Scaling{Scale: 2, Offset: 0.5}))
	x, y := make([]float32, 2), make([]float32, 1)
	s.Fill(x, y, []int32{3})
	if x[0] != 6.5 || x[1] != 8.5 || y[0] != 0 {
		t.Errorf("got %v of class %v, want 6.5, 8.5 of class 0", x, y[0])
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, by := range []Scaling{{}, {nan, 0}, {1, nan}, {inf, 0}, {1, -inf}, {3e38, 0}} {
		if _, err := numbered(t, 9).Scaled(by); !errors.Is(err, ErrFormat) {
			t.Errorf("%v: got %v, want ErrFormat", by, err)
		}
	}
	if _, err := labelled().Scaled(Scaling{Scale: 1}); !errors.Is(err, ErrFormat) {
		t.Errorf("a table: got %v, want ErrFormat", err)
	}
}

func TestTableSetsRefuse(t *testing.T) {
	inf := float32(math.Inf(-1))
	for name, err := range map[string]error{
		"no shape":         first(NewLabelled(nil, nil, nil, 2)),
		"empty side":       first(NewLabelled([]int{2, 0}, nil, nil, 2)),
		"too few values":   first(NewLabelled([]int{2}, []float32{1, 2, 3}, []uint8{0, 0}, 2)),
		"too many values":  first(NewLabelled([]int{2}, []float32{1, 2, 3, 4, 5}, []uint8{0, 0}, 2)),
		"label range":      first(NewLabelled([]int{1}, []float32{1}, []uint8{2}, 2)),
		"classes":          first(NewLabelled([]int{1}, []float32{1}, []uint8{2}, 257)),
		"not finite":       first(NewLabelled([]int{1}, []float32{inf}, []uint8{0}, 2)),
		"target":           first(NewMeasured([]int{1}, []float32{1}, []float32{inf})),
		"counts of target": first(NewMeasured([]int{1}, []float32{1}, nil)),
	} {
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", name, err)
		}
	}
}

func first(_ *Set, err error) error { return err }

func TestFillTableAllocatesNothing(t *testing.T) {
	var ex Examples = NewSubset(NewUnion(labelled(), labelled()), []int32{5, 0})
	x, y, index := make([]float32, 4), make([]float32, 2), []int32{0, 1}
	if n := testing.AllocsPerRun(10, func() { ex.Fill(x, y, index) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if x[0] != 0 || x[1] != 7 || y[0] != 1 || y[1] != 2 {
		t.Errorf("got %v of %v", x, y)
	}
}

// The bytes are written by hand from docs/protocol.md: clients in other languages
// read them.
func TestShardBytes(t *testing.T) {
	got := AppendShard(nil, measured(), []int32{1})
	want := "\x00\x00\x0d\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02" + // [1, 1, 2]
		"\x40\x40\x00\x00\x40\x80\x00\x00" + // 3, 4
		"\x00\x00\x0d\x01\x00\x00\x00\x01" + "\x3e\x80\x00\x00" // 0.25
	if string(got) != want {
		t.Errorf("got % x, want % x", got, want)
	}
	got = AppendShard(nil, must(numbered(t, 3).Scaled(Scaling{Scale: 0.5, Offset: -2})), []int32{1})
	want = "\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x01\x02" +
		"\x00\x00\x08\x01\x00\x00\x00\x01\x01" +
		"\x00\x00\x0d\x01\x00\x00\x00\x02\x3f\x00\x00\x00\xc0\x00\x00\x00"
	if string(got) != want {
		t.Errorf("scaled: got % x, want % x", got, want)
	}
}

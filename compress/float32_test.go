package compress

import (
	"errors"
	"math"
	"slices"
	"testing"

	"fedtab/protocol"
	"pgregory.net/rapid"
)

func TestFloat32RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOf(rapid.Float32()).Draw(t, "v")
		block, err := Append(protocol.CodecFloat32, []byte("head"), v)
		if err != nil || string(block[:4]) != "head" {
			t.Fatalf("Append: %q, %v", block[:4], err)
		}
		got := make([]float32, len(v))
		if err := Decode(protocol.CodecFloat32, got, block[4:]); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, v) {
			t.Fatalf("got %v, want %v", got, v)
		}
	})
}

func TestFloat32Refuses(t *testing.T) {
	good := AppendFloat32(nil, []float32{1, 2, 3})
	nan := AppendFloat32(nil, []float32{1, float32(math.NaN()), 3})
	inf := AppendFloat32(nil, []float32{1, 2, float32(math.Inf(-1))})
	for _, test := range []struct {
		name  string
		block []byte
		codec protocol.Codec
		want  error
	}{
		{"short", good[:11], protocol.CodecFloat32, ErrBlock},
		{"long", append(slices.Clone(good), 0), protocol.CodecFloat32, ErrBlock},
		{"empty", nil, protocol.CodecFloat32, ErrBlock},
		{"nan", nan, protocol.CodecFloat32, ErrNotFinite},
		{"inf", inf, protocol.CodecFloat32, ErrNotFinite},
		{"unknown codec", good, 99, ErrUnknownCodec},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := Decode(test.codec, make([]float32, 3), test.block); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func FuzzDecodeFloat32(f *testing.F) {
	f.Add(AppendFloat32(nil, []float32{1, -2.5, 0}), uint8(3))
	f.Fuzz(func(t *testing.T, block []byte, n uint8) {
		v := make([]float32, n)
		if err := DecodeFloat32(v, block); err != nil {
			return
		}
		if again := AppendFloat32(nil, v); !slices.Equal(again, block) {
			t.Errorf("%x decodes and encodes to %x", block, again)
		}
	})
}

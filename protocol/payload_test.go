package protocol

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Integers of any width come back modulo 2^width, and lie where the specification
// says, bit for bit.
func TestIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.Uint32Range(1, 64).Draw(t, "bits")
		in := rapid.SliceOfN(rapid.Uint64(), 1, 40).Draw(t, "integers")
		p := Payload{Kind: PayloadIntegers, Name: "n", Bits: width, Count: uint64(len(in))}
		v := IntegersVector(&p, in)
		if err := p.Matches(&v); err != nil {
			t.Fatal(err)
		}
		out := make([]uint64, len(in))
		if err := Integers(out, &v); err != nil {
			t.Fatal(err)
		}
		for i, x := range in {
			want := x
			if width < 64 {
				want %= 1 << width
			}
			if out[i] != want {
				t.Fatalf("integer %d of %d bits: got %#x, want %#x", i, width, out[i], want)
			}
			for b := range uint64(width) { // the definition, a bit at a time
				at := uint64(i)*uint64(width) + b
				if v.Block[at/8]>>(at%8)&1 != byte(want>>b&1) {
					t.Fatalf("bit %d of integer %d is not bit %d of the block", b, i, at)
				}
			}
		}
		if rest := uint(8*len(v.Block)) - uint(width)*uint(len(in)); rest > 0 {
			v.Block[len(v.Block)-1] |= 0x80
			if err := Integers(out, &v); !errors.Is(err, ErrPayload) {
				t.Fatalf("%d bits after the last integer are accepted: %v", rest, err)
			}
		}
	})
}

// A vector that differs from its payload in anything does not match it.
func TestPayloadMatches(t *testing.T) {
	integers := Payload{Kind: PayloadIntegers, Name: "sums", Bits: 20, Count: 3}
	bytes := Payload{Kind: PayloadBytes, Name: "sealed", MaxBytes: 5}
	right := IntegersVector(&integers, []uint64{1, 2, 3})
	for _, test := range []struct {
		name string
		p    Payload
		edit func(*Vector)
		ok   bool
	}{
		{"integers", integers, func(*Vector) {}, true},
		{"integers that are announced", integers, func(v *Vector) { v.Block, v.Size = nil, 8 }, true},
		{"bytes", bytes, func(v *Vector) { *v = Vector{Kind: PayloadBytes, Name: "sealed", Block: []byte{1}} }, true},
		{"bytes as long as they may be", bytes, func(v *Vector) { *v = Vector{Kind: PayloadBytes, Name: "sealed", Size: 5} }, true},
		{"no bytes", bytes, func(v *Vector) { *v = Vector{Kind: PayloadBytes, Name: "sealed"} }, false},
		{"too many bytes", bytes, func(v *Vector) { *v = Vector{Kind: PayloadBytes, Name: "sealed", Size: 6} }, false},
		{"bytes with a count", bytes, func(v *Vector) { *v = Vector{Kind: PayloadBytes, Name: "sealed", Size: 5, Count: 1} }, false},
		{"another kind", integers, func(v *Vector) { v.Kind = PayloadBytes }, false},
		{"float32", integers, func(v *Vector) { v.Kind = PayloadFloat32 }, false},
		{"another name", integers, func(v *Vector) { v.Name = "sum" }, false},
		{"other bits", integers, func(v *Vector) { v.Bits = 21 }, false},
		{"another count", integers, func(v *Vector) { v.Count = 4 }, false},
		{"a block that is too short", integers, func(v *Vector) { v.Block = v.Block[1:] }, false},
		{"a block that is too long", integers, func(v *Vector) { v.Block = append(slices.Clone(v.Block), 0) }, false},
		{"a role", integers, func(v *Vector) { v.Role = RoleDelta }, false},
		{"a codec", integers, func(v *Vector) { v.Codec = CodecPlanes }, false},
		{"a part", integers, func(v *Vector) { v.Part = 1 }, false},
		{"a base", integers, func(v *Vector) { v.BaseHash = ramp(0, HashSize) }, false},
	} {
		v := right
		test.edit(&v)
		if err := test.p.Matches(&v); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v, want a match: %v", test.name, err, test.ok)
		}
	}
}

// A payload that may not be ordered is refused, absurd sizes at decoding.
func TestPayloadValidate(t *testing.T) {
	for _, p := range []Payload{
		{Kind: PayloadFloat32}, {Kind: 9, MaxBytes: 1}, {Kind: PayloadIntegers, Bits: 0, Count: 1}, {Kind: PayloadIntegers, Bits: 65, Count: 1},
		{Kind: PayloadIntegers, Bits: 1}, {Kind: PayloadIntegers, Bits: 1, Count: MaxCount + 1}, {Kind: PayloadIntegers, Bits: 64, Count: 1 << 62}, {Kind: PayloadBytes}, {Kind: PayloadBytes, MaxBytes: 1 << 63},
	} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("%+v: %v, want an error that says what would be right", p, err)
		}
	}
	huge := Append(nil, &Order{Payloads: []Payload{{Kind: PayloadIntegers, Bits: 64, Count: 1 << 62}}})
	if _, err := Decode(huge); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a payload of 2^65 bytes is decoded: %v", err)
	}
	for _, p := range []Payload{ // a size that is only absurd without its bits, or of another kind
		{Kind: PayloadIntegers, Bits: 0, Count: math.MaxInt64}, {Kind: PayloadIntegers, Bits: 1, Count: MaxCount + 1}, {Kind: PayloadBytes, MaxBytes: 1, Count: math.MaxInt64},
		{Kind: PayloadBytes, MaxBytes: math.MaxInt64}, {Kind: PayloadIntegers, Bits: 1, Count: 1, MaxBytes: MaxBlock + 1}, {Kind: 9, Count: math.MaxUint64},
		{Kind: PayloadIntegers, Bits: math.MaxUint32, Count: MaxCount},
	} {
		if m, err := Decode(Append(nil, &Order{Payloads: []Payload{p}})); !errors.Is(err, ErrAnnouncedSize) {
			t.Errorf("%+v is decoded as %+v, %v", p, m, err)
		}
		v := Vector{Kind: p.Kind, Bits: p.Bits, Count: p.Count, Size: p.MaxBytes}
		if m, err := Decode(Append(nil, &Contribution{Vectors: []Vector{v}})); !errors.Is(err, ErrAnnouncedSize) {
			t.Errorf("%+v is decoded as %+v, %v", v, m, err)
		}
	}
	many := Append(nil, &Order{Payloads: make([]Payload, MaxPayloads+1)})
	if _, err := Decode(many); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d payloads are decoded: %v", MaxPayloads+1, err)
	}
	h := Hello{Payloads: []PayloadKind{PayloadIntegers}}
	if !h.Supports([]Payload{{Kind: PayloadIntegers}}) || h.Supports([]Payload{{Kind: PayloadIntegers}, {Kind: PayloadBytes}}) || !h.Supports(nil) {
		t.Error("a client supports the kinds that it names")
	}
}

// A body has room for what an order declares, to the byte.
func TestOrderedSize(t *testing.T) {
	for _, c := range []struct {
		payloads []Payload
		want     int64
	}{
		{nil, 0},
		{[]Payload{{Kind: PayloadIntegers, Bits: 20, Count: 3}}, 8},
		{[]Payload{{Kind: PayloadIntegers, Bits: 1, Count: 9}, {Kind: PayloadBytes, MaxBytes: 100}}, 102},
		{[]Payload{{Kind: PayloadFloat32, MaxBytes: 5}, {Kind: 9, MaxBytes: 5}}, 0},
		{[]Payload{{Kind: PayloadBytes, MaxBytes: math.MaxUint64}, {Kind: PayloadIntegers, Bits: 64, Count: math.MaxUint64}}, 2 * MaxBlock},
	} {
		if got := OrderedSize(c.payloads); got != c.want {
			t.Errorf("OrderedSize(%+v) = %d, want %d", c.payloads, got, c.want)
		}
	}
}

// Integers and bytes that are too large for one frame travel in chunks, within the
// limit that the order gives, and WireSize counts them.
func TestPayloadsInChunks(t *testing.T) {
	payloads := []Payload{{Kind: PayloadIntegers, Name: "sums", Bits: 40, Count: 30_000}, {Kind: PayloadBytes, Name: "sealed", MaxBytes: 70_000}}
	in := make([]uint64, 30_000)
	for i := range in {
		in[i] = uint64(i) * 36_650_387 % (1 << 40)
	}
	sent := &Contribution{Transfer: 3, Order: 3, Round: 1, Weight: 1, Vectors: []Vector{
		{Role: RoleDelta, Block: make([]byte, 4000)}, IntegersVector(&payloads[0], in), {Kind: PayloadBytes, Name: "sealed", Block: make([]byte, 70_000)}}}
	limit := MaxBody(1000, 1) + OrderedSize(payloads)
	var body Assembler
	var got Message
	frames, wire := 0, int64(0)
	for frame := range Frames(sent, nil) {
		frames++
		wire += int64(len(frame) + FrameOverhead(len(frame), true))
		m, err := Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *Contribution:
			for i := range payloads {
				if err := payloads[i].Matches(&m.Vectors[1+i]); err != nil {
					t.Errorf("the announcement: %v", err)
				}
			}
			if err := body.Start(m, int64(Announced(m))-1, nil); !errors.Is(err, ErrBodySize) {
				t.Errorf("a limit that is a byte too small: %v, want ErrBodySize", err)
			}
			err = body.Start(m, limit, nil)
		case *Chunk:
			got, err = body.Add(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if frames < 4 || wire != WireSize(sent, true) {
		t.Errorf("%d frames of %d bytes on the wire, want at least 4 of %d", frames, wire, WireSize(sent, true))
	}
	if !equal(got, sent) {
		t.Error("the contribution is not what was sent")
	}
	out := make([]uint64, len(in))
	if err := Integers(out, &got.(*Contribution).Vectors[1]); err != nil || !slices.Equal(out, in) {
		t.Errorf("other integers than were sent, %v", err)
	}
}

func FuzzIntegers(f *testing.F) {
	f.Add(uint32(20), uint16(3), []byte{1, 2, 3, 4, 5, 6, 7, 0})
	f.Fuzz(func(t *testing.T, width uint32, count uint16, block []byte) {
		p := Payload{Kind: PayloadIntegers, Bits: width, Count: uint64(count)}
		v := Vector{Kind: PayloadIntegers, Bits: width, Count: uint64(count), Block: block}
		if p.Validate() != nil || p.Matches(&v) != nil {
			return
		}
		integers := make([]uint64, count)
		if err := Integers(integers, &v); err != nil {
			return
		}
		if again := IntegersVector(&p, integers); !slices.Equal(again.Block, block) {
			t.Fatalf("%x is packed again as %x", block, again.Block)
		}
	})
}

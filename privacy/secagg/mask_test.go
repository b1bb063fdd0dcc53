package secagg_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol"

	"pgregory.net/rapid"
)

// Packed integers are those of protocol.IntegersVector, and their sum is that of the integers.
func TestPacked(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		bits := rapid.IntRange(1, secagg.MaxBits).Draw(r, "bits")
		n := rapid.IntRange(1, 80).Draw(r, "length")
		vectors := rapid.SliceOfN(rapid.SliceOfN(rapid.Uint32(), n, n), 1, 4).Draw(r, "vectors")
		sum, want := secagg.NewSum(n, bits), make([]uint32, n)
		for _, v := range vectors {
			packed := secagg.AppendPacked(nil, v, bits)
			wide := make([]uint64, n)
			for i, x := range v {
				wide[i] = uint64(x)
				want[i] = uint32((uint64(want[i]) + uint64(x)) & (1<<bits - 1))
			}
			p := protocol.Payload{Kind: protocol.PayloadIntegers, Bits: uint32(bits), Count: uint64(n)}
			if other := protocol.IntegersVector(&p, wide).Block; !bytes.Equal(packed, other) {
				r.Fatalf("%x, want %x", packed, other)
			}
			if err := sum.Add(packed); err != nil {
				r.Fatal(err)
			}
		}
		if got := sum.Values(nil); !slices.Equal(got, want) {
			r.Fatalf("%d, want %d", got, want)
		}
	})
}

// A vector of another length or modulus is refused, and the sum stays as it is.
func TestSumRefuses(t *testing.T) {
	sum := secagg.NewSum(5, 13)
	good := secagg.AppendPacked(nil, []uint32{1, 2, 3, 4, 5}, 13)
	if err := sum.Add(good); err != nil {
		t.Fatal(err)
	}
	spare := bytes.Clone(good)
	spare[len(spare)-1] |= 0x80
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"a byte less":        good[:len(good)-1],
		"a byte more":        append(bytes.Clone(good), 0),
		"another modulus":    secagg.AppendPacked(nil, []uint32{1, 2, 3, 4, 5}, 15),
		"bits after the end": spare,
	} {
		if err := sum.Add(b); !errors.Is(err, secagg.ErrMessage) {
			t.Errorf("%s: %v, want ErrMessage", name, err)
		}
	}
	if got := sum.Values(nil); !slices.Equal(got, []uint32{1, 2, 3, 4, 5}) {
		t.Errorf("the sum is %d", got)
	}
}

// Sums merge, and what is added can be subtracted.
func TestSumMerges(t *testing.T) {
	a, b := secagg.NewSum(3, 8), secagg.NewSum(3, 8)
	a.AddValues([]uint32{250, 1, 2})
	b.AddValues([]uint32{10, 1, 2})
	a.AddValues(b.Values(nil))
	if got := a.Values(nil); !slices.Equal(got, []uint32{4, 2, 4}) {
		t.Errorf("merged: %d", got)
	}
	a.Subtract([]uint32{10, 1, 2})
	if got := a.Values(nil); !slices.Equal(got, []uint32{250, 1, 2}) {
		t.Errorf("subtracted: %d", got)
	}
}

// A mask is the key stream of AES-256-CTR: 2 bytes for each integer of up to 16 bits, 4 for wider
// ones. A mask that is added and taken away leaves nothing.
func TestExpand(t *testing.T) {
	key := bytes.Repeat([]byte{7}, secagg.KeySize)
	for _, c := range []struct{ bits, width int }{{1, 2}, {16, 2}, {17, 4}, {32, 4}} {
		for _, n := range []int{1, 2, 3, 4, 5, 4095, 4096, 8193, 20_001} {
			s, err := native.Primitives{}.Stream(key)
			if err != nil {
				t.Fatal(err)
			}
			stream := make([]byte, n*c.width)
			if err := s.Next(stream); err != nil {
				t.Fatal(err)
			}
			got := make([]uint32, n)
			expand := secagg.Expand(native.Primitives{})
			if err := expand(got, key, c.bits, false); err != nil {
				t.Fatal(err)
			}
			for i, x := range got {
				var want uint32
				for j := range c.width {
					want |= uint32(stream[i*c.width+j]) << (8 * j)
				}
				if x != want {
					t.Fatalf("%d bits, integer %d of %d: %d, want %d", c.bits, i, n, x, want)
				}
			}
			if err := expand(got, key, c.bits, true); err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(got, func(x uint32) bool { return x != 0 }) {
				t.Fatalf("%d bits, %d integers: something is left", c.bits, n)
			}
		}
	}
}

// Adding a vector allocates nothing, and a mask only the cipher of its key.
func TestAllocations(t *testing.T) {
	sum, packed := secagg.NewSum(10_000, 13), secagg.AppendPacked(nil, make([]uint32, 10_000), 13)
	if n := testing.AllocsPerRun(20, func() { _ = sum.Add(packed) }); n != 0 {
		t.Errorf("Sum.Add: %g allocations, want 0", n)
	}
	expand, dst, key := secagg.Expand(native.Primitives{}), make([]uint32, 10_000), make([]byte, secagg.KeySize)
	short := testing.AllocsPerRun(20, func() { _ = expand(dst[:1], key, 13, false) })
	if n := testing.AllocsPerRun(20, func() { _ = expand(dst, key, 13, false) }); n != short || n > 5 {
		t.Errorf("a mask: %g allocations, of one integer %g, want the same, at most 5", n, short)
	}
}

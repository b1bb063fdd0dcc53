package rng

import (
	"math/rand/v2"
	"testing"
)

// The values for seed 1234567 are those of the Rosetta Code task "Pseudo-random
// numbers/Splitmix64"; the others are of an independent implementation in
// Python.
func TestSourceKnownValues(t *testing.T) {
	for _, c := range []struct {
		seed uint64
		want []uint64
	}{
		{1234567, []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821}},
		{0, []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f}},
	} {
		s := New(c.seed)
		for i, want := range c.want {
			if got := s.Uint64(); got != want {
				t.Errorf("seed %d: output %d is %d, want %d", c.seed, i, got, want)
			}
		}
		s.Seed(c.seed)
		if got := s.Uint64(); got != c.want[0] {
			t.Errorf("seed %d set again: first output is %d, want %d", c.seed, got, c.want[0])
		}
	}
}

// The values come from Python's hashlib and struct, after the package
// documentation.
func TestDeriveKnownValues(t *testing.T) {
	for _, c := range []struct {
		seed    uint64
		purpose string
		keys    []uint64
		want    uint64
	}{
		{0, "", nil, 0x7a0b81a1f57055af},
		{1, "init", []uint64{0}, 0xc09f7de1ec9e67d7},
		{1<<64 - 1, "shuffle", []uint64{7, 9}, 0xd8185424f79d7a74},
		{42, "cohort", []uint64{3, 0}, 0xe38be243739829f7},
	} {
		if got := Derive(c.seed, c.purpose, c.keys...); got != c.want {
			t.Errorf("Derive(%d, %q, %d) = %#x, want %#x", c.seed, c.purpose, c.keys, got, c.want)
		}
	}
}

func TestStream(t *testing.T) {
	a := Stream(7, "test", 1, 2)
	b := rand.New(New(Derive(7, "test", 1, 2)))
	other := Stream(7, "test", 2, 1)
	for range 10 {
		got, want := a.Uint64(), b.Uint64()
		if got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
		if got == other.Uint64() {
			t.Fatal("the order of the keys makes no difference")
		}
	}
}

func TestDeriveAllocatesNothing(t *testing.T) {
	keys := []uint64{3}
	if n := testing.AllocsPerRun(100, func() { Derive(1, "shuffle", keys...) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

package live

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/protocol"
)

// The bodies on their way take no more memory than the lease allows; who comes
// later waits, and goes away when it is told to.
func TestLease(t *testing.T) {
	const n = 1000
	k := NewChecker(n, 1, 1, NewLease(2*protocol.MaxBody(n, 1)))
	raw := &protocol.Contribution{}
	var held []*Body
	for range 2 {
		b, err := k.Borrow(t.Context(), "", raw)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, b)
	}
	if fits(t, k, "", raw) {
		t.Fatal("a third body is let in")
	}
	k.Check(0, &protocol.Contribution{}, held[0]) // is refused, and gives it back
	b, err := k.Borrow(t.Context(), "", raw)
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	// A packed body needs room for what is in it too, and a block that has come
	// already none for its bytes.
	packed := &protocol.Contribution{Vectors: []protocol.Vector{{Codec: protocol.CodecDeadzone, Size: 100}}}
	if fits(t, k, "", packed) {
		t.Fatal("a packed body is let in where there is room for a raw one")
	}
	packed.Vectors[0] = protocol.Vector{Codec: protocol.CodecDeadzone, Block: make([]byte, 100)}
	if b, err = k.Borrow(t.Context(), "", packed); err != nil {
		t.Fatal(err)
	}
	b.Release()
	held[1].Release()
	// A body that is larger than the whole lease comes alone.
	large := NewChecker(n, 1, 1, NewLease(1))
	if b, err = large.Borrow(t.Context(), "", raw); err != nil {
		t.Fatal(err)
	}
	b.Release()
}

// fits says whether the lease has room for c. A context that is done from the start
// would be an error whether there is room or not.
func fits(t *testing.T, k *Checker, address string, c *protocol.Contribution) (ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	b, err := k.Borrow(ctx, address, c)
	if err == nil {
		b.Release()
	}
	return err == nil
}

// The bodies of one address take a share of the lease, and leave the rest to others.
func TestLeaseShares(t *testing.T) {
	const n = 1000
	raw := &protocol.Contribution{}
	k := NewChecker(n, 1, 1, NewLease(2*shares*protocol.MaxBody(n, 1)))
	var held []*Body
	borrow := func(address string) {
		t.Helper()
		b, err := k.Borrow(t.Context(), address, raw)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, b)
	}
	for _, address := range []string{"a", "a", "b", "b"} {
		borrow(address)
	}
	if fits(t, k, "a", raw) || fits(t, k, "b", raw) {
		t.Error("a third body of an address is let in")
	}
	borrow("c")
	for range 3 { // an address that is not counted has no share
		borrow("")
	}
	if fits(t, k, "d", raw) || fits(t, k, "", raw) {
		t.Error("a ninth body is let in where there is room for eight")
	}
	for _, b := range held {
		b.Release()
	}
	if n := len(k.lease.addresses); n != 0 {
		t.Errorf("shares of %d addresses are kept, want none", n)
	}
	if !k.lease.used.TryAcquire(k.lease.total) {
		t.Error("not all memory was given back")
	}
	for _, s := range k.lease.unused {
		if !s.used.TryAcquire(k.lease.total / shares) {
			t.Error("not all of a share was given back")
		}
	}
	l := NewLease(100)
	if allocs := testing.AllocsPerRun(100, func() {
		if err := l.acquire(t.Context(), "a", 1); err != nil {
			t.Error(err)
		}
		l.release("a", 1)
	}); allocs > 0 {
		t.Errorf("a body allocates %v times, want 0", allocs)
	}
}

// Integers take eight bytes each once they are decoded, however few bits they travel
// in, and the lease counts them.
func TestLeaseOfIntegers(t *testing.T) {
	k := NewChecker(10, 1, 1, NewLease(100<<10))
	p := protocol.Payload{Kind: protocol.PayloadIntegers, Name: "bits", Bits: 1, Count: 10 << 10}
	c := &protocol.Contribution{Vectors: []protocol.Vector{protocol.IntegersVector(&p, make([]uint64, p.Count))}}
	first, err := k.Borrow(t.Context(), "", c)
	if err != nil {
		t.Fatal(err)
	}
	if fits(t, k, "", c) {
		t.Error("two contributions of 80 KiB of integers fit in 100 KiB")
	}
	first.Release()
	if !fits(t, k, "", c) {
		t.Error("one does not fit in 100 KiB")
	}
}

// A body in borrowed memory whose blocks are by several codecs is decoded as the
// same blocks elsewhere are.
func TestBodyOfSeveralCodecs(t *testing.T) {
	const n = 100
	k := NewChecker(n, 4, 1, nil)
	r := rand.New(rand.NewPCG(1, 1))
	m := &protocol.Contribution{Weight: 1, Order: 1}
	for i, codec := range []protocol.Codec{protocol.CodecFloat32, protocol.CodecDeadzone, protocol.CodecFloat32, protocol.CodecPlanes} {
		v := make([]float32, n)
		for j := range v {
			v[j] = r.Float32()
		}
		c, err := compress.Lookup(codec)
		if err != nil {
			t.Fatal(err)
		}
		block, err := c.NewEncoder(compress.Flat(n)).Append(nil, v, compress.Options{Bits: 2})
		if err != nil {
			t.Fatal(err)
		}
		m.Vectors = append(m.Vectors, protocol.Vector{Part: uint32(i), Codec: codec, Block: block})
	}
	body, err := k.Borrow(t.Context(), "", m)
	if err != nil {
		t.Fatal(err)
	}
	borrowed := *m
	borrowed.Vectors = slices.Clone(m.Vectors)
	rest := body.Bytes()
	for i := range borrowed.Vectors {
		v := &borrowed.Vectors[i]
		size := copy(rest, v.Block)
		v.Block, rest = rest[:size:size], rest[size:]
	}
	want, got := k.Check(1, m, nil), k.Check(1, &borrowed, body)
	if got.Reason != protocol.ReasonAccepted || got.Fingerprint() != want.Fingerprint() || !slices.EqualFunc(got.Vectors, want.Vectors, slices.Equal) {
		t.Errorf("got %v %s, fingerprint %x, want %x, and the same values", got.Reason, got.Detail, got.Fingerprint(), want.Fingerprint())
	}
}

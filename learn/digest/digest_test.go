package digest

import (
	"crypto/sha256"
	"testing"
)

// FuzzPlain compares the digest of tabs with Go's, of bytes that are written in two parts
// and asked for in between.
func FuzzPlain(f *testing.F) {
	for _, n := range []int{0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
		}
		for _, cut := range []int{0, n / 3, n} {
			f.Add(b, cut)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(cut, 0), len(b))
		p := newPlain()
		p.Write(b[:cut])
		if got, want := p.Sum(), sha256.Sum256(b[:cut]); got != want {
			t.Fatalf("%d bytes: %x, want %x", cut, got, want)
		}
		p.Write(b[cut:])
		if got, want := p.Sum(), sha256.Sum256(b); got != want {
			t.Fatalf("%d bytes in two parts of %d: %x, want %x", len(b), cut, got, want)
		}
	})
}

// Natively the package is crypto/sha256.
func TestDigest(t *testing.T) {
	b := []byte("abc")
	h := New()
	h.Write(b)
	if want := sha256.Sum256(b); Sum(b) != want || h.Sum() != want {
		t.Errorf("%x and %x, want %x", Sum(b), h.Sum(), want)
	}
}

func BenchmarkPlain(b *testing.B) {
	data := make([]byte, 800_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		p := newPlain()
		p.Write(data)
		p.Sum()
	}
}

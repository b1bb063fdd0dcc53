package digest

// Sum returns the SHA-256 of b.
func Sum(b []byte) [Size]byte {
	h := New()
	h.Write(b)
	return h.Sum()
}

// Hash is a digest that is being computed.
type Hash struct{ plain }

// New returns the digest of nothing yet.
func New() *Hash { return &Hash{newPlain()} }

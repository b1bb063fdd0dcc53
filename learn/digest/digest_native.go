//go:build !js

package digest

import (
	"crypto/sha256"
	"hash"
)

// Sum returns the SHA-256 of b.
func Sum(b []byte) [Size]byte { return sha256.Sum256(b) }

// Hash is a digest that is being computed.
type Hash struct{ hash hash.Hash }

// New returns the digest of nothing yet.
func New() *Hash { return &Hash{sha256.New()} }

// Write adds bytes. Its error is nil.
func (h *Hash) Write(b []byte) (int, error) { return h.hash.Write(b) }

// Sum returns the digest of what was written.
func (h *Hash) Sum() (sum [Size]byte) {
	h.hash.Sum(sum[:0])
	return sum
}

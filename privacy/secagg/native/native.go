// Package native is the cryptography of secure aggregation from Go's standard library. The tab
// does not link it: it has WebCrypto's.
package native

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"fedtab/privacy/secagg"
)

// Primitives are Go's. The zero value draws from the system's random source, and signs nothing.
type Primitives struct {
	Identity ed25519.PrivateKey // that signs
	Source   io.Reader          // of random bytes, for tests and simulations; nil: the system's
}

var _ secagg.Primitives = Primitives{}

// Random fills b.
func (p Primitives) Random(b []byte) error {
	source := p.Source
	if source == nil {
		source = rand.Reader
	}
	_, err := io.ReadFull(source, b)
	return err
}

// Agree returns shared secrets.
func (Primitives) Agree(batch []secagg.Agreement) ([][]byte, error) {
	secrets := make([][]byte, len(batch))
	for i := range batch {
		private, err := ecdh.X25519().NewPrivateKey(batch[i].Private[:])
		if err != nil {
			return nil, err
		}
		public, err := ecdh.X25519().NewPublicKey(batch[i].Public[:])
		if err != nil {
			return nil, err
		}
		secrets[i], err = private.ECDH(public)
		if err != nil {
			secrets[i] = nil // all zeros
		}
	}
	return secrets, nil
}

// Derive returns derived keys.
func (Primitives) Derive(batch []secagg.Derivation) ([][]byte, error) {
	keys := make([][]byte, len(batch))
	for i, d := range batch {
		var err error
		if keys[i], err = hkdf.Key(sha256.New, d.Secret, d.Salt, string(d.Info), secagg.KeySize); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Seal encrypts.
func (Primitives) Seal(batch []secagg.Sealing) ([][]byte, error) {
	return each(batch, func(a cipher.AEAD, s *secagg.Sealing) []byte {
		return a.Seal(nil, s.Nonce, s.Text, s.Additional)
	})
}

// Open decrypts.
func (Primitives) Open(batch []secagg.Sealing) ([][]byte, error) {
	return each(batch, func(a cipher.AEAD, s *secagg.Sealing) []byte {
		text, err := a.Open([]byte{}, s.Nonce, s.Text, s.Additional)
		if err != nil {
			return nil
		}
		return text
	})
}

// each calls f with the cipher of each element.
func each(batch []secagg.Sealing, f func(cipher.AEAD, *secagg.Sealing) []byte) ([][]byte, error) {
	out := make([][]byte, len(batch))
	for i := range batch {
		s := &batch[i]
		block, err := newAES(s.Key)
		if err != nil {
			return nil, err
		}
		a, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		if len(s.Nonce) != secagg.NonceSize {
			return nil, fmt.Errorf("a nonce of %d bytes, want %d", len(s.Nonce), secagg.NonceSize)
		}
		out[i] = f(a, s)
	}
	return out, nil
}

func newAES(key []byte) (cipher.Block, error) {
	if len(key) != secagg.KeySize {
		return nil, fmt.Errorf("a key of %d bytes, want %d", len(key), secagg.KeySize)
	}
	return aes.NewCipher(key)
}

// Stream returns a key stream.
func (Primitives) Stream(key []byte) (secagg.Stream, error) {
	block, err := newAES(key)
	if err != nil {
		return nil, err
	}
	return stream{cipher.NewCTR(block, make([]byte, aes.BlockSize))}, nil
}

type stream struct{ cipher.Stream }

func (s stream) Next(b []byte) error {
	clear(b)
	s.XORKeyStream(b, b)
	return nil
}

var errNoIdentity = errors.New("there is no identity to sign with")

// Sign signs.
func (p Primitives) Sign(message []byte) ([]byte, error) {
	if p.Identity == nil {
		return nil, errNoIdentity
	}
	return ed25519.Sign(p.Identity, message), nil
}

// Verify verifies.
func (Primitives) Verify(batch []secagg.Signature) ([]bool, error) {
	good := make([]bool, len(batch))
	for i := range batch {
		s := &batch[i]
		good[i] = ed25519.Verify(s.Public[:], s.Message, s.Signature)
	}
	return good, nil
}

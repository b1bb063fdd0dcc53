package native_test

import (
	"crypto/ed25519"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/secagg/secaggtest"
)

func TestPrimitives(t *testing.T) {
	secaggtest.Primitives(t, func(seed []byte) secagg.Primitives {
		return native.Primitives{Identity: ed25519.NewKeyFromSeed(seed)}
	})
}

// Without an identity nothing is signed.
func TestNoIdentity(t *testing.T) {
	if s, err := (native.Primitives{}).Sign(nil); err == nil {
		t.Errorf("signature %x, want an error", s)
	}
}

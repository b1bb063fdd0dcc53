package webcrypto_test

import (
	"bytes"
	"strings"
	"sync"
	"syscall/js"
	"testing"
	"time"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/secagg/secaggtest"
	"fedtab/wasm/webcrypto"
)

func TestPrimitives(t *testing.T) {
	secaggtest.Primitives(t, func(seed []byte) secagg.Primitives {
		return webcrypto.Primitives{Identity: seed}
	})
}

// Without an identity nothing is signed.
func TestNoIdentity(t *testing.T) {
	if s, err := (webcrypto.Primitives{}).Sign(nil); err == nil {
		t.Errorf("signature %x, want an error", s)
	}
}

// A batch of nothing has no answers.
func TestNothing(t *testing.T) {
	if keys, err := (webcrypto.Primitives{}).Derive(nil); err != nil || len(keys) != 0 {
		t.Errorf("got %x, %v", keys, err)
	}
}

// Keys and nonces of other sizes are refused before the browser takes them for those of AES-128.
func TestSizes(t *testing.T) {
	var p webcrypto.Primitives
	for _, s := range []secagg.Sealing{
		{Key: make([]byte, 16), Nonce: make([]byte, secagg.NonceSize)},
		{Key: make([]byte, secagg.KeySize), Nonce: make([]byte, 16)},
	} {
		if sealed, err := p.Seal([]secagg.Sealing{s}); err == nil {
			t.Errorf("key of %d bytes, nonce of %d: sealed as %x, want an error", len(s.Key), len(s.Nonce), sealed)
		}
	}
	if _, err := p.Stream(make([]byte, 16)); err == nil {
		t.Error("a stream of a key of 16 bytes, want an error")
	}
}

// Two clients have one mask in common, whoever of them is in a browser.
func TestPairMask(t *testing.T) {
	browser, elsewhere := secagg.Primitives(webcrypto.Primitives{}), secagg.Primitives(native.Primitives{})
	for range 20 {
		var private [2]secagg.Secret
		var public [2]secagg.Key
		var masks [2][]byte
		for i, p := range []secagg.Primitives{browser, elsewhere} {
			if err := p.Random(private[i][:]); err != nil {
				t.Fatal(err)
			}
			public[i] = secagg.Key(agree(t, p, private[i], secagg.Key{9}))
		}
		for i, p := range []secagg.Primitives{browser, elsewhere} {
			secret := agree(t, p, private[i], public[1-i])
			keys, err := p.Derive([]secagg.Derivation{{Secret: secret, Salt: public[0][:], Info: []byte("mask")}})
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.Stream(keys[0])
			if err != nil {
				t.Fatal(err)
			}
			masks[i] = make([]byte, 200_000)
			if err := s.Next(masks[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(masks[0], masks[1]) {
			t.Fatalf("private keys %x: the masks differ", private)
		}
	}
}

func agree(t *testing.T, p secagg.Primitives, private secagg.Secret, public secagg.Key) []byte {
	t.Helper()
	secrets, err := p.Agree([]secagg.Agreement{{Private: private, Public: public}})
	if err != nil {
		t.Fatal(err)
	}
	return secrets[0]
}

// Calls beside each other have their own answers, and while they wait the program goes on.
func TestBeside(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			batch := make([]secagg.Derivation, 50)
			for j := range batch {
				batch[j].Secret = []byte{byte(i), byte(j)}
			}
			got, err := webcrypto.Primitives{}.Derive(batch)
			want, _ := native.Primitives{}.Derive(batch)
			for j := range want {
				if err != nil || !bytes.Equal(got[j], want[j]) {
					t.Errorf("call %d: key %d is another: %v", i, j, err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for ticks := 0; ; ticks++ {
		select {
		case <-done:
			if ticks == 0 {
				t.Error("nothing else ran")
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// A browser that does not refuse a secret of zeros is not trusted with it.
func TestZeros(t *testing.T) {
	replace(t, "deriveBits", func([]js.Value) any {
		return js.Global().Get("Promise").Call("resolve", js.Global().Get("ArrayBuffer").New(secagg.KeySize))
	})
	secrets, err := webcrypto.Primitives{}.Agree(make([]secagg.Agreement, 1))
	if err != nil || secrets[0] != nil {
		t.Errorf("got %x, %v, want none", secrets, err)
	}
}

// The text of a browser's error is not passed on: it could tell of a secret.
func TestErrors(t *testing.T) {
	fail(t, "X25519", "UnknownError", "5ec4e7")
	_, err := webcrypto.Primitives{}.Agree(make([]secagg.Agreement, 2))
	if err == nil || !strings.Contains(err.Error(), "UnknownError") || strings.Contains(err.Error(), "5ec4e7") {
		t.Errorf("got %v, want the name of the error alone", err)
	}
}

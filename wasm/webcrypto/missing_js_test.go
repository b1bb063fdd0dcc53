package webcrypto_test

import (
	"errors"
	"strings"
	"syscall/js"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/wasm/webcrypto"
)

// replace puts a function in the place of one of WebCrypto's, until the test is over. It returns a
// promise, or nil for what the original does.
func replace(t *testing.T, name string, f func(args []js.Value) any) {
	subtle := js.Global().Get("crypto").Get("subtle")
	original := subtle.Get(name)
	stub := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if promise := f(args); promise != nil {
			return promise
		}
		list := make([]any, len(args))
		for i, a := range args {
			list[i] = a
		}
		return original.Call("apply", subtle, list)
	})
	subtle.Set(name, stub)
	t.Cleanup(func() { subtle.Delete(name); stub.Release() })
}

// fail makes the browser import no keys of an algorithm.
func fail(t *testing.T, algorithm, errorName, text string) {
	replace(t, "importKey", func(args []js.Value) any {
		if args[2].String() != algorithm {
			return nil
		}
		return js.Global().Get("Promise").Call("reject", js.Global().Get("DOMException").New(text, errorName))
	})
}

// What a browser lacks is named, and what an attempt does not need is not.
func TestMissing(t *testing.T) {
	if err := webcrypto.Missing(true); err != nil {
		t.Fatalf("got %v, want nothing missing", err)
	}
	for _, c := range []struct {
		algorithm string
		signed    bool
		missing   bool
	}{
		{"X25519", false, true},
		{"HKDF", false, true},
		{"AES-GCM", false, true},
		{"AES-CTR", false, true},
		{"Ed25519", true, true},
		{"Ed25519", false, false},
	} {
		t.Run(c.algorithm, func(t *testing.T) {
			fail(t, c.algorithm, "NotSupportedError", "")
			err := webcrypto.Missing(c.signed)
			if errors.Is(err, webcrypto.ErrMissing) != c.missing || c.missing && !strings.HasSuffix(err.Error(), " "+c.algorithm) {
				t.Errorf("signed %v: got %v", c.signed, err)
			}
		})
	}
}

// A page that is neither from https nor from localhost is told so, and nothing panics. e2e
// opens such a page.
func TestInsecure(t *testing.T) {
	if js.Global().Get("isSecureContext").Bool() {
		t.Skip("it is for a page that is not secure, which e2e opens too")
	}
	if err := webcrypto.Missing(false); err != webcrypto.ErrInsecure {
		t.Errorf("got %v, want %v", err, webcrypto.ErrInsecure)
	}
	if keys, err := (webcrypto.Primitives{}).Derive(make([]secagg.Derivation, 1)); err == nil {
		t.Errorf("got %x without WebCrypto, want an error", keys)
	}
	if _, err := (webcrypto.Primitives{}).Stream(make([]byte, secagg.KeySize)); err == nil {
		t.Error("a stream without WebCrypto, want an error")
	}
}

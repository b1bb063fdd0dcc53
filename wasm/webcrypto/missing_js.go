package webcrypto

import (
	"fmt"
	"strings"
	"syscall/js"

	"fedtab/privacy/secagg"
)

// trials use each primitive once. Only members sign.
var trials = []struct {
	name   string
	signed bool
	use    func(p Primitives, b []byte) error // b: KeySize bytes, the identity of p
}{
	{"X25519", false, func(p Primitives, b []byte) error {
		_, err := p.Agree([]secagg.Agreement{{Private: secagg.Secret(b), Public: secagg.Key{9}}})
		return err
	}},
	{"HKDF", false, func(p Primitives, b []byte) error {
		_, err := p.Derive([]secagg.Derivation{{Secret: b}})
		return err
	}},
	{"AES-GCM", false, func(p Primitives, b []byte) error {
		s := []secagg.Sealing{{Key: b, Nonce: b[:secagg.NonceSize], Text: b}}
		if _, err := p.Seal(s); err != nil {
			return err
		}
		_, err := p.Open(s)
		return err
	}},
	{"AES-CTR", false, func(p Primitives, b []byte) error {
		s, err := p.Stream(b)
		if err != nil {
			return err
		}
		return s.Next(make([]byte, len(b)))
	}},
	{"Ed25519", true, func(p Primitives, b []byte) error {
		signature, err := p.Sign(b)
		if err != nil {
			return err
		}
		_, err = p.Verify([]secagg.Signature{{Public: secagg.Key{9}, Message: b, Signature: signature}})
		return err
	}},
}

// Missing returns why this page cannot take part in secure aggregation, before it joins:
// ErrInsecure, an error that wraps ErrMissing and names what the browser lacks, or nil. signed
// says that the task has members, who sign.
func Missing(signed bool) error {
	if !js.Global().Get("isSecureContext").Truthy() {
		return ErrInsecure
	}
	if names := Lacks(signed); names != nil {
		return fmt.Errorf("%w: it lacks %s", ErrMissing, strings.Join(names, ", "))
	}
	return nil
}

// Lacks names the primitives that the browser lacks, of those that an attempt needs, whose
// members sign or not. On a page that is not secure these are all.
func Lacks(signed bool) (names []string) {
	b := make([]byte, secagg.KeySize)
	for _, t := range trials {
		if signed || !t.signed {
			if err := t.use(Primitives{Identity: b}, b); err != nil {
				names = append(names, t.name)
			}
		}
	}
	return names
}

package webcrypto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall/js"

	"fedtab/privacy/secagg"
)

// Primitives are the browser's. The zero value signs nothing.
type Primitives struct {
	Identity []byte // seed of the Ed25519 key that signs, KeySize bytes
}

var _ secagg.Primitives = Primitives{}

// maxRandom is how many bytes getRandomValues fills at most.
const maxRandom = 64 << 10

// Random fills b.
func (Primitives) Random(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxRandom)
		a := js.Global().Get("Uint8Array").New(n)
		js.Global().Get("crypto").Call("getRandomValues", a)
		js.CopyBytesToGo(b[:n], a)
		b = b[n:]
	}
	return nil
}

// Agree returns shared secrets.
func (Primitives) Agree(batch []secagg.Agreement) ([][]byte, error) {
	c := call{operation: "agree", strings: 2}
	for i := range batch {
		c.add(batch[i].Private[:], batch[i].Public[:])
	}
	return c.run()
}

// Derive returns derived keys.
func (Primitives) Derive(batch []secagg.Derivation) ([][]byte, error) {
	c := call{operation: "derive", strings: 3}
	for i := range batch {
		c.add(batch[i].Secret, batch[i].Salt, batch[i].Info)
	}
	return c.run()
}

// Seal encrypts.
func (Primitives) Seal(batch []secagg.Sealing) ([][]byte, error) { return sealings("seal", batch) }

// Open decrypts.
func (Primitives) Open(batch []secagg.Sealing) ([][]byte, error) { return sealings("open", batch) }

func sealings(operation string, batch []secagg.Sealing) ([][]byte, error) {
	c := call{operation: operation, strings: 4}
	for i := range batch {
		s := &batch[i]
		if len(s.Key) != secagg.KeySize || len(s.Nonce) != secagg.NonceSize {
			return nil, fmt.Errorf("a key of %d bytes and a nonce of %d, want %d and %d", len(s.Key), len(s.Nonce), secagg.KeySize, secagg.NonceSize)
		}
		c.add(s.Key, s.Nonce, s.Text, s.Additional)
	}
	return c.run()
}

var errNoIdentity = errors.New("there is no identity to sign with")

// Sign signs.
func (p Primitives) Sign(message []byte) ([]byte, error) {
	if p.Identity == nil {
		return nil, errNoIdentity
	}
	c := call{operation: "sign", strings: 2}
	c.add(p.Identity, message)
	answers, err := c.run()
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// Verify verifies.
func (Primitives) Verify(batch []secagg.Signature) ([]bool, error) {
	c := call{operation: "verify", strings: 3}
	for i := range batch {
		c.add(batch[i].Public[:], batch[i].Message, batch[i].Signature)
	}
	answers, err := c.run()
	if err != nil {
		return nil, err
	}
	good := make([]bool, len(batch))
	for i, a := range answers {
		good[i] = a != nil
	}
	return good, nil
}

// A call is a batch of one operation of static/crypto.js.
type call struct {
	operation string
	strings   int // of bytes, of each element
	elements  int
	batch     []byte // the strings, each after its length
}

// add adds an element.
func (c *call) add(strings ...[]byte) {
	for _, s := range strings {
		c.batch = binary.LittleEndian.AppendUint32(c.batch, uint32(len(s)))
		c.batch = append(c.batch, s...)
	}
	c.elements++
}

// refused is the length that stands for an element that is refused.
const refused = 1<<32 - 1

// run returns the answers, nil for what is refused.
func (c *call) run() ([][]byte, error) {
	a, err := await(c.operation, "run", c.operation, c.strings, array(c.batch))
	if err != nil {
		return nil, err
	}
	b := make([]byte, a.Length())
	js.CopyBytesToGo(b, a)
	answers := make([][]byte, c.elements)
	for i := range answers {
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if n != refused {
			answers[i], b = b[:n:n], b[n:]
		}
	}
	return answers, nil
}

// array copies b to JavaScript.
func array(b []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

// await calls a function of static/crypto.js and waits for its answer.
func await(operation, function string, args ...any) (answer js.Value, err error) {
	done := make(chan struct{})
	callback := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if answer = args[0]; answer.IsNull() {
			err = fmt.Errorf("WebCrypto: %s: %s", operation, args[1].String())
		}
		close(done)
		return nil
	})
	defer callback.Release()
	js.Global().Get("fedtabCrypto").Call(function, append(args, callback)...)
	<-done
	return answer, err
}

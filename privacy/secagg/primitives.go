package secagg

// Sizes of the primitives, in bytes.
const (
	KeySize       = 32 // of X25519, Ed25519, HKDF-SHA256 and AES-256
	NonceSize     = 12 // of AES-256-GCM
	SealOverhead  = 16 // of AES-256-GCM: its tag
	SignatureSize = 64 // of Ed25519
)

// A Key is a public key of X25519 or Ed25519.
type Key [KeySize]byte

// Primitives are the cryptography that requests are made of. Natively they are
// package native, in a tab WebCrypto's. Each call has a batch, so that asynchronous ones
// run beside each other, and may block: requests are executed outside of the machines.
//
// An element of an answer is nil where the element of the batch is refused. An error says that
// the primitive is not there, or broken. Package secaggtest tests an implementation.
type Primitives interface {
	// Random fills b with secret random bytes of the system.
	Random(b []byte) error

	// Agree returns the shared secrets of X25519 (RFC 7748). One that is all
	// zeros, of a public key of low order, is refused.
	Agree(batch []Agreement) ([][]byte, error)

	// Derive returns keys of KeySize bytes of HKDF-SHA256 (RFC 5869).
	Derive(batch []Derivation) ([][]byte, error)

	// Seal encrypts and authenticates with AES-256-GCM: the text, then the tag.
	Seal(batch []Sealing) ([][]byte, error)

	// Open is the inverse of Seal. What is not authentic is refused.
	Open(batch []Sealing) ([][]byte, error)

	// Stream returns the key stream of AES-256-CTR, with a counter of 128 bits,
	// big endian, that begins at 0.
	Stream(key []byte) (Stream, error)

	// Sign returns the Ed25519 signature (RFC 8032) of the client's identity.
	Sign(message []byte) ([]byte, error)

	// Verify says which signatures are good.
	Verify(batch []Signature) ([]bool, error)
}

// Agreement is one agreement on a secret.
type Agreement struct {
	Private Secret
	Public  Key
}

// Derivation is one derivation of a key. No salt is one of zeros.
type Derivation struct{ Secret, Salt, Info []byte }

// Sealing is one message that is sealed or opened.
type Sealing struct {
	Key, Nonce []byte
	Text       []byte // sealed or not
	Additional []byte // authenticated with it
}

// A Stream is a key stream, of which each byte is given out once.
type Stream interface {
	// Next fills b with the next bytes.
	Next(b []byte) error
}

// Signature is one signature that is verified.
type Signature struct {
	Public    Key
	Message   []byte
	Signature []byte
}

// basePoint is the public key of the private key 1 (RFC 7748, 4.1): to agree with it is to
// compute the public key.
var basePoint = Key{9}

// lowOrder are the canonical public keys of low order, with which every agreement gives
// zeros: 0, 1, two of order 8, and p-1.
var lowOrder = [...]Key{
	{},
	{1},
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
}

// usable reports whether a public key of X25519 is canonical, below p = 2^255 - 19, and not
// of low order. A key has one canonical form, so that equal keys are equal bytes.
func (k *Key) usable() bool {
	for _, low := range lowOrder {
		if *k == low {
			return false
		}
	}
	if k[31] >= 0x80 {
		return false
	}
	if k[31] != 0x7f || k[0] < 0xed {
		return true
	}
	for _, b := range k[1:31] {
		if b != 0xff {
			return true
		}
	}
	return false
}

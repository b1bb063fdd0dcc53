// Package secaggtest tests what secure aggregation is made of: Primitives, by published
// vectors and by what the machines rely on. Every implementation passes it.
package secaggtest

import (
	"bytes"
	"encoding/hex"
	"testing"

	"fedtab/privacy/secagg"
)

// Primitives tests an implementation. make returns it with the Ed25519 identity of a seed.
func Primitives(t *testing.T, make func(seed []byte) secagg.Primitives) {
	p := make(bytesOf(t, signatures[0].seed))
	t.Run("random", func(t *testing.T) { testRandom(t, p) })
	t.Run("agree", func(t *testing.T) { testAgree(t, p) })
	t.Run("low order", func(t *testing.T) { testLowOrder(t, p) })
	t.Run("derive", func(t *testing.T) { testDerive(t, p) })
	t.Run("seal", func(t *testing.T) { testSeal(t, p) })
	t.Run("stream", func(t *testing.T) { testStream(t, p) })
	t.Run("sign", func(t *testing.T) { testSign(t, make) })
}

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same fails unless got are the bytes of want, hexadecimal.
func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, bytesOf(t, want)) {
		t.Errorf("%s: %x, want %s", what, got, want)
	}
}

func testRandom(t *testing.T, p secagg.Primitives) {
	var a, b [64 << 10]byte // getRandomValues gives at most this much in one call
	if err := p.Random(a[:]); err != nil {
		t.Fatal(err)
	}
	if err := p.Random(b[:]); err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Error("two draws are the same")
	}
	large := append(a[:], b[:]...)
	if err := p.Random(large); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(large[:32], large[64<<10:][:32]) || bytes.Equal(large[64<<10:], b[:]) {
		t.Error("the second half of a long draw is not random")
	}
}

// RFC 7748, 5.2 and 6.1. The public key of the second has its highest bit set, which is not
// part of the number.
var agreements = []struct{ name, private, public, secret string }{
	{"5.2, first", "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
	{"5.2, second", "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d", "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493", "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	{"6.1, Alice's public key", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", "0900000000000000000000000000000000000000000000000000000000000000", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
	{"6.1, Alice's secret", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	{"6.1, Bob's secret", "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
}

func testAgree(t *testing.T, p secagg.Primitives) {
	var batch []secagg.Agreement
	for _, v := range agreements {
		batch = append(batch, secagg.Agreement{
			Private: secagg.Secret(bytesOf(t, v.private)),
			Public:  secagg.Key(bytesOf(t, v.public)),
		})
	}
	got, err := p.Agree(batch)
	if err != nil || len(got) != len(batch) {
		t.Fatal(len(got), err)
	}
	for i, v := range agreements {
		same(t, v.name, got[i], v.secret)
	}
}

// Public keys of low order: 0, 1, two of order 8, p-1, p, p+1 with the highest bit clear.
// https://cr.yp.to/ecdh.html#validate
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func testLowOrder(t *testing.T, p secagg.Primitives) {
	private := secagg.Secret(bytesOf(t, agreements[0].private))
	batch := []secagg.Agreement{{Private: private, Public: secagg.Key{9}}}
	for _, v := range lowOrder {
		batch = append(batch, secagg.Agreement{Private: private, Public: secagg.Key(bytesOf(t, v))})
	}
	got, err := p.Agree(batch)
	if err != nil || len(got) != len(batch) {
		t.Fatal(len(got), err)
	}
	if got[0] == nil {
		t.Error("a good key of the batch is refused with the others")
	}
	for i, v := range lowOrder {
		if got[i+1] != nil {
			t.Errorf("%s: %x, want none", v, got[i+1])
		}
	}
}

// RFC 5869, appendix A.1 to A.3, the first 32 bytes: a shorter key is the start of a longer one.
var derivations = []struct{ name, secret, salt, info, key string }{
	{"A.1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"},
	{
		"A.2",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
		"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		"b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
	},
	{"A.3", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"},
}

func testDerive(t *testing.T, p secagg.Primitives) {
	var batch []secagg.Derivation
	for _, v := range derivations {
		batch = append(batch, secagg.Derivation{Secret: bytesOf(t, v.secret), Salt: bytesOf(t, v.salt), Info: bytesOf(t, v.info)})
	}
	got, err := p.Derive(batch)
	if err != nil || len(got) != len(batch) {
		t.Fatal(len(got), err)
	}
	for i, v := range derivations {
		same(t, v.name, got[i], v.key)
	}
}

// McGrew and Viega, The Galois/Counter Mode of Operation, test cases 13 to 16: those of
// AES-256 that NIST refers to.
var sealings = []struct{ name, key, nonce, text, additional, sealed string }{
	{"13", zeros, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
	{"14", zeros, "000000000000000000000000", "00000000000000000000000000000000", "", "cea7403d4d606b6e074ec5d3baf39d18" + "d0d1c8a799996bf0265b98b5d48ab919"},
	{
		"15", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255", "",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad" + "b094dac5d93471bdec1a502270e3cc6c",
	},
	{
		"16", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" + "76fc6ece0f4e1768cddf8853bb2d551b",
	},
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func testSeal(t *testing.T, p secagg.Primitives) {
	var seal, open []secagg.Sealing
	for _, v := range sealings {
		s := secagg.Sealing{Key: bytesOf(t, v.key), Nonce: bytesOf(t, v.nonce), Text: bytesOf(t, v.text), Additional: bytesOf(t, v.additional)}
		seal = append(seal, s)
		s.Text = bytesOf(t, v.sealed)
		open = append(open, s)
	}
	forged := open[3]
	forged.Text = bytes.Clone(forged.Text)
	forged.Text[0] ^= 1
	elsewhere := open[3]
	elsewhere.Additional = nil
	otherKey := open[3]
	otherKey.Key = bytesOf(t, zeros)
	short := open[3]
	short.Text = short.Text[:secagg.SealOverhead-1]
	open = append(open, forged, elsewhere, otherKey, short)

	sealed, err := p.Seal(seal)
	if err != nil || len(sealed) != len(seal) {
		t.Fatal(len(sealed), err)
	}
	for i, v := range sealings {
		same(t, "sealed "+v.name, sealed[i], v.sealed)
	}
	opened, err := p.Open(open)
	if err != nil || len(opened) != len(open) {
		t.Fatal(len(opened), err)
	}
	for i, v := range sealings {
		if opened[i] == nil {
			t.Errorf("%s is refused", v.name)
		}
		same(t, "opened "+v.name, opened[i], v.text)
	}
	for i, name := range []string{"a changed byte", "other additional data", "another key", "less than a tag"} {
		if got := opened[len(sealings)+i]; got != nil {
			t.Errorf("%s: opened as %x", name, got)
		}
	}
}

// The first blocks of the key stream of key 0. Block 0 is AES-256 of 0 under key 0 (NIST AESAVS,
// appendix B), block 1 the tag of GCM's test case 13, and block 2 the text of 14: GCM
// begins at counter 1.
const stream = "dc95c078a2408989ad48a21492842087" + "530f8afbc74536b9a963b4f1c4cb738b" + "cea7403d4d606b6e074ec5d3baf39d18"

func testStream(t *testing.T, p secagg.Primitives) {
	key := bytesOf(t, zeros)
	whole := next(t, p, key, 100_000)
	same(t, "the first blocks", whole[:48], stream)
	var pieces []byte
	s, err := p.Stream(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{16, 1, 15, 4096, 7, 16 << 10} {
		b := bytes.Repeat([]byte{0xff}, n) // what is there before does not matter
		if err := s.Next(b); err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, b...)
	}
	if !bytes.Equal(pieces, whole[:len(pieces)]) {
		t.Error("in pieces the stream is another")
	}
	key[31] = 1
	if bytes.Equal(next(t, p, key, 48), whole[:48]) {
		t.Error("another key has the same stream")
	}
}

func next(t *testing.T, p secagg.Primitives, key []byte, n int) []byte {
	t.Helper()
	s, err := p.Stream(key)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if err := s.Next(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 8032, 7.1, tests 1 to 3.
var signatures = []struct{ seed, public, message, signature string }{
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82", "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
}

func testSign(t *testing.T, make func(seed []byte) secagg.Primitives) {
	var batch []secagg.Signature
	for i, v := range signatures {
		got, err := make(bytesOf(t, v.seed)).Sign(bytesOf(t, v.message))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "signature", got, v.signature)
		s := secagg.Signature{Public: secagg.Key(bytesOf(t, v.public)), Message: bytesOf(t, v.message), Signature: got}
		changed, other, short, nowhere := s, s, s, s
		changed.Message = append([]byte("x"), s.Message...)
		other.Public = secagg.Key(bytesOf(t, signatures[(i+1)%len(signatures)].public))
		short.Signature = got[:secagg.SignatureSize-1]
		nowhere.Public = secagg.Key{2} // no point of the curve has y = 2
		batch = append(batch, s, changed, other, short, nowhere)
	}
	good, err := make(bytesOf(t, signatures[0].seed)).Verify(batch)
	if err != nil || len(good) != len(batch) {
		t.Fatal(len(good), err)
	}
	for i, ok := range good {
		if want := i%5 == 0; ok != want {
			t.Errorf("signature %d, variant %d: good is %v, want %v", i/5, i%5, ok, want)
		}
	}
}

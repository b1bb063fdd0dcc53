package secagg

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// FIPS 197, 4.2: {57} by {83} is {c1}; {57} by {13} is {fe}.
func TestField(t *testing.T) {
	for _, v := range [][3]byte{{0x57, 0x83, 0xc1}, {0x57, 0x13, 0xfe}, {1, 0xff, 0xff}, {0, 7, 0}} {
		if got := multiply(v[0], v[1]); got != v[2] {
			t.Errorf("%#x by %#x is %#x, want %#x", v[0], v[1], got, v[2])
		}
		if got := multiply(v[1], v[0]); got != v[2] {
			t.Errorf("%#x by %#x is %#x, want %#x", v[1], v[0], got, v[2])
		}
	}
	for a := range 255 {
		if got := multiply(byte(a+1), invert(byte(a+1))); got != 1 {
			t.Errorf("%#x by its inverse is %#x", a+1, got)
		}
	}
}

// random returns n random secrets.
func random(rng *rand.Rand, n int) []Secret {
	secrets := make([]Secret, n)
	for i := range secrets {
		for j := range secrets[i] {
			secrets[i][j] = byte(rng.Uint32())
		}
	}
	return secrets
}

// Any threshold of the shares reconstruct the secret, in any order.
func TestCombine(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ threshold, shares int }{{1, 1}, {1, 5}, {2, 3}, {3, 5}, {5, 7}, {21, 48}, {67, 140}, {255, 255}} {
		secret := random(rng, 1)[0]
		values := make([]Secret, c.shares)
		Split(values, secret, random(rng, c.threshold-1))
		for range 20 {
			var shares []Share
			for _, i := range rng.Perm(c.shares)[:c.threshold] {
				shares = append(shares, Share{byte(i + 1), values[i]})
			}
			if got, err := Combine(shares, c.threshold); err != nil || got != secret {
				t.Fatalf("%d of %d: %x, %v, want %x", c.threshold, c.shares, got, err, secret)
			}
			shares[0].Value[31] ^= 1
			if got, err := Combine(shares, c.threshold); err != nil || got == secret {
				t.Fatalf("%d of %d with a wrong share: %x, %v", c.threshold, c.shares, got, err)
			}
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	for _, c := range []struct {
		name      string
		points    []byte
		threshold int
	}{
		{"none", nil, 1},
		{"too few", []byte{1, 2}, 3},
		{"a point twice", []byte{1, 2, 1}, 3},
		{"point 0", []byte{1, 0, 2}, 3},
		{"threshold 0", []byte{1}, 0},
	} {
		var shares []Share
		for _, p := range c.points {
			shares = append(shares, Share{Point: p})
		}
		if got, err := Combine(shares, c.threshold); !errors.Is(err, ErrShares) {
			t.Errorf("%s: %x, %v, want ErrShares", c.name, got, err)
		}
	}
}

// Two of the three shares that reconstruct tell nothing: whatever they are, each of the 256 values
// of a byte of the secret comes from exactly one of the 65,536 pairs of coefficients.
func TestSharesTellNothing(t *testing.T) {
	var product [256][256]byte
	for a := range product {
		for b := range product {
			product[a][b] = multiply(byte(a), byte(b))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		x, y := byte(1+rng.IntN(127)), byte(128+rng.IntN(128)) // points
		shareX, shareY := byte(rng.Uint32()), byte(rng.Uint32())
		x2, y2 := multiply(x, x), multiply(y, y)
		var ways [256]int
		for a := range 256 {
			for b := range 256 {
				secret := shareX ^ product[a][x] ^ product[b][x2]
				if secret^product[a][y]^product[b][y2] == shareY {
					ways[secret]++
				}
			}
		}
		for secret, n := range ways {
			if n != 1 {
				t.Fatalf("secret %d explains the shares in %d ways, want 1", secret, n)
			}
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	shares, coefficients := make([]Secret, 140), random(rng, 66)
	for b.Loop() {
		Split(shares, Secret{}, coefficients)
	}
}

func BenchmarkCombine(b *testing.B) {
	shares := make([]Share, 67)
	for i := range shares {
		shares[i].Point = byte(i + 1)
	}
	for b.Loop() {
		if _, err := Combine(shares, 67); err != nil {
			b.Fatal(err)
		}
	}
}

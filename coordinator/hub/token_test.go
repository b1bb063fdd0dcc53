package hub

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"
)

var tokenTime = time.Unix(1_700_000_000, 0)

func testTokens() Tokens { return Tokens{Secret: []byte("secret"), Run: "a", Life: time.Hour} }

func TestTokens(t *testing.T) {
	tokens := testTokens()
	token := tokens.Make(7, 0, tokenTime)
	for _, at := range []time.Time{tokenTime, tokenTime.Add(time.Hour - time.Second), tokenTime.Add(-time.Hour)} {
		if p, _, err := tokens.Check(token, at); err != nil || p != 7 {
			t.Errorf("at %v its own token is of %d, %v", at, p, err)
		}
	}
	if bytes.Contains(token, tokens.Secret) {
		t.Error("the token holds the secret")
	}
	for i := range token {
		for bit := range 8 {
			forged := bytes.Clone(token)
			forged[i] ^= 1 << bit
			if p, _, err := tokens.Check(forged, tokenTime); err != errToken {
				t.Fatalf("a forged token is of %d, %v, want %v", p, err, errToken)
			}
		}
	}
	for name, other := range map[string]Tokens{
		"another run":    {Secret: []byte("secret"), Run: "b"},
		"another secret": {Secret: []byte("public"), Run: "a"},
	} {
		if _, _, err := other.Check(token, tokenTime); err != errToken {
			t.Errorf("%s: %v, want %v", name, err, errToken)
		}
	}
	mac := hmac.New(sha256.New, tokens.Secret)
	mac.Write([]byte("fedtab resume token\x00a\x00\x00\x00\x00\x07"))
	before := mac.Sum([]byte{0, 0, 0, 7})
	for name, b := range map[string][]byte{
		"empty": nil, "cut": token[:len(token)-1], "longer": append(bytes.Clone(token), 0),
		"of participant 0": tokens.Make(0, 0, tokenTime), "of the format before": before,
	} {
		if _, _, err := tokens.Check(b, tokenTime); err != errToken {
			t.Errorf("%s: %v, want %v", name, err, errToken)
		}
	}
	if _, _, err := tokens.Check(token, tokenTime.Add(time.Hour)); err != errTokenExpired {
		t.Errorf("after its life: %v, want %v", err, errTokenExpired)
	}
}

// A token that names a person says who it is, and is forged like no other.
func TestPersonToken(t *testing.T) {
	tokens := testTokens()
	token := tokens.Make(7, 1<<63+5, tokenTime)
	if p, person, err := tokens.Check(token, tokenTime); err != nil || p != 7 || person != 1<<63+5 {
		t.Errorf("its own token is of %d, person %d, %v", p, person, err)
	}
	for i := range token {
		forged := bytes.Clone(token)
		forged[i] ^= 1
		if _, _, err := tokens.Check(forged, tokenTime); err != errToken {
			t.Errorf("with another byte %d: %v, want %v", i, err, errToken)
		}
	}
	if p, person, err := tokens.Check(tokens.Make(7, 0, tokenTime), tokenTime); err != nil || p != 7 || person != 0 {
		t.Errorf("a token without a person is of %d, person %d, %v", p, person, err)
	}
}

func FuzzToken(f *testing.F) {
	tokens := testTokens()
	f.Add(tokens.Make(7, 0, tokenTime))
	f.Add(tokens.Make(7, 1<<63+5, tokenTime))
	f.Add(tokens.Make(1<<32-1, 0, tokenTime.Add(-2*time.Hour)))
	f.Add([]byte{tokenVersion})
	f.Fuzz(func(t *testing.T, token []byte) {
		p, person, err := tokens.Check(token, tokenTime)
		if err != nil {
			return
		}
		made := time.Unix(int64(binary.BigEndian.Uint64(token[5:])), 0).Add(-tokens.Life)
		if want := tokens.Make(p, person, made); !bytes.Equal(token, want) {
			t.Fatalf("%x is taken for participant %d, whose token of that time is %x", token, p, want)
		}
	})
}

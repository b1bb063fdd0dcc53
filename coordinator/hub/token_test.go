package hub

import (
	"bytes"
	"testing"
)

func TestTokens(t *testing.T) {
	tokens := Tokens{Secret: []byte("secret"), Run: "a"}
	token := tokens.Make(7)
	if p, ok := tokens.Check(token); !ok || p != 7 {
		t.Errorf("its own token is of %d, %v", p, ok)
	}
	if bytes.Contains(token, tokens.Secret) {
		t.Error("the token holds the secret")
	}
	for i := range token {
		for bit := range 8 {
			forged := bytes.Clone(token)
			forged[i] ^= 1 << bit
			if p, ok := tokens.Check(forged); ok {
				t.Fatalf("a forged token is taken as participant %d", p)
			}
		}
	}
	for name, other := range map[string]Tokens{
		"another run":    {Secret: []byte("secret"), Run: "b"},
		"another secret": {Secret: []byte("public"), Run: "a"},
	} {
		if _, ok := other.Check(token); ok {
			t.Errorf("%s takes the token", name)
		}
	}
	for _, b := range [][]byte{nil, token[:35], append(bytes.Clone(token), 0), tokens.Make(0)} {
		if _, ok := tokens.Check(b); ok {
			t.Errorf("a token of %d bytes is taken", len(b))
		}
	}
}

package task

import (
	"bytes"
	"crypto/ed25519"
	"fedtab/privacy/secagg"
	"fedtab/protocol"
	"os"
	"path/filepath"
	"testing"
)

func TestReadMembers(t *testing.T) {
	const a, b = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	path := filepath.Join(t.TempDir(), "members.txt")
	for name, c := range map[string]struct{ text, want string }{
		"two":    {"# of the study\n" + a + " Ada\n\n" + b + "\n", ""},
		"twice":  {a + " Ada\n" + a + " Bob\n", path + ":2: the key of line 1 again, want each once"},
		"no key": {a + "\nAda " + b + "\n", path + `:2: "Ada" is no public key, want the line that coordinator identity prints`},
		"short":  {"AAEC\n", path + `:1: "AAEC" is no public key, want the line that coordinator identity prints`},
		"empty":  {"# nobody\n", path + ": no members, want a line for each, as coordinator identity prints it"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := ReadMembers(path)
		if c.want == "" {
			if err != nil || len(keys) != 2 || keys[1][0] != 1 || keys[0][0] != 0 {
				t.Errorf("%s: %d keys, %v", name, len(keys), err)
			}
			continue
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// A member's code is of its key and a task, and of nobody who is not on the list.
func TestMemberCode(t *testing.T) {
	ada, bob := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	key := func(k ed25519.PrivateKey) secagg.Key { return secagg.Key(k.Public().(ed25519.PublicKey)) }
	members := []secagg.Key{key(ada)}
	code := MemberCode("study", ada)
	if len(code) > protocol.MaxToken {
		t.Errorf("a code has %d bytes, want at most %d", len(code), protocol.MaxToken)
	}
	if got, err := CheckMember(code, "study", members); err != nil || got != key(ada) {
		t.Errorf("the code of a member: %x, %v", got, err)
	}
	forged := []byte(code)
	forged[100] ^= 1
	for name, c := range map[string]struct{ code, task string }{
		"another task": {code, "other"}, "a stranger": {MemberCode("study", bob), "study"}, "forged": {string(forged), "study"},
		"cut": {code[:50], "study"}, "none": {"", "study"}, "an invite": {"AQAA", "study"},
	} {
		if _, err := CheckMember(c.code, c.task, members); err != errMember {
			t.Errorf("%s: %v, want %v", name, err, errMember)
		}
	}
	if a, b := PersonOf(key(ada)), PersonOf(key(bob)); a == 0 || a == b || a != PersonOf(key(ada)) {
		t.Errorf("the persons are %d and %d", a, b)
	}
}

package task

import (
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

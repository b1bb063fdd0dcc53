package task

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"

	"fedtab/privacy/secagg"
)

// ReadMembers reads a list of members: a line each, of the public key in base64 and a name. Empty
// lines, and those that begin with #, do not count, nor does the order. The error names the line.
func ReadMembers(path string) (keys []secagg.Key, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := map[secagg.Key]int{}
	in := bufio.NewScanner(f)
	for line := 1; in.Scan(); line++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		field, _, _ := strings.Cut(text, " ")
		b, err := base64.StdEncoding.DecodeString(field)
		if err != nil || len(b) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%s:%d: %q is no public key, want the line that coordinator identity prints", path, line, field)
		}
		k := secagg.Key(b)
		if before := lines[k]; before > 0 {
			return nil, fmt.Errorf("%s:%d: the key of line %d again, want each once", path, line, before)
		}
		lines[k] = line
		keys = append(keys, k)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no members, want a line for each, as coordinator identity prints it", path)
	}
	slices.SortFunc(keys, func(a, b secagg.Key) int { return bytes.Compare(a[:], b[:]) }) // lists in another order are equal
	return keys, nil
}

// MemberLine returns the line that lists a member, without its name.
func MemberLine(k secagg.Key) string { return base64.StdEncoding.EncodeToString(k[:]) }

package task

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"fedtab/privacy/secagg"
	"fedtab/strategy"
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

// memberCode is the first byte of a member's code.
const memberCode = 1

// errMember answers a code that no member of the task has signed.
var errMember = errors.New("the code is of no member of this task: run coordinator client --members FILE --identity FILE")

// MemberCode returns the code with which a member joins a task where persons are limited: the
// public key, and its signature of the task's name, in base64. It is the same each time: who
// has it can join as that member and be counted as it, but has no part in sums, for which keys of the
// attempt are signed.
func MemberCode(task string, key ed25519.PrivateKey) string {
	b := append([]byte{memberCode}, key.Public().(ed25519.PublicKey)...)
	return base64.RawURLEncoding.EncodeToString(append(b, ed25519.Sign(key, memberSigned(task))...))
}

func memberSigned(task string) []byte { return []byte("fedtab member joins\x00" + task) }

// CheckMember returns the member that has signed a code for a task.
func CheckMember(code, task string, members []secagg.Key) (secagg.Key, error) {
	const end = 1 + ed25519.PublicKeySize
	b, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil || len(b) != end+ed25519.SignatureSize || b[0] != memberCode {
		return secagg.Key{}, errMember
	}
	key := secagg.Key(b[1:end])
	if !slices.Contains(members, key) || !ed25519.Verify(key[:], memberSigned(task), b[end:]) {
		return secagg.Key{}, errMember
	}
	return key, nil
}

// PersonOf is the person that a member is.
func PersonOf(k secagg.Key) strategy.Person {
	sum := sha256.Sum256(append([]byte("fedtab person\x00"), k[:]...))
	return strategy.Person(binary.BigEndian.Uint64(sum[:]))
}

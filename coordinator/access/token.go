package access

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// kind is what tells the token of a role from the others.
type kind struct {
	role   Role
	file   string // in the data directory
	prefix string // for people, and for programs that look for secrets that have leaked
	letter byte   // in cookies
}

var kinds = [...]kind{
	{Viewer, "viewer.token", "ftv_", 'v'},
	{Organiser, "organiser.token", "fto_", 'o'},
}

const (
	tokenBytes = 32 // random
	maxToken   = 64 // characters, more than a token has
	maxFile    = 1 << 10
)

// coding refuses what it does not write, so that bytes have one text.
var coding = base64.RawURLEncoding.Strict()

// makeToken returns a new token.
func makeToken(k kind) string {
	b := make([]byte, tokenBytes)
	rand.Read(b) // it never fails
	return k.prefix + coding.EncodeToString(b)
}

// readOrMake returns the token in the file of a kind, and whether it was made now.
func readOrMake(dir string, k kind) (token string, made bool, err error) {
	path := filepath.Join(dir, k.file)
	token, err = readToken(path, k)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	token = makeToken(k)
	if err := writeToken(path, token); err != nil {
		return "", false, fmt.Errorf("%s: cannot make the %s's token: %w", path, k.role, cause(err))
	}
	return token, true, nil
}

const makeAnew = "remove the file and start again to have a new one"

// readToken reads a file that must be its owner's alone. No error shows what is in it. It
// wraps fs.ErrNotExist if there is no file.
func readToken(path string, k kind) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", unreadable(path, k, err)
	}
	mode := info.Mode()
	switch {
	case !mode.IsRegular():
		return "", fmt.Errorf("%s: not a regular file, want one with the %s's token: move it away", path, k.role)
	case mode.Perm()&0o077 != 0:
		return "", fmt.Errorf("%s: mode %#o, want 0600: others on this machine may know the %s's token, so %s", path, mode.Perm(), k.role, makeAnew)
	case info.Size() == 0:
		return "", fmt.Errorf("%s: empty, want the %s's token: %s", path, k.role, makeAnew)
	case info.Size() > maxFile:
		return "", malformed(path, k)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", unreadable(path, k, err)
	}
	token := strings.TrimSpace(string(text))
	if !wellFormed(token, k) {
		return "", malformed(path, k)
	}
	return token, nil
}

func unreadable(path string, k kind, err error) error {
	return fmt.Errorf("%s: cannot read the %s's token: %w", path, k.role, cause(err))
}

// cause takes the path out of a file error, for a message that names it.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func malformed(path string, k kind) error {
	return fmt.Errorf("%s: malformed, want one line, %s and %d characters of A-Z a-z 0-9 _ -: %s", path, k.prefix, coding.EncodedLen(tokenBytes), makeAnew)
}

// wellFormed reports whether a text is such as makeToken returns.
func wellFormed(token string, k kind) bool {
	text, ok := strings.CutPrefix(token, k.prefix)
	b, err := coding.DecodeString(text)
	return ok && err == nil && len(b) == tokenBytes && !strings.ContainsAny(text, "\r\n")
}

// writeToken makes a file that is there whole or not at all, also after a power cut: half
// of one would keep the coordinator from starting.
func writeToken(path, token string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(token + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Package kit reads and writes the files of the conformance kits, those of
// protocol/testdata/conformance and of compress/testdata/conformance, whose
// README.md describe them. Only tests import it.
package kit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A File is one case: a header of keys and values, and named paragraphs, in their
// order.
type File struct {
	Header     [][2]string
	Paragraphs [][2]string
}

// Parse reads the text of a file.
func Parse(text string) (File, error) {
	var f File
	head, rest, _ := strings.Cut(text, "\n\n")
	for line := range strings.SplitSeq(head, "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return f, fmt.Errorf("header %q: want key: value", line)
		}
		f.Header = append(f.Header, [2]string{key, value})
	}
	for paragraph := range strings.SplitSeq(strings.TrimSuffix(rest, "\n"), "\n\n") {
		name, body, _ := strings.Cut(paragraph, "\n")
		f.Paragraphs = append(f.Paragraphs, [2]string{name, body})
	}
	return f, nil
}

// String returns the text of f.
func (f *File) String() string {
	var b strings.Builder
	for _, h := range f.Header {
		fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
	}
	for _, p := range f.Paragraphs {
		fmt.Fprintf(&b, "\n%s\n", p[0])
		if body := strings.TrimSuffix(p[1], "\n"); body != "" {
			b.WriteString(body + "\n")
		}
	}
	return b.String()
}

// Hex writes b in hexadecimal, in lines of 32 bytes; a run of more than 32 equal
// bytes is a word on a line of its own, such as 61*1025.
func Hex(b []byte) string {
	const run = 32
	equal := func(b []byte) (n int) {
		for n = 1; n < len(b) && b[n] == b[0]; n++ {
		}
		return n
	}
	var out strings.Builder
	for len(b) > 0 {
		if n := equal(b); n > run {
			fmt.Fprintf(&out, "%02x*%d\n", b[0], n)
			b = b[n:]
			continue
		}
		n := 1
		for n < min(32, len(b)) && equal(b[n:]) <= run {
			n++
		}
		fmt.Fprintf(&out, "%x\n", b[:n])
		b = b[n:]
	}
	return out.String()
}

// ParseHex is the inverse of Hex.
func ParseHex(text string) ([]byte, error) {
	b := []byte{}
	for _, word := range strings.Fields(text) {
		digits, times, repeated := strings.Cut(word, "*")
		part, err := hex.DecodeString(digits)
		n := 1
		if repeated && err == nil {
			n, err = strconv.Atoi(times)
		}
		if err != nil {
			return nil, err
		}
		b = append(b, bytes.Repeat(part, n)...)
	}
	return b, nil
}

// Class returns the name of the class that err has, "ok" of nil. An error of
// several classes gets all their names, and one of none gets none: a test then
// says so.
func Class(err error, classes map[string]error) string {
	if err == nil {
		return "ok"
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		if errors.Is(err, classes[name]) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Read returns the texts of the cases in dir by name, after it has compared them
// with SHA256SUMS. With update, it first writes those that are made and missing:
// made gives their texts by name.
func Read(t testing.TB, dir string, made map[string]string, update bool) map[string]string {
	t.Helper()
	if update {
		for name, text := range made {
			path := filepath.Join(dir, name+".txt")
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		appendSums(t, dir)
	}
	texts := map[string]string{}
	for _, path := range paths(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		texts[name] = string(b)
		if _, ok := made[name]; !ok {
			t.Errorf("%s: no generator makes it", path)
		}
	}
	for name := range made {
		if _, ok := texts[name]; !ok {
			t.Errorf("%s: lacks the case %s; -update makes it", dir, name)
		}
	}
	if got, want := sums(t, dir), lines(t, filepath.Join(dir, "SHA256SUMS")); !slices.Equal(got, want) {
		t.Errorf("%s: SHA256SUMS does not match the files", dir)
	}
	return texts
}

// Classes reads the classes of the cases whose files do not name theirs: lines of
// a file's name and a class.
func Classes(t testing.TB, dir string) map[string]string {
	t.Helper()
	classes := map[string]string{}
	for _, line := range lines(t, filepath.Join(dir, "CLASSES")) {
		name, class, ok := strings.Cut(line, ".txt ")
		if _, twice := classes[name]; !ok || twice {
			t.Fatalf("%s: CLASSES: %q: want a file, once, and its class", dir, line)
		}
		classes[name] = class
	}
	return classes
}

func paths(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// sums returns the lines that sha256sum writes of the cases.
func sums(t testing.TB, dir string) (list []string) {
	t.Helper()
	for _, path := range paths(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%x  %s", sha256.Sum256(b), filepath.Base(path)))
	}
	return list
}

// lines returns the lines of a file; there are none if it is not there.
func lines(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// appendSums adds the lines of new cases. Those of others stay as they are.
func appendSums(t testing.TB, dir string) {
	t.Helper()
	name := func(line string) string { return line[2*sha256.Size:] }
	path := filepath.Join(dir, "SHA256SUMS")
	kept := lines(t, path)
	for _, line := range sums(t, dir) {
		if !slices.ContainsFunc(kept, func(old string) bool { return name(old) == name(line) }) {
			kept = append(kept, line)
		}
	}
	slices.SortFunc(kept, func(a, b string) int { return strings.Compare(name(a), name(b)) })
	if err := os.WriteFile(path, []byte(strings.Join(kept, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

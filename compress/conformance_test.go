package compress

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/e2e/kit"
	"fedtab/protocol"
)

// answers are what the kit's files expect of a decoder.
var answers = map[string]error{"ok": nil, "block": ErrBlock, "not-finite": ErrNotFinite, "range": ErrRange, "codec": ErrUnknownCodec}

// classes are why, by the names that docs/compression.md gives them.
var classes = map[string]error{
	"version": ErrVersion, "truncated": ErrTruncated, "trailing": ErrTrailing, "length": ErrLength, "parts": ErrParts,
	"table": ErrTable, "classes": ErrClasses, "stream": ErrStream, "exponent": ErrExponent, "mantissas": ErrMantissas,
	"halvings": ErrHalvings, "not-finite": ErrNotFinite, "range": ErrRange, "codec": ErrUnknownCodec,
}

// conformanceCase is a file of testdata/conformance; README.md there describes
// them.
type conformanceCase struct {
	name, comment string
	expect        string
	class         string // of expect block
	codec         string
	n             int
	seed          uint64
	block         []byte
	base, held    []float32 // of grid; without base, kitBase and kitHeld
	sum, first    string    // of ok: SHA-256 of the values, and bits of the first
}

func conformanceCases(t *testing.T) []conformanceCase {
	return slices.Concat(kitCases(), rawCases(), takenCases(t), gridCases(t), headerCases(), tableCases(), streamCases(), ownCases())
}

// file returns the text of the case's file. A case that is ok gets what its block
// is read as now.
func (c *conformanceCase) file(t *testing.T) string {
	var f kit.File
	head := func(key, value string) {
		if value != "" {
			f.Header = append(f.Header, [2]string{key, value})
		}
	}
	if c.expect == "ok" {
		v, err := c.decode()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		c.sum = kitSum(v)
		var words []string
		for _, x := range v[:min(4, len(v))] {
			words = append(words, fmt.Sprintf("%08x", math.Float32bits(x)))
		}
		c.first = strings.Join(words, " ")
	}
	head("comment", c.comment)
	head("expect", c.expect)
	head("class", c.class)
	head("codec", c.codec)
	head("values", strconv.Itoa(c.n))
	if c.codec == "dither" {
		head("seed", strconv.FormatUint(c.seed, 10))
	}
	head("sha256", c.sum)
	head("first", c.first)
	_, text, _ := strings.Cut(octets("block", c.block), "\n")
	hexadecimal, _, _ := strings.Cut(text, "\n\n")
	f.Paragraphs = [][2]string{{hexadecimal, ""}}
	for _, v := range []struct {
		name   string
		values []float32
	}{{"base", c.base}, {"held", c.held}} {
		if v.values != nil {
			_, text, _ := strings.Cut(floats(v.name, v.values), "\n")
			f.Paragraphs = append(f.Paragraphs, [2]string{v.name, strings.TrimSpace(text)})
		}
	}
	return f.String()
}

func readCase(text string) (c conformanceCase, err error) {
	f, err := kit.Parse(text)
	if err != nil {
		return c, err
	}
	for _, h := range f.Header {
		switch key, value := h[0], h[1]; key {
		case "expect":
			c.expect = value
		case "class":
			c.class = value
		case "codec":
			c.codec = value
		case "values":
			c.n, err = strconv.Atoi(value)
		case "seed":
			c.seed, err = strconv.ParseUint(value, 10, 64)
		case "sha256":
			c.sum = value
		case "first":
			c.first = value
		case "comment":
			c.comment = value
		default:
			err = fmt.Errorf("header %q: unknown", key)
		}
		if err != nil {
			return c, err
		}
	}
	for i, p := range f.Paragraphs {
		switch name, text := p[0], p[1]; {
		case i == 0:
			c.block, err = hex.DecodeString(strings.Join(strings.Fields(name+text), ""))
		case name == "base":
			c.base, err = parseFloats(strings.Fields(text))
		case name == "held":
			c.held, err = parseFloats(strings.Fields(text))
		default:
			err = fmt.Errorf("paragraph %q: unknown", name)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// decode reads the block.
func (c *conformanceCase) decode() ([]float32, error) {
	v := make([]float32, c.n)
	if c.codec == protocol.CodecGrid.String() {
		base, held := c.base, c.held
		if base == nil {
			base, held = kitBase(), kitHeld()
		}
		copy(v, base)
		copy(v, held)
		g, err := NewGrid(Flat(len(base)), base)
		if err != nil {
			return nil, err
		}
		_, err = g.Apply(v, c.block)
		return v, err
	}
	codec, err := Named(c.codec)
	if err != nil {
		return nil, err
	}
	return v, DecodeWith(codec.NewDecoder(), v, c.block, Options{Seed: c.seed})
}

func kitSum(v []float32) string { return fmt.Sprintf("%x", sha256.Sum256(AppendFloat32(nil, v))) }

// TestConformance holds every decoder against the kit, which other implementations
// can use too. With -update it makes the files that are missing. Which block an
// encoder makes of a vector is not pinned, so the files need not be what it makes
// now.
func TestConformance(t *testing.T) {
	dir := filepath.Join("testdata", "conformance")
	made := map[string]string{}
	for _, c := range conformanceCases(t) {
		if made[c.name] != "" {
			t.Errorf("%s: two cases of this name", c.name)
		}
		made[c.name] = c.file(t)
	}
	named := kit.Classes(t, dir)
	covered, taken := map[string]int{}, map[string]int{}
	for name, text := range kit.Read(t, dir, made, *makeFiles) {
		c, err := readCase(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if class, ok := named[name]; ok {
			if c.class != "" {
				t.Errorf("%s: CLASSES names the class of a file that does", name)
			}
			c.class = class
			delete(named, name)
		}
		if c.class == "" {
			c.class = c.expect
		}
		covered[c.class]++
		if c.expect == "ok" {
			taken[c.codec]++
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := c.decode()
			want, known := answers[c.expect]
			if got := kit.Class(err, classes); got != c.class || !known || !errors.Is(err, want) {
				t.Fatalf("%v, of class %q, want %s, class %q", err, got, c.expect, c.class)
			}
			if err == nil && kitSum(v) != c.sum {
				t.Errorf("other values than those of hash %s: %v", c.sum, v[:min(4, len(v))])
			}
			c.checkPieces(t, v)
		})
	}
	for name := range named {
		t.Errorf("CLASSES names %s.txt, and there is no such file", name)
	}
	for name := range classes {
		if covered[name] == 0 {
			t.Errorf("no case of class %s", name)
		}
	}
	for _, id := range Codecs() {
		if taken[id.String()] < 3 {
			t.Errorf("%d blocks of %v are ok, want at least 3", taken[id.String()], id)
		}
	}
}

// checkPieces: whatever reads a block gives the same answer. Of several faults it
// may meet another first.
func (c *conformanceCase) checkPieces(t *testing.T, v []float32) {
	codec, err := Named(c.codec)
	if err != nil {
		return // of grid, or unknown
	}
	o := Options{Seed: c.seed}
	_, err = Check(codec.NewDecoder(), c.block, c.n, o, make([]float32, 7))
	want := answers[c.expect]
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("Check: %v, want %s", err, c.expect)
	}
	sum := make([]float32, c.n)
	err = AddWith(codec.NewDecoder(), sum, 1, c.block, o)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("AddWith: %v, want %s", err, c.expect)
	}
	if err == nil && !slices.Equal(sum, v) {
		t.Error("AddWith gives other values than Decode")
	}
}

// TestClassesAreDocumented: the table of docs/compression.md has the kit's classes.
func TestClassesAreDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "docs", "compression.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "\n| class | what is refused | codecs |\n")
	if !ok {
		t.Fatal("docs/compression.md has no table of classes")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		got = append(got, row[1])
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(classes)); !slices.Equal(got, want) {
		t.Errorf("documented are %v, want %v", got, want)
	}
}

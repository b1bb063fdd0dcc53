package protocol

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/e2e/kit"
)

// answers are what the kit's files expect of a receiver.
var answers = map[string]error{
	"ok": nil, "malformed": ErrMalformed, "too-large": ErrTooLarge, "unknown-kind": ErrUnknownKind, "transfer": ErrTransfer, "payload": ErrPayload,
}

// classes are why, by the names that docs/protocol.md gives them.
var classes = map[string]error{
	"broken-field": ErrBrokenField, "group": ErrGroup, "wire-type": ErrWireType, "message-count": ErrMessageCount,
	"repeated-field": ErrRepeatedField, "text": ErrText, "number": ErrNumber, "hash": ErrHash, "mixed-body": ErrMixedBody,
	"frame-size": ErrFrameSize, "field-size": ErrFieldSize, "list-size": ErrListSize, "unknown-fields": ErrUnknownFields,
	"announced-size": ErrAnnouncedSize, "body-size": ErrBodySize,
	"transfer": ErrTransfer, "unknown-kind": ErrUnknownKind, "payload": ErrPayload,
}

// conformanceCase is a file of testdata/conformance; README.md there describes
// them.
type conformanceCase struct {
	name     string
	expect   string
	class    string // of expect malformed and too-large
	comment  string
	order    []byte   // that the frames answer, if any
	frames   [][]byte // several are an announcement and its chunks, taken in order
	limit    int64    // of the body; without it no body is put together
	message  string   // in protobuf's text format
	bodies   []string // size and SHA-256 of each block
	integers []string // of each vector of integers
}

func conformanceCases() []conformanceCase {
	return slices.Concat(formCases, takenCases(), brokenCases(), sizeCases(), payloadCases())
}

func (c *conformanceCase) file() string {
	var f kit.File
	head := func(key, value string) {
		if value != "" {
			f.Header = append(f.Header, [2]string{key, value})
		}
	}
	paragraph := func(name, text string) { f.Paragraphs = append(f.Paragraphs, [2]string{name, text}) }
	head("comment", c.comment)
	head("expect", c.expect)
	head("class", c.class)
	if c.limit > 0 {
		head("limit", strconv.FormatInt(c.limit, 10))
	}
	if c.order != nil {
		paragraph("order", kit.Hex(c.order))
	}
	for _, frame := range c.frames {
		paragraph("frame", kit.Hex(frame))
	}
	if c.message != "" {
		paragraph("message", c.message)
	}
	if c.bodies != nil {
		paragraph("bodies", strings.Join(c.bodies, "\n"))
	}
	if c.integers != nil {
		paragraph("integers", strings.Join(c.integers, "\n"))
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
		case "comment":
			c.comment = value
		case "limit":
			c.limit, err = strconv.ParseInt(value, 10, 64)
		default:
			err = fmt.Errorf("header %q: unknown", key)
		}
		if err != nil {
			return c, err
		}
	}
	for _, p := range f.Paragraphs {
		switch name, text := p[0], p[1]; name {
		case "order":
			c.order, err = kit.ParseHex(text)
		case "frame":
			var b []byte
			b, err = kit.ParseHex(text)
			c.frames = append(c.frames, b)
		case "message":
			c.message = text + "\n"
		case "bodies":
			c.bodies = strings.Split(text, "\n")
		case "integers":
			c.integers = strings.Split(text, "\n")
		default:
			err = fmt.Errorf("paragraph %q: unknown", name)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// receive decodes the frames of c, puts the body together if there is a limit, and
// returns the last message that is complete.
func (c *conformanceCase) receive() (last Message, err error) {
	var body Assembler
	for i, frame := range c.frames {
		m, err := Decode(frame)
		if err == nil && c.limit > 0 {
			if chunk, ok := m.(*Chunk); ok {
				m, err = body.Add(chunk)
			} else if Announced(m) > 0 {
				err, m = body.Start(m, c.limit, nil), nil
			}
		}
		if err != nil {
			if i < len(c.frames)-1 {
				return nil, fmt.Errorf("frame %d of %d: %v, want the last to be refused", i+1, len(c.frames), err)
			}
			return nil, err
		}
		if m != nil {
			last = m
		}
	}
	return last, nil
}

// answer compares a contribution with the order that it answers, and returns its
// integers.
func (c *conformanceCase) answer(m Message) (integers []string, err error) {
	o, err := Decode(c.order)
	if err != nil {
		return nil, err
	}
	order, vectors := o.(*Order), m.(*Contribution).Vectors
	if len(vectors) != len(order.Payloads) {
		return nil, fmt.Errorf("%d vectors, want %d", len(vectors), len(order.Payloads))
	}
	for i := range vectors {
		p, v := &order.Payloads[i], &vectors[i]
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if err := p.Matches(v); err != nil {
			return nil, err
		}
		if v.Kind != PayloadIntegers {
			continue
		}
		n := make([]uint64, v.Count)
		if err := Integers(n, v); err != nil {
			return nil, err
		}
		integers = append(integers, strings.Trim(fmt.Sprint(n), "[]"))
	}
	return integers, nil
}

// TestConformance holds Decode, Assembler and payloads against the kit, which
// other implementations can use too. With -update it makes the files that are
// missing.
func TestConformance(t *testing.T) {
	dir := filepath.Join("testdata", "conformance")
	made := map[string]string{}
	for _, c := range conformanceCases() {
		if made[c.name] != "" {
			t.Errorf("%s: two cases of this name", c.name)
		}
		if c.expect == "ok" && c.message == "" && c.limit == 0 && c.order == nil {
			m, err := Decode(c.frames[0])
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			c.message = render(m)
		}
		made[c.name] = c.file()
	}
	named := kit.Classes(t, dir)
	covered := map[string]int{}
	for name, text := range kit.Read(t, dir, made, *update) {
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if text != made[name] {
				t.Errorf("the generator makes\n%s", made[name])
			}
			c.check(t)
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
	if covered["ok"] < 40 {
		t.Errorf("%d cases are ok, want at least 40", covered["ok"])
	}
}

func (c *conformanceCase) check(t *testing.T) {
	m, err := c.receive()
	var integers []string
	if err == nil && c.order != nil {
		integers, err = c.answer(m)
	}
	want, known := answers[c.expect]
	if got := kit.Class(err, classes); got != c.class || !known || !errors.Is(err, want) {
		t.Fatalf("%v, of class %q, want %s, class %q", err, got, c.expect, c.class)
	}
	if !slices.Equal(integers, c.integers) {
		t.Errorf("integers %v, want %v", integers, c.integers)
	}
	if err != nil {
		return
	}
	if m == nil {
		t.Fatal("no message is complete")
	}
	if c.message != "" && render(m) != c.message {
		t.Errorf("got\n%swant\n%s", render(m), c.message)
	}
	if got := bodySums(m); c.bodies != nil && !slices.Equal(got, c.bodies) {
		t.Errorf("bodies %v, want %v", got, c.bodies)
	}
}

// bodySums returns the size and the SHA-256 of each block of m.
func bodySums(m Message) (sums []string) {
	_, vectors := vectorsOf(m)
	for i := range vectors {
		sums = append(sums, fmt.Sprintf("%d %x", len(vectors[i].Block), sha256.Sum256(vectors[i].Block)))
	}
	return sums
}

// TestClassesAreDocumented: the table of docs/protocol.md has the kit's classes
// and their close codes.
func TestClassesAreDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "\n| class | what is refused | close code |\n")
	if !ok {
		t.Fatal("docs/protocol.md has no table of classes")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|.*\\| (\\w+)[^|]* \\|$").FindAllStringSubmatch(table, -1) {
		got = append(got, row[1]+" "+row[2])
	}
	for name, err := range classes {
		code := "none"
		if c := CloseFor(err); c != 0 {
			code = c.Number()
		}
		want = append(want, name+" "+code)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("documented are %v, want %v", got, want)
	}
}

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sample returns testdata/sample as programs are built, but that its functions are inlined.
func sample(t *testing.T) []byte {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	c := config{root: root}
	const path = "static/pack/testdata/sample"
	program, err := c.link("./"+path, filepath.Join(t.TempDir(), "sample.wasm"), append(flags, "-gcflags=fedtab/"+path+"=")...)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// node runs a program in Node.js and returns what it writes.
func node(t *testing.T, program []byte) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("no node: e2e/browsers.sh installs Debian's nodejs")
	}
	root, err := config{}.goCommand(nil, "env", "GOROOT")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "program.wasm")
	if err := os.WriteFile(file, program, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec_node.js"), file).CombinedOutput()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 2 {
		t.Fatalf("%v, want exit status 2, that of a panic:\n%s", err, out)
	}
	return string(out)
}

// A stripped program writes what it wrote before, but for files, lines and arguments in
// its stacks.
func TestStripSample(t *testing.T) {
	program := sample(t)
	stripped, err := strip(program)
	if err != nil {
		t.Fatal(err)
	}
	before, after := node(t, program), node(t, stripped)
	for _, want := range []string{"main.at(...)", "main.recovered(", "main.generic[...].func1", "main.caller.call main.caller.call", "goroutine", "main.main()"} {
		if !strings.Contains(after, want) {
			t.Errorf("the output lacks %q:\n%s", want, after)
		}
	}
	if !strings.Contains(before, "/main.go:") || strings.Contains(after, ".go:") {
		t.Errorf("lines of the stack: want some before and none after:\n%s", after)
	}
	places := regexp.MustCompile(`(?m)\(\S*(, \S+)*\)$|^\t\S+:\d+| in goroutine \d+$`)
	b := strings.Split(places.ReplaceAllString(before, ""), "\n")
	a := strings.Split(places.ReplaceAllString(after, ""), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("line %d differs, want the same:\n%s\n\nbefore:\n%s", i+1, after, before)
		}
	}

	var sizes []int
	for _, content := range [][]byte{program, stripped} {
		small, err := config{fast: true}.brotlied(content)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(small))
	}
	t.Logf("%d bytes of Brotli, %d stripped", sizes[0], sizes[1])
	if sizes[1] > sizes[0]*9/10 {
		t.Errorf("the stripped program takes %d bytes, want a tenth less than %d", sizes[1], sizes[0])
	}
}

// tiny is a module with two functions, by its parts.
type tiny struct {
	header [9]uint64
	names  []byte
	units  []byte
	files  []byte
	pcs    []byte
	funcs  []uint32 // as in memory, in words

	before, segments, after []byte // of the module; nil segments stand for one of the above
}

// newTiny returns a module that strip takes.
func newTiny() *tiny {
	return &tiny{
		header: [9]uint64{0x08010000fffffff1, 2, 1, 0, 72, 80, 88, 96, 112},
		names:  []byte("\x00f\x00g\x00..."),
		units:  []byte{1, 0, 0, 0, 1, 0, 0, 0},
		files:  []byte("a.go\x00..."),
		// Tables at 1: of files, 5: of lines, 8: of frames, 11: of stack maps.
		pcs: []byte{0, 2, 0x81, 1, 0, 20, 1, 0, 2, 1, 0, 4, 3, 0, 9, 0x89},
		funcs: []uint32{
			7, 24, 8, 104, 9, 0, // entries and where functions are, the end
			7, 1, 0, 0, 8, 1, 5, 2, 1, 30, 7 << 24, 5, 11, 1, 2, 3, 4, 5, 6, 7, // 2 pcdata, 7 funcdata
			8, 3, 0, 0, 8, 1, 5, 4, 1, 40, 0, 0, 11, 11, 5, // 4 pcdata, no funcdata
		},
		before: []byte(moduleHeader), after: []byte{0, 2, 1, 'x'},
	}
}

func (m *tiny) memory() []byte {
	var b []byte
	for _, v := range m.header {
		b = word.AppendUint64(b, v)
	}
	b = bytes.Join([][]byte{b, m.names, m.units, m.files, m.pcs}, nil)
	for _, v := range m.funcs {
		b = word.AppendUint32(b, v)
	}
	return b
}

func (m *tiny) module() []byte {
	memory := m.memory()
	content := m.segments
	if content == nil {
		content = segment16(memory)
	}
	section := binary.AppendUvarint([]byte{sectionData}, uint64(len(content)))
	return slices.Concat(m.before, section, content, m.after)
}

// segment16 returns a data section of one segment at address 16.
func segment16(memory []byte) []byte {
	b := binary.AppendUvarint([]byte{1, 0, opI32Const, 16, opEnd}, uint64(len(memory)))
	return append(b, memory...)
}

func TestStripTiny(t *testing.T) {
	m := newTiny()
	got, err := strip(m.module())
	if err != nil {
		t.Fatal(err)
	}
	want := newTiny()
	want.units, want.files = make([]byte, 8), make([]byte, 8)
	want.pcs = []byte{0, 0, 0, 2, 1, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0}
	want.funcs = []uint32{
		7, 24, 8, 104, 9, 0,
		7, 1, 0, 0, 3, 0, 0, 2, 0, 0, 7 << 24, 0, 6, 1, 2, 3, 4, 5, noFuncData, noFuncData,
		8, 3, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0, 6, 6, 0,
	}
	if !bytes.HasPrefix(got, m.before) || !bytes.HasSuffix(got, m.after) {
		t.Errorf("the other sections have changed: % x", got)
	}
	i, err := readImage(got)
	if err != nil {
		t.Fatal(err)
	}
	if w := append(make([]byte, 16), want.memory()...); !bytes.Equal(i.memory, w) {
		t.Errorf("got memory\n% x, want\n% x", i.memory, w)
	}
}

// A module that is not as Go's linker writes it is refused.
func TestStripOther(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*tiny)
		want   string
	}{
		{"nothing", func(m *tiny) { *m = tiny{segments: []byte{}} }, "begins with"},
		{"no module", func(m *tiny) { m.before[0] = 1 }, "begins with 01 61 73 6d"},
		{"no data section", func(m *tiny) { m.before = append(m.before, 1, 200, 3) }, "length of a section: 456, want at most"},
		{"section cut off", func(m *tiny) { m.after = []byte{0} }, "length of a section: , want a number"},
		{"length too long", func(m *tiny) { m.after = []byte{0, 0x80, 0x80, 0x80, 0x80, 0x80, 0} }, "length of a section: 80 80 80 80 80, want a number of 32 bits"},
		{"length too large", func(m *tiny) { m.after = []byte{0, 0xff, 0xff, 0xff, 0xff, 0x7f} }, "length of a section: ff ff ff ff 7f, want a number of 32 bits"},
		{"two data sections", func(m *tiny) { m.after = []byte{sectionData, 1, 0} }, "a second data section"},
		{"count of segments", func(m *tiny) { m.before = append(m.before, sectionCount, 1, 1) }, "counts data segments"},
		{"empty data section", func(m *tiny) { m.segments = []byte{} }, "number of data segments"},
		{"bytes after the segments", func(m *tiny) { m.segments = append(segment16(m.memory()), 0) }, "1 bytes after the last of 1 data segments"},
		{"too few segments", func(m *tiny) { m.segments = segment16(m.memory()); m.segments[0] = 2 }, "data segment: the end, want a byte"},
		{"passive segment", func(m *tiny) { m.segments = []byte{1, 1, 1, 'x'} }, "begins with 0x1 0x1, want memory 0"},
		{"address of a global", func(m *tiny) { m.segments = []byte{1, 0, 0x23, 0, opEnd, 0} }, "begins with 0x0 0x23"},
		{"sum for an address", func(m *tiny) { m.segments = []byte{1, 0, opI32Const, 1, opI32Const, 1, 0x6a, opEnd, 0} }, "no end after its address"},
		{"negative address", func(m *tiny) { m.segments = []byte{1, 0, opI32Const, 0x40, opEnd, 0} }, "negative"},
		{"high address", func(m *tiny) { m.segments = []byte{1, 0, opI32Const, 0x80, 0x80, 0x80, 0xa0, 0, opEnd, 1, 1} }, "1 bytes at address 67108864, want an address in 0..67108863"},
		{"segments overlap", func(m *tiny) {
			m.segments = append(segment16(m.memory()), 0, opI32Const, 17, opEnd, 1, 1)
			m.segments[0] = 2
		}, "data segment: 1 bytes at address 17, want"},
		{"segment cut off", func(m *tiny) { m.segments = segment16(m.memory()); m.segments = m.segments[:len(m.segments)-1] }, "length of a data segment: 276, want at most the 275"},

		{"other version", func(m *tiny) { m.header[0]-- }, "no header of version 0xfffffff1"},
		{"pointers of 4 bytes", func(m *tiny) { m.header[0] = 0x04010000fffffff1 }, "no header"},
		{"header cut off", func(m *tiny) { m.segments = segment16(m.memory()[:71]) }, "address 16: header of functions: 71 bytes, want 72"},
		{"tables not in order", func(m *tiny) { m.header[6] = 79 }, "table 2 is at 79, want 80.."},
		{"tables beyond the end", func(m *tiny) { m.header[8] = 1 << 40 }, "table 4 is at 1099511627776"},
		{"functions cut off", func(m *tiny) { m.segments = segment16(m.memory()[:115]) }, "2 functions in 3 bytes, want 1..0"},
		{"no functions", func(m *tiny) { m.header[1] = 0 }, "0 functions in"},
		{"too many functions", func(m *tiny) { m.header[1] = 1 << 61 }, "2305843009213693952 functions in"},
		{"entries not in order", func(m *tiny) { m.funcs[0] = 9 }, "function 0: its entry is 9, that of the next one 8"},
		{"end before the last", func(m *tiny) { m.funcs[4] = 6 }, "function 1: its entry is 8, that of the next one 6"},
		{"function elsewhere", func(m *tiny) { m.funcs[3] = 96 }, "function 1: is at 96 of 164, want 104"},
		{"other entry", func(m *tiny) { m.funcs[6] = 8 }, "function 0: entry 8, 2 pcdata, 7 funcdata, want 7,"},
		{"more pcdata", func(m *tiny) { m.funcs[13] = 6 }, "6 pcdata"},
		{"more funcdata", func(m *tiny) { m.funcs[16] = 9 << 24 }, "9 funcdata"},
		{"function cut off", func(m *tiny) { m.funcs[len(m.funcs)-5] = 8 << 24 }, "function 1: ends at 196, want at most 164"},
		{"table beyond the end", func(m *tiny) { m.funcs[10] = 16 }, "function 0: pctab: no table at 16 of 16"},
		{"table without an end", func(m *tiny) { m.funcs[10] = 12 }, "function 0: pctab: no table at 12 of 16"},
		{"tables overlap", func(m *tiny) { m.funcs[10], m.funcs[18], m.funcs[30] = 2, 3, 1 }, "pctab: 21 bytes stay of 16"},
		{"two headers", func(m *tiny) { m.segments = segment16(bytes.Repeat(m.memory(), 2)) }, "a second table of functions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newTiny()
			c.change(m)
			if _, err := strip(m.module()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A module has the memory that was stripped, and strip finds nothing more to leave out.
func FuzzStrip(f *testing.F) {
	f.Add(newTiny().module())
	f.Fuzz(func(t *testing.T, program []byte) {
		m, err := readImage(program)
		if err != nil {
			return
		}
		found, err := findTables(m.memory)
		if err != nil || found.strip() != nil {
			return
		}
		once := bytes.TrimRight(m.memory, "\x00")
		again, err := readImage(m.module())
		if err != nil || !bytes.Equal(bytes.TrimRight(again.memory, "\x00"), once) {
			t.Errorf("% x\nis read as % x, %v, want\n% x", m.module(), again.memory, err, once)
		}
		once = slices.Clone(once)
		if err := found.strip(); err != nil || !bytes.HasPrefix(m.memory, once) {
			t.Errorf("stripped again: % x, %v, want\n% x", m.memory, err, once)
		}
	})
}

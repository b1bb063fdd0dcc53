package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// strip returns a program of Go's linker without what only tracebacks read: in which
// file and line a function's instructions are, and where its arguments lie. Tracebacks
// still name every function.
//
// The runtime takes all that is left out for missing (package runtime of the Go version
// in go.mod). An offset of 0 is no table: funcline1 returns "?" and 0 without pcfile and
// pcln, before it looks at cuOffset, cutab and filetab. startLine is for profiles,
// PCDATA_UnsafePoint for preemption by signals, of which WebAssembly has none
// (preemptMSupported). FUNCDATA_ArgInfo, FUNCDATA_ArgLiveInfo and PCDATA_ArgLiveIndex are
// for printArgs. Stack maps, frame sizes, deferred calls and the trees of inlined
// functions, which have the names of these, stay.
func strip(program []byte) ([]byte, error) {
	m, err := readImage(program)
	if err != nil {
		return nil, err
	}
	t, err := findTables(m.memory)
	if err != nil {
		return nil, err
	}
	if err := t.strip(); err != nil {
		return nil, err
	}
	return m.module(), nil
}

// tables are what the runtime knows of a program's functions (runtime.pcHeader and what
// follows it), in the program's memory.
type tables struct {
	units []byte // cutab: the files of a package
	files []byte // filetab: their names
	pcs   []byte // pctab: tables of what changes from instruction to instruction
	funcs []function
}

// function is a runtime._func, with its offsets of pcdata, into pctab, and of funcdata.
type function []byte

// The fields of runtime._func, all of 4 bytes but the last.
const (
	fieldEntry     = 0
	fieldFrame     = 16 // pcsp
	fieldFile      = 20 // pcfile
	fieldLine      = 24 // pcln
	fieldPCData    = 28 // npcdata
	fieldUnit      = 32 // cuOffset
	fieldStart     = 36 // startLine
	fieldFuncData  = 43 // nfuncdata, a byte
	sizeOfFunction = 44
)

// Indices of pcdata and of funcdata (internal/abi/symtab.go), and how many there are.
const (
	pcUnsafePoint = 0
	pcArgLive     = 3
	pcDataKinds   = 5

	funcArgInfo     = 5
	funcArgLiveInfo = 6
	funcDataKinds   = 8
)

// noFuncData is the offset of funcdata that there is none of.
const noFuncData = 1<<32 - 1

// headerMagic begins runtime.pcHeader: its version, two zeros, the smallest instruction
// and the size of a pointer. headerSize is that of the whole.
const (
	headerMagic = "\xf1\xff\xff\xff\x00\x00\x01\x08"
	headerSize  = 72
)

var word = binary.LittleEndian

// findTables returns the tables in a program's memory.
func findTables(memory []byte) (*tables, error) {
	var found *tables
	problem := errors.New("no header of version 0xfffffff1 and pointers of 8 bytes")
	for at := 0; ; at += len(headerMagic) {
		next := bytes.Index(memory[at:], []byte(headerMagic))
		if next < 0 {
			break
		}
		at += next
		t, err := readTables(memory[at:])
		switch {
		case err != nil:
			problem = fmt.Errorf("address %d: %w", at, err)
		case found != nil:
			return nil, fmt.Errorf("address %d: a second table of functions, want one", at)
		default:
			found = t
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no table of functions, want that of Go's linker: %w", problem)
	}
	return found, nil
}

// readTables reads the tables whose header begins b.
func readTables(b []byte) (*tables, error) {
	if len(b) < headerSize {
		return nil, fmt.Errorf("header of functions: %d bytes, want %d", len(b), headerSize)
	}
	// The names of functions, cutab, filetab, pctab and the functions, in this order.
	var offsets [5]int
	last := uint64(headerSize)
	for i := range offsets {
		v := word.Uint64(b[32+8*i:])
		if v < last || v > uint64(len(b)) {
			return nil, fmt.Errorf("header of functions: table %d is at %d, want %d..%d", i, v, last, len(b))
		}
		offsets[i], last = int(v), v
	}
	t := &tables{units: b[offsets[1]:offsets[2]], files: b[offsets[2]:offsets[3]], pcs: b[offsets[3]:offsets[4]]}
	return t, t.readFunctions(b[offsets[4]:], word.Uint64(b[8:]))
}

// readFunctions reads count functions. b begins with the entry and the offset of each, and
// the end of the last.
func (t *tables) readFunctions(b []byte, count uint64) error {
	if most := uint64(max(len(b)-4, 0)) / 8; count == 0 || count > most {
		return fmt.Errorf("header of functions: %d functions in %d bytes, want 1..%d", count, len(b), most)
	}
	at := int(8*count) + 4
	for i := range int(count) {
		entry, offset := word.Uint32(b[8*i:]), int(word.Uint32(b[8*i+4:]))
		if next := word.Uint32(b[8*i+8:]); next < entry {
			return fmt.Errorf("function %d: its entry is %d, that of the next one %d, want them in order", i, entry, next)
		}
		if at = (at + 7) &^ 7; offset != at || at+sizeOfFunction > len(b) {
			return fmt.Errorf("function %d: is at %d of %d, want %d, after the last one", i, offset, len(b), at)
		}
		f := function(b[at:])
		numbers, data := int(word.Uint32(f[fieldPCData:])), int(f[fieldFuncData])
		if numbers > pcDataKinds || data > funcDataKinds || word.Uint32(f[fieldEntry:]) != entry {
			return fmt.Errorf("function %d: entry %d, %d pcdata, %d funcdata, want %d, at most %d, and at most %d",
				i, word.Uint32(f[fieldEntry:]), numbers, data, entry, pcDataKinds, funcDataKinds)
		}
		if at += sizeOfFunction + 4*numbers + 4*data; at > len(b) {
			return fmt.Errorf("function %d: ends at %d, want at most %d", i, at, len(b))
		}
		t.funcs = append(t.funcs, f[:sizeOfFunction+4*numbers+4*data])
	}
	return nil
}

// pcData returns the offset of the i-th pcdata, nil if there is none.
func (f function) pcData(i int) []byte {
	if i >= int(word.Uint32(f[fieldPCData:])) {
		return nil
	}
	return f[sizeOfFunction+4*i:][:4]
}

// funcData returns the offset of the i-th funcdata, nil if there is none.
func (f function) funcData(i int) []byte {
	if i >= int(f[fieldFuncData]) {
		return nil
	}
	return f[sizeOfFunction+4*int(word.Uint32(f[fieldPCData:]))+4*i:][:4]
}

// leaveOut has f without what only tracebacks read.
func (f function) leaveOut() {
	for _, field := range []int{fieldFile, fieldLine, fieldUnit, fieldStart} {
		clear(f[field:][:4])
	}
	for _, kind := range []int{pcUnsafePoint, pcArgLive} {
		clear(f.pcData(kind))
	}
	for _, kind := range []int{funcArgInfo, funcArgLiveInfo} {
		if offset := f.funcData(kind); offset != nil {
			word.PutUint32(offset, noFuncData)
		}
	}
}

// offsets returns f's offsets into pctab, after leaveOut.
func (f function) offsets() [][]byte {
	all := [][]byte{f[fieldFrame:]}
	for kind := range pcDataKinds {
		if offset := f.pcData(kind); offset != nil {
			all = append(all, offset)
		}
	}
	return all
}

// strip leaves out what only tracebacks read. The tables of pctab that stay move together,
// so that zeros are at its end.
func (t *tables) strip() error {
	// funcMaxSPDelta reads a table at offset 0, too: three zeros are an empty one.
	kept := make([]byte, 3, len(t.pcs)+3)
	moved := map[uint32]int{0: 0}
	for i, f := range t.funcs {
		f.leaveOut()
		for _, offset := range f.offsets() {
			from := word.Uint32(offset)
			if _, ok := moved[from]; !ok {
				table, err := t.table(from)
				if err != nil {
					return fmt.Errorf("function %d: %w", i, err)
				}
				moved[from] = len(kept)
				kept = append(kept, table...)
			}
			word.PutUint32(offset, uint32(moved[from]))
		}
	}
	if len(kept) > len(t.pcs) {
		return fmt.Errorf("pctab: %d bytes stay of %d, want fewer", len(kept), len(t.pcs))
	}
	clear(t.pcs[copy(t.pcs, kept):])
	clear(t.units)
	clear(t.files)
	return nil
}

// table returns the table at an offset of pctab: pairs of differences, of the value and of
// the instruction, up to a zero that is not the first value.
func (t *tables) table(offset uint32) ([]byte, error) {
	at := int(offset)
	for number := 0; at < len(t.pcs); number++ {
		if t.pcs[at] == 0 && number > 0 && number%2 == 0 {
			return t.pcs[offset : at+1], nil
		}
		_, n := binary.Uvarint(t.pcs[at:])
		if n <= 0 || n > binary.MaxVarintLen32 {
			break
		}
		at += n
	}
	return nil, fmt.Errorf("pctab: no table at %d of %d", offset, len(t.pcs))
}

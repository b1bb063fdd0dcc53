package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// image is the memory of a program before it starts, as the data section of its module
// says.
type image struct {
	before, after []byte // the module's bytes around the data section
	memory        []byte // from address 0
}

// maxMemory bounds an image: an address is as easily written as a byte.
const maxMemory = 64 << 20

// Of WebAssembly's binary format.
const (
	moduleHeader = "\x00asm\x01\x00\x00\x00"

	sectionData  = 11
	sectionCount = 12 // the number of data segments, for instructions that Go does not use

	opI32Const = 0x41
	opEnd      = 0x0b
)

// readImage reads the data section of a module.
func readImage(module []byte) (*image, error) {
	if !bytes.HasPrefix(module, []byte(moduleHeader)) {
		return nil, fmt.Errorf("module: begins with % x, want % x", module[:min(len(module), len(moduleHeader))], moduleHeader)
	}
	var m *image
	for d := (&decoder{module, len(moduleHeader)}); d.at < len(module); {
		begin := d.at
		id, err := d.byte("section")
		if err != nil {
			return nil, err
		}
		content, err := d.block("section")
		switch {
		case err != nil:
			return nil, err
		case id == sectionCount:
			return nil, fmt.Errorf("byte %d: a section that counts data segments, want none", begin)
		case id != sectionData:
			continue
		case m != nil:
			return nil, fmt.Errorf("byte %d: a second data section, want one", begin)
		}
		m = &image{before: module[:begin], after: module[d.at:]}
		if err := m.fill(&decoder{module[:d.at], d.at - len(content)}); err != nil {
			return nil, err
		}
	}
	if m == nil {
		return nil, fmt.Errorf("module: no data section in %d bytes, want one", len(module))
	}
	return m, nil
}

// segment is what a data section says of the memory from an address on.
type segment struct {
	address int
	content []byte
}

// fill writes the segments of a data section into the memory. They are in any order, and
// none overlap.
func (m *image) fill(d *decoder) error {
	count, err := d.uint("number of data segments")
	if err != nil {
		return err
	}
	var segments []segment
	for range count {
		address, err := d.address()
		if err != nil {
			return err
		}
		content, err := d.block("data segment")
		if err != nil {
			return err
		}
		segments = append(segments, segment{address, content})
	}
	if d.at != len(d.b) {
		return fmt.Errorf("byte %d: %d bytes after the last of %d data segments, want none", d.at, len(d.b)-d.at, count)
	}
	slices.SortFunc(segments, func(a, b segment) int { return a.address - b.address })
	for _, s := range segments {
		end := len(m.memory)
		if s.address < end || s.address+len(s.content) > maxMemory {
			return fmt.Errorf("data segment: %d bytes at address %d, want an address in %d..%d",
				len(s.content), s.address, end, maxMemory-len(s.content))
		}
		m.memory = append(m.memory, make([]byte, s.address-end)...)
		m.memory = append(m.memory, s.content...)
	}
	return nil
}

// minGap is from how many zeros on a segment ends. The linker does so from 8 on; Brotli
// takes zeros for less than the beginning of a segment.
const minGap = 64

// module returns the module with the image's memory.
func (m *image) module() []byte {
	var segments []byte
	count := 0
	for at := 0; ; count++ {
		for at < len(m.memory) && m.memory[at] == 0 {
			at++
		}
		if at == len(m.memory) {
			break
		}
		content := m.memory[at:]
		if gap := bytes.Index(content, make([]byte, minGap)); gap >= 0 {
			content = content[:gap]
		}
		segments = appendAddress(segments, at)
		segments = binary.AppendUvarint(segments, uint64(len(content)))
		segments = append(segments, content...)
		at += len(content)
	}
	number := binary.AppendUvarint(nil, uint64(count))
	section := binary.AppendUvarint([]byte{sectionData}, uint64(len(number)+len(segments)))
	return bytes.Join([][]byte{m.before, section, number, segments, m.after}, nil)
}

// appendAddress appends memory 0 and where a segment begins. That is a signed number,
// whose last byte has the sign at 0x40.
func appendAddress(b []byte, address int) []byte {
	b = binary.AppendUvarint(append(b, 0, opI32Const), uint64(address))
	if last := &b[len(b)-1]; *last&0x40 != 0 {
		*last |= 0x80
		b = append(b, 0)
	}
	return append(b, opEnd)
}

// decoder reads a module from a byte on.
type decoder struct {
	b  []byte
	at int
}

// byte reads a byte of what.
func (d *decoder) byte(what string) (byte, error) {
	if d.at >= len(d.b) {
		return 0, fmt.Errorf("byte %d: %s: the end, want a byte", d.at, what)
	}
	d.at++
	return d.b[d.at-1], nil
}

// uint reads an unsigned number of 32 bits in LEB128.
func (d *decoder) uint(what string) (int, error) {
	v, n := binary.Uvarint(d.b[d.at:min(len(d.b), d.at+binary.MaxVarintLen32)])
	if n <= 0 || v > math.MaxUint32 {
		return 0, fmt.Errorf("byte %d: %s: % x, want a number of 32 bits in LEB128",
			d.at, what, d.b[d.at:min(len(d.b), d.at+binary.MaxVarintLen32)])
	}
	d.at += n
	return int(v), nil
}

// block reads a length and as many bytes.
func (d *decoder) block(what string) ([]byte, error) {
	begin := d.at
	n, err := d.uint("length of a " + what)
	if err != nil {
		return nil, err
	}
	if n > len(d.b)-d.at {
		return nil, fmt.Errorf("byte %d: length of a %s: %d, want at most the %d bytes that follow", begin, what, n, len(d.b)-d.at)
	}
	d.at += n
	return d.b[d.at-n : d.at], nil
}

// address reads what appendAddress appends.
func (d *decoder) address() (int, error) {
	begin := d.at
	mode, err := d.byte("data segment")
	if err != nil {
		return 0, err
	}
	op, err := d.byte("data segment")
	if err != nil {
		return 0, err
	}
	if mode != 0 || op != opI32Const {
		return 0, fmt.Errorf("byte %d: data segment: begins with %#x %#x, want memory 0 and i32.const", begin, mode, op)
	}
	address, err := d.uint("address of a data segment")
	if err != nil {
		return 0, err
	}
	if d.b[d.at-1]&0x40 != 0 {
		return 0, fmt.Errorf("byte %d: address of a data segment: negative, want 0 <= address", begin)
	}
	if end, err := d.byte("data segment"); err != nil || end != opEnd {
		return 0, fmt.Errorf("byte %d: data segment: no end after its address, want an address that is a constant", begin)
	}
	return address, nil
}

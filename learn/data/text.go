package data

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxText is the max number of bytes in the name of a column, and in a class or category.
const MaxText = 4096

// ValidText reports whether s can be the name of a column or a value in it: a text of
// 1 to MaxText bytes on one line, without control characters and without spaces around
// it, which readers leave out.
func ValidText(s string) bool {
	return s != "" && len(s) <= MaxText && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// utf8Reader returns the text of r in UTF-8, whatever its encoding: UTF-8, UTF-16
// with or without a byte order mark, or Windows-1252, of which Latin-1 is a part. UTF-16
// is detected from what fits in the buffer of r. The byte order mark is left out.
func utf8Reader(r *bufio.Reader, name string) (*bufio.Reader, error) {
	sample, err := r.Peek(r.Size())
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("data: read %s: %w", name, err)
	}
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(sample, []byte("\xef\xbb\xbf")):
		_, err := r.Discard(3)
		return r, err
	case bytes.HasPrefix(sample, []byte("\xff\xfe")):
		r.Discard(2) // it is in the buffer
		order = binary.LittleEndian
	case bytes.HasPrefix(sample, []byte("\xfe\xff")):
		r.Discard(2)
		order = binary.BigEndian
	case halfZero(sample, 1):
		order = binary.LittleEndian
	case halfZero(sample, 0):
		order = binary.BigEndian
	default:
		return bufio.NewReaderSize(&byteText{in: r}, r.Size()), nil
	}
	return bufio.NewReaderSize(&decoder{in: r, next: func(in *bufio.Reader) (rune, error) { return utf16Rune(in, order) }}, r.Size()), nil
}

// decoder reads text as UTF-8 that next reads character by character.
type decoder struct {
	in   *bufio.Reader
	next func(*bufio.Reader) (rune, error)
	rest []byte // of the last character, which did not fit
	err  error
}

// Read implements io.Reader.
func (d *decoder) Read(p []byte) (n int, err error) {
	n = copy(p, d.rest)
	d.rest = d.rest[n:]
	for n < len(p) && d.err == nil {
		var r rune
		if r, d.err = d.next(d.in); d.err != nil {
			break
		}
		if n+utf8.UTFMax <= len(p) {
			n += utf8.EncodeRune(p[n:], r)
			continue
		}
		d.rest = utf8.AppendRune(d.rest[:0], r)
		k := copy(p[n:], d.rest)
		n, d.rest = n+k, d.rest[k:]
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, d.err
}

// utf16Rune reads a character of UTF-16. A surrogate without its other half, or half a
// number at the end, is the replacement character.
func utf16Rune(in *bufio.Reader, order binary.ByteOrder) (rune, error) {
	unit := func() (rune, error) {
		b, err := in.Peek(2)
		if len(b) == 0 {
			return 0, err
		}
		in.Discard(len(b)) // it is in the buffer
		if len(b) < 2 {
			return utf8.RuneError, nil
		}
		return rune(order.Uint16(b)), nil
	}
	r, err := unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if b, _ := in.Peek(2); len(b) == 2 {
		if pair := utf16.DecodeRune(r, rune(order.Uint16(b))); pair != utf8.RuneError {
			in.Discard(2)
			return pair, nil
		}
	}
	return utf8.RuneError, nil
}

// windows1252 are the characters 0x80 to 0x9f of Windows-1252, where Latin-1 has
// control characters; five are undefined, and stay these
// (https://encoding.spec.whatwg.org/index-windows-1252.txt).
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// windowsRune reads a character of Windows-1252.
func windowsRune(in *bufio.Reader) (rune, error) {
	b, err := in.ReadByte()
	if b >= 0x80 && b < 0xa0 {
		return windows1252[b-0x80], err
	}
	return rune(b), err
}

// byteText reads text of one byte for each ASCII character as UTF-8. The first other
// character tells whether it is UTF-8 already, or Windows-1252.
type byteText struct {
	in      *bufio.Reader
	decoded io.Reader // nil before that character
}

// Read implements io.Reader.
func (t *byteText) Read(p []byte) (int, error) {
	if t.decoded != nil {
		return t.decoded.Read(p)
	}
	sample, err := t.in.Peek(t.in.Size())
	if len(sample) == 0 {
		return 0, err
	}
	ascii := 0
	for ascii < min(len(p), len(sample)) && sample[ascii] < utf8.RuneSelf {
		ascii++
	}
	if ascii > 0 {
		n := copy(p, sample[:ascii])
		_, err := t.in.Discard(n)
		return n, err
	}
	if validUTF8(sample, err == io.EOF) {
		t.decoded = t.in
	} else {
		t.decoded = &decoder{in: t.in, next: windowsRune}
	}
	return t.decoded.Read(p)
}

// halfZero reports whether a sample is UTF-16 without a byte order mark: most bytes at
// positions of the given parity are zero, as in text of few letters beyond ASCII, and
// none at the others.
func halfZero(sample []byte, parity int) bool {
	zeros, others := 0, 0
	for i, b := range sample {
		switch {
		case b == 0 && i%2 == parity:
			zeros++
		case b == 0:
			others++
		}
	}
	return len(sample) >= 4 && others == 0 && 4*zeros > len(sample)
}

// validUTF8 reports whether a sample is UTF-8. Its end may cut a character, unless it
// is all of the text.
func validUTF8(sample []byte, whole bool) bool {
	for len(sample) > 0 {
		r, n := utf8.DecodeRune(sample)
		if r == utf8.RuneError && n <= 1 {
			return !whole && !utf8.FullRune(sample)
		}
		sample = sample[n:]
	}
	return true
}

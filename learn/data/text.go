package data

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// utf8Reader returns the text of r in UTF-8, whatever its encoding: UTF-8, UTF-16
// with or without a byte order mark, or Windows-1252, of which Latin-1 is a part. UTF-16
// is detected from the first 64 KiB. The byte order mark is left out.
func utf8Reader(r *bufio.Reader, name string) (*bufio.Reader, error) {
	sample, err := r.Peek(sampleSize)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("data: read %s: %w", name, err)
	}
	var from encoding.Encoding
	switch {
	case bytes.HasPrefix(sample, []byte("\xef\xbb\xbf")):
		_, err := r.Discard(3)
		return r, err
	case bytes.HasPrefix(sample, []byte("\xff\xfe")), bytes.HasPrefix(sample, []byte("\xfe\xff")):
		from = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case halfZero(sample, 1):
		from = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case halfZero(sample, 0):
		from = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	default:
		return bufio.NewReaderSize(&byteText{in: r}, sampleSize), nil
	}
	return bufio.NewReaderSize(transform.NewReader(r, from.NewDecoder()), sampleSize), nil
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
	sample, err := t.in.Peek(sampleSize)
	if len(sample) == 0 {
		return 0, err
	}
	ascii := bytes.IndexFunc(sample, func(r rune) bool { return r >= utf8.RuneSelf })
	if ascii < 0 {
		ascii = len(sample)
	}
	if ascii > 0 {
		n := copy(p, sample[:ascii])
		_, err := t.in.Discard(n)
		return n, err
	}
	if validUTF8(sample, err == io.EOF) {
		t.decoded = t.in
	} else {
		t.decoded = transform.NewReader(t.in, charmap.Windows1252.NewDecoder())
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

package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"fedtab/learn/digest"
)

// Own data is kept as: keepMagic; the hash of the schema, 32 bytes; the seed, 8 bytes,
// and the number of examples, 8 bytes; the cells of a table as binary64, row by row, and
// its labels, a byte each, or its targets, binary64; or the pixels of images, their
// labels, and for each the length of its name, 2 bytes, and the name. All is
// little-endian.
const keepMagic = "fedtab own 1\n"

const (
	keepHead  = len(keepMagic) + digest.Size + 16
	keepBlock = 1 << 16 // bytes
)

// Hash identifies what a schema makes of data: its fields and their values, or the shape
// of images and their classes. Other names of columns and values, and how many examples
// are wanted, do not matter to data that has been read.
func (s *Schema) Hash() [digest.Size]byte {
	var b []byte
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	texts := func(all []string) {
		b = binary.AppendUvarint(b, uint64(len(all)))
		for _, s := range all {
			text(s)
		}
	}
	number := func(v *float64) {
		if v == nil {
			b = append(b, 0)
			return
		}
		b = binary.LittleEndian.AppendUint64(append(b, 1), math.Float64bits(*v))
	}
	if im := s.Images; im != nil {
		for _, n := range []int{im.Width, im.Height, im.Channels} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		texts(im.Classes)
		return digest.Sum(append(b, "images"...))
	}
	for _, f := range s.Table.fields() {
		text(f.Name)
		text(string(f.Type))
		texts(f.Values)
		number(f.Min)
		number(f.Max)
		text(f.Missing)
	}
	return digest.Sum(append(b, "table"...))
}

// Save writes the data so that LoadOwn reads it, in blocks of 64 KiB.
func (o *Own) Save(w io.Writer) error {
	k := &keeper{w: w, buf: make([]byte, 0, keepBlock)}
	hash := o.Schema.Hash()
	k.write([]byte(keepMagic))
	k.write(hash[:])
	k.uint64(o.Seed)
	k.uint64(uint64(o.Len()))
	if o.images != nil {
		k.write(o.images.X)
		k.write(o.images.Y)
		for i := range o.images.Y {
			name := ""
			if o.names != nil {
				name = o.names[i][:min(len(o.names[i]), math.MaxUint16)]
			}
			k.write([]byte{byte(len(name)), byte(len(name) >> 8)})
			k.write([]byte(name))
		}
	} else {
		for _, block := range o.table.cells.blocks {
			k.floats(block)
		}
		k.write(o.table.labels)
		k.floats(o.table.targets)
	}
	k.flush()
	if k.err != nil {
		return fmt.Errorf("data: keep own data: %w", k.err)
	}
	return nil
}

// keeper writes in blocks, and keeps the first error.
type keeper struct {
	w   io.Writer
	buf []byte
	err error
}

func (k *keeper) flush() {
	if k.err == nil && len(k.buf) > 0 {
		_, k.err = k.w.Write(k.buf)
	}
	k.buf = k.buf[:0]
}

func (k *keeper) write(b []byte) {
	for len(b) > 0 {
		n := min(len(b), cap(k.buf)-len(k.buf))
		k.buf = append(k.buf, b[:n]...)
		b = b[n:]
		if len(k.buf) == cap(k.buf) {
			k.flush()
		}
	}
}

func (k *keeper) uint64(v uint64) { k.write(binary.LittleEndian.AppendUint64(nil, v)) }

func (k *keeper) floats(values []float64) {
	for _, v := range values {
		if cap(k.buf)-len(k.buf) < 8 {
			k.flush()
		}
		k.buf = binary.LittleEndian.AppendUint64(k.buf, math.Float64bits(v))
	}
}

// LoadOwn reads data that Save has written, under the schema of now. size is that of the
// file in bytes, which bounds what is allocated. The error is that of reading, or a
// *Refusal: the schema has changed, or the file is damaged.
func LoadOwn(r io.Reader, size int64, s *Schema) (*Own, error) {
	l := &loader{r: r, rest: size, buf: make([]byte, keepBlock)}
	head := make([]byte, keepHead)
	l.bytes(head)
	if l.err == nil && !bytes.HasPrefix(head, []byte(keepMagic)) {
		l.fail("it is of another version")
	}
	hash := s.Hash()
	if at := head[len(keepMagic):]; l.err == nil && !bytes.Equal(at[:len(hash)], hash[:]) {
		return nil, &Refusal{"The task wants other data than when yours was kept: choose your files again.", ErrFormat}
	}
	numbers := head[keepHead-16:]
	seed, n := binary.LittleEndian.Uint64(numbers), binary.LittleEndian.Uint64(numbers[8:])
	var o *Own
	var err error
	switch {
	case l.err != nil:
	case n == 0 || n > math.MaxInt32:
		l.fail("it has %d examples", n)
	case s.Images != nil:
		o, err = l.images(s, int(n), seed)
	default:
		o, err = l.table(s, int(n), seed)
	}
	if l.err != nil {
		return nil, l.err
	}
	return o, err
}

// loader reads what keeper has written, and keeps the first error.
type loader struct {
	r    io.Reader
	rest int64 // bytes of the file that are not read
	buf  []byte
	err  error
}

func (l *loader) fail(format string, args ...any) {
	if l.err == nil {
		l.err = &Refusal{"The data that was kept is damaged (" + fmt.Sprintf(format, args...) + "): choose your files again.", ErrFormat}
	}
}

// has reports whether the file has n elements of a size more.
func (l *loader) has(n, size int) bool {
	if l.err == nil && int64(n) > l.rest/int64(size) {
		l.fail("it is too short")
	}
	return l.err == nil
}

func (l *loader) bytes(to []byte) {
	if !l.has(len(to), 1) {
		return
	}
	n, err := io.ReadFull(l.r, to)
	l.rest -= int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		l.fail("it is too short")
	case err != nil:
		l.err = fmt.Errorf("data: read own data that was kept: %w", err)
	}
}

func (l *loader) floats(to []float64) {
	for len(to) > 0 && l.err == nil {
		n := min(len(to), len(l.buf)/8)
		l.bytes(l.buf[:8*n])
		for i := range to[:n] {
			to[i] = math.Float64frombits(binary.LittleEndian.Uint64(l.buf[8*i:]))
		}
		to = to[n:]
	}
}

func (l *loader) end() {
	if l.err == nil && l.rest != 0 {
		l.fail("%s too many", plural(int(l.rest), "byte"))
	}
}

// images reads n images.
func (l *loader) images(s *Schema, n int, seed uint64) (*Own, error) {
	if !l.has(n, s.Images.Size()+3) {
		return nil, nil
	}
	pixels, labels := make([]uint8, n*s.Images.Size()), make([]uint8, n)
	l.bytes(pixels)
	l.bytes(labels)
	names := make([]string, n)
	for i := range names {
		l.bytes(l.buf[:2])
		name := l.buf[:int(l.buf[0])|int(l.buf[1])<<8]
		l.bytes(name)
		names[i] = string(name)
	}
	for _, y := range labels {
		if int(y) >= len(s.Images.Classes) {
			l.fail("an image is of class %d of %d", y, len(s.Images.Classes))
		}
	}
	if l.end(); l.err != nil {
		return nil, nil
	}
	o, err := imagesOf(s, pixels, labels, seed)
	if err != nil {
		return nil, plainly(err)
	}
	o.names = names
	return o, nil
}

// table reads n rows.
func (l *loader) table(s *Schema, n int, seed uint64) (*Own, error) {
	t := s.Table.table("own data")
	fields := s.Table.fields()
	features, label := fields[:len(fields)-1], *fields[len(fields)-1]
	label.Missing = ""
	target := 8
	if t.Classes != nil {
		target = 1
	}
	if n > MaxOwnCells || !l.has(n, 8*len(features)+target) {
		l.fail("it has %d rows", n)
		return nil, nil
	}
	block := make([]float64, len(features)*max(1, len(l.buf)/8/len(features)))
	for left := n; left > 0 && l.err == nil; {
		rows := block[:len(features)*min(left, len(block)/len(features))]
		l.floats(rows)
		for i, v := range rows {
			if f := features[i%len(features)]; !f.holds(v) {
				l.fail("%s is %v", clipName(f.Name), v)
				break
			}
		}
		for ; len(rows) > 0; rows = rows[len(features):] {
			t.cells.add(rows[:len(features)])
			left--
		}
	}
	if t.Classes != nil {
		t.labels = make([]uint8, n)
		l.bytes(t.labels)
	} else {
		t.targets = make([]float64, n)
		l.floats(t.targets)
	}
	for _, y := range t.labels {
		if !label.holds(float64(y)) {
			l.fail("%s is %d", clipName(label.Name), y)
		}
	}
	for _, y := range t.targets {
		if !label.holds(y) {
			l.fail("%s is %v", clipName(label.Name), y)
		}
	}
	if l.end(); l.err != nil {
		return nil, nil
	}
	o, err := NewOwnTable(s, t, seed)
	if err != nil {
		return nil, plainly(err)
	}
	return o, nil
}

// holds reports whether v can be a cell of the field.
func (f *Field) holds(v float64) bool {
	switch {
	case math.IsNaN(v):
		return f.Missing != ""
	case f.Type != NumberField:
		return v >= 0 && v < float64(len(f.Values)) && v == math.Trunc(v)
	}
	return math.Abs(v) <= math.MaxFloat32 && !(f.Min != nil && v < *f.Min) && !(f.Max != nil && v > *f.Max)
}

package ui

import (
	"encoding/binary"
	"iter"
	"math"
	"reflect"

	"fedtab/tab"
)

// ledger keeps entries in the order of their coming, packed: about 30 bytes each, where
// a slice of them with their texts takes 300, for as long as a tab trains. The oldest
// are dropped, a block at a time.
type ledger struct {
	blocks [][]byte
	count  int // of entries that are kept
	texts  []string
	known  map[string]uint64 // text -> its place in texts, from 1
}

const (
	blockEntries = 1000
	ledgerBlocks = 20
	maxTexts     = 256 // of those that are kept once; others stand in their entry
)

// add appends an entry, and returns how many it has dropped for it.
func (l *ledger) add(e *tab.Entry) (dropped int) {
	if l.count%blockEntries == 0 {
		if len(l.blocks) == ledgerBlocks {
			copy(l.blocks, l.blocks[1:])
			l.blocks = l.blocks[:ledgerBlocks-1]
			l.count -= blockEntries
			dropped = blockEntries
		}
		l.blocks = append(l.blocks, nil)
	}
	l.count++
	b := l.blocks[len(l.blocks)-1]
	v := reflect.ValueOf(*e)
	for i := range v.NumField() {
		switch field := v.Field(i); field.Kind() {
		case reflect.Int, reflect.Int64:
			b = binary.AppendVarint(b, field.Int())
		case reflect.Bool:
			b = append(b, 0)
			if field.Bool() {
				b[len(b)-1] = 1
			}
		case reflect.Float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(field.Float()))
		case reflect.String:
			b = l.text(b, field.String())
		default:
			panic("ledger: " + field.Kind().String())
		}
	}
	l.blocks[len(l.blocks)-1] = b
	return dropped
}

// text appends a text: its place, or 0, its length and itself.
func (l *ledger) text(b []byte, s string) []byte {
	at := l.known[s]
	if at == 0 && len(l.texts) < maxTexts {
		if l.known == nil {
			l.known = map[string]uint64{}
		}
		l.texts = append(l.texts, s)
		at = uint64(len(l.texts))
		l.known[s] = at
	}
	b = binary.AppendUvarint(b, at)
	if at == 0 {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// all returns the entries that are kept, but for the first so many.
func (l *ledger) all(but int) iter.Seq[tab.Entry] {
	return func(yield func(tab.Entry) bool) {
		for i, b := range l.blocks[min(but/blockEntries, len(l.blocks)):] {
			for at := (but/blockEntries + i) * blockEntries; len(b) > 0; at++ {
				var e tab.Entry
				b = l.read(b, &e)
				if at >= but && !yield(e) {
					return
				}
			}
		}
	}
}

// read reads what add has written, and returns the rest.
func (l *ledger) read(b []byte, e *tab.Entry) []byte {
	v := reflect.ValueOf(e).Elem()
	for i := range v.NumField() {
		switch field := v.Field(i); field.Kind() {
		case reflect.Int, reflect.Int64:
			n, used := binary.Varint(b)
			field.SetInt(n)
			b = b[used:]
		case reflect.Bool:
			field.SetBool(b[0] == 1)
			b = b[1:]
		case reflect.Float64:
			field.SetFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)))
			b = b[8:]
		case reflect.String:
			at, used := binary.Uvarint(b)
			b = b[used:]
			if at > 0 {
				field.SetString(l.texts[at-1])
				continue
			}
			size, used := binary.Uvarint(b)
			field.SetString(string(b[used : used+int(size)]))
			b = b[used+int(size):]
		}
	}
	return b
}

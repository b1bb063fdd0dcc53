package export

import (
	"encoding/binary"
	"fmt"
	"math"
)

// maxHeader is the max length of the header of a safetensors file, bytes. The
// largest descriptions are of tables with tens of thousands of categories.
const maxHeader = 16 << 20

// Safetensors returns a safetensors file (https://github.com/huggingface/safetensors):
// the length of a JSON header as a little-endian uint64, the header, and the tensors
// as little-endian binary32. The trained parameters come first, in the order of the
// layout, so that their SHA-256 is the version's hash. An error wraps ErrModel.
func (m *Model) Safetensors() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	tensors, err := m.tensors()
	if err != nil {
		return nil, err
	}
	header := newObject(nil)
	metadata := newObject(header.key("__metadata__").b)
	for _, member := range m.members() {
		metadata.string(member.key, member.text)
	}
	header.b = metadata.end()
	size := 0
	for _, t := range tensors {
		n := 4 * len(t.values)
		o := newObject(header.key(t.name).b)
		o.string("dtype", "F32")
		o.b = appendInts(o.key("shape").b, t.shape)
		o.b = appendInts(o.key("data_offsets").b, []int{size, size + n})
		header.b = o.end()
		size += n
	}
	text := header.end()
	for len(text)%8 != 0 { // readers expect aligned tensors
		text = append(text, ' ')
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("export: description of %d bytes, want at most %d (are categories or names very long?): %w", len(text), maxHeader, ErrModel)
	}
	file := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(text)+size), uint64(len(text)))
	file = append(file, text...)
	for _, t := range tensors {
		file = appendValues(file, t.values)
	}
	return file, nil
}

func appendValues(b []byte, values []float32) []byte {
	for _, x := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

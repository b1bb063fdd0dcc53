// Package export writes models in formats that other programs read.
package export

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"fedtab/learn"
)

// ContentType is safetensors' media type over HTTP; it has no registered one.
const ContentType = "application/octet-stream"

// File returns parameters as a safetensors file
// (https://github.com/huggingface/safetensors): the length of a JSON header as
// a little-endian uint64, the header, and the tensors as little-endian
// binary32. Every tensor has the layout's name and shape; metadata is free
// text.
func File(layout learn.Layout, params []float32, metadata map[string]string) ([]byte, error) {
	if len(params) != layout.Size {
		return nil, fmt.Errorf("export: parameters: %d, want the layout's %d", len(params), layout.Size)
	}
	type tensor struct {
		Type    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"` // bytes after the header
	}
	header := map[string]any{}
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	for _, t := range layout.Tensors {
		header[t.Name] = tensor{"F32", t.Shape, [2]int{4 * t.Offset, 4 * (t.Offset + t.Size())}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	for len(text)%8 != 0 { // readers expect aligned tensors
		text = append(text, ' ')
	}
	file := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(text)+4*len(params)), uint64(len(text)))
	file = append(file, text...)
	for _, x := range params {
		file = binary.LittleEndian.AppendUint32(file, math.Float32bits(x))
	}
	return file, nil
}

// Safetensors writes what File returns.
func Safetensors(w io.Writer, layout learn.Layout, params []float32, metadata map[string]string) error {
	file, err := File(layout, params, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(file); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

//go:build readers

package main

import (
	"fmt"
	"syscall/js"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// personal trains a participant's personal model, or hands it to the page as a file.
func (h *scheduler) personal(w *worker, c ownCommand) {
	if w.client == nil {
		return
	}
	if c.kind == "personalise" {
		if err := w.client.Personalise(); err != nil {
			h.own.report.Error = "There can be no personal model yet: " + err.Error() + "."
			h.own.post()
		}
		return
	}
	format := c.message.Get("format").String()
	b, err := personalFile(w, format)
	if err != nil {
		h.own.report.Error = "The personal model cannot be written: " + err.Error() + "."
		h.own.post()
		return
	}
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	_, version := w.client.Personal()
	h.page.post(map[string]any{"type": "file", "name": fmt.Sprintf("%s-personal-%d.%s", w.task, version, format), "bytes": a})
}

// personalFile returns the personal model as a file.
func personalFile(w *worker, format string) ([]byte, error) {
	params, version := w.client.Personal()
	welcome, schema := w.client.Welcome(), w.client.Own().Schema
	m := &export.Model{
		Task: w.task, Run: welcome.Run, Version: version, Hash: learn.Hash(params),
		Spec: client.SpecOf(welcome.Model), Params: params, Classes: schema.Classes(),
	}
	if schema.Table == nil {
		m.Pixels = &data.Scaling{Scale: 1. / 255}
	} else {
		var err error
		if m.Encoding, err = schema.Table.Encoding(*w.client.Constants()); err != nil {
			return nil, err
		}
	}
	if format == "onnx" {
		return m.ONNX()
	}
	return m.Safetensors()
}

//go:build readers

package main

import (
	"fedtab/learn/export"
	"fedtab/tab"
)

// writer returns what makes a file of a model in a format, nil if there is no such format.
func writer(format string) func(*export.Model) ([]byte, error) {
	switch format {
	case "safetensors":
		return (*export.Model).Safetensors
	case "onnx":
		return (*export.Model).ONNX
	}
	return nil
}

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
	m := tab.Model{Which: tab.Personal, Format: c.message.Get("format").String(), Error: tab.NotYet}
	content := w.file(&m, c.message)
	if m.Error != "" {
		h.own.report.Error = "The personal model cannot be written: " + m.Detail + "."
		h.own.post()
		return
	}
	h.page.post(map[string]any{"type": "file", "name": m.Name, "bytes": uint8Array(content)})
}

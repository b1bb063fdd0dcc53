//go:build readers

package main

import (
	"errors"
	"fmt"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// personal trains a participant's personal model, or hands a model of the person's own to
// the page: as a file to keep, or to predict with.
func (h *scheduler) personal(w *worker, c ownCommand) {
	if w.client == nil {
		return
	}
	switch c.kind {
	case "personalise":
		if err := w.client.Personalise(); err != nil {
			h.own.report.Error = "There can be no personal model yet: " + err.Error() + "."
			h.own.post()
		}
	case "download":
		format := c.message.Get("format").String()
		params, version := w.client.Personal()
		b, err := modelFile(w, params, version, format)
		if err != nil {
			h.own.report.Error = "The personal model cannot be written: " + err.Error() + "."
			h.own.post()
			return
		}
		h.page.post(map[string]any{"type": "file", "name": fmt.Sprintf("%s-personal-%d.%s", w.task, version, format), "bytes": uint8Array(b)})
	case "model":
		which := c.message.Get("model").String()
		params, version := w.client.Personal()
		if which == "alone" {
			var rounds int
			params, rounds = w.client.Alone()
			version = uint64(rounds)
		}
		b, err := modelFile(w, params, version, "safetensors")
		if err != nil {
			h.page.post(map[string]any{"type": "model", "model": which, "detail": "There is no such model: " + err.Error() + "."})
			return
		}
		h.page.post(map[string]any{"type": "model", "model": which, "bytes": uint8Array(b)})
	}
}

// modelFile returns a model that the participant has trained, as a file. version is that of
// the run from which it was trained, or how often it was trained without one.
func modelFile(w *worker, params []float32, version uint64, format string) ([]byte, error) {
	if params == nil {
		return nil, errors.New("it is not trained yet")
	}
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

package main

import (
	"fmt"
	"syscall/js"

	"fedtab/client"
	"fedtab/fields"
	"fedtab/jsvalue"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
	"fedtab/tab"
)

// askCommand is what the page asks a participant for: a model, its confusion, or the
// pictures that it was given.
type askCommand struct {
	kind    string
	message js.Value
}

// ask answers the page.
func (h *scheduler) ask(e askCommand) {
	w := h.lead()
	switch e.kind {
	case "model":
		h.model(w, e.message)
	case "confusion":
		c := tab.Confusion{}
		if w != nil && w.client != nil {
			c = w.client.Confusion()
		}
		c.Type = "confusion"
		h.page.post(fields.Map(c))
	case "wall":
		wall := tab.Wall{Type: "wall"}
		var rgba []byte
		if w != nil && w.client != nil {
			wall.Given = w.client.Examples()
			pixels, labels, shape := w.client.Pictures(min(whole(e.message.Get("count")), maxWall))
			if len(labels) > 0 {
				channels := 1
				if len(shape) > 2 {
					channels = shape[2]
				}
				wall.Height, wall.Width = shape[0], len(pixels)/(len(labels)*shape[0]*channels)
				rgba = inRGBA(pixels, channels)
			}
			for _, label := range labels {
				wall.Labels = append(wall.Labels, int(label))
			}
		}
		m := fields.Map(wall)
		m["bytes"] = uint8Array(rgba)
		h.page.post(m)
	}
}

// maxWall is the max number of pictures that the page is given at once.
const maxWall = 500

// model hands a model to the page, as a file.
func (h *scheduler) model(w *worker, message js.Value) {
	m := tab.Model{Type: "model", Which: tab.Which(message.Get("which").String()), Format: message.Get("format").String(), Error: tab.NotYet}
	var content []byte
	if w != nil && w.client != nil {
		content = w.file(&m, message)
	}
	answer := fields.Map(m)
	if m.Error == "" {
		answer["bytes"] = uint8Array(content)
	}
	h.page.post(answer)
}

// file returns a model as a file, and completes the answer. The page's message has what
// the tab does not know of a public task: as "classes" the names of its classes, and as
// "encoding" how its rows become numbers (docs/api.md, "A task").
func (w *worker) file(m *tab.Model, message js.Value) []byte {
	params, version := w.client.Model(m.Which)
	if params == nil {
		return nil
	}
	welcome := w.client.Welcome()
	x := &export.Model{
		Task: w.task, Run: welcome.Run, Version: version, Hash: learn.Hash(params),
		Spec: client.SpecOf(welcome.Model), Params: params,
	}
	if !w.describe(x, message) {
		m.Error = tab.NoEncoding
		return nil
	}
	write := writer(m.Format)
	if write == nil {
		m.Error = tab.NoFormat
		return nil
	}
	content, err := write(x)
	if err != nil {
		m.Error, m.Detail = tab.NoFile, err.Error()
		return nil
	}
	m.Error, m.Version, m.Name = "", int(version), fmt.Sprintf("%s-%s-%d.%s", w.task, m.Which, version, m.Format)
	return content
}

// describe adds how data becomes the model's input, and what its outputs are called. It
// reports whether that is known.
func (w *worker) describe(x *export.Model, message js.Value) bool {
	if o := w.client.Own(); o != nil {
		x.Classes = o.Schema.Classes()
		if o.Schema.Table == nil {
			x.Pixels = &data.Scaling{Scale: 1. / 255}
			return true
		}
		k := w.client.Constants()
		if k == nil {
			return false
		}
		encoding, err := o.Schema.Table.Encoding(*k)
		x.Encoding = encoding
		return err == nil
	}
	if list, ok := jsvalue.FromJS(message.Get("classes")).([]any); ok {
		for _, v := range list {
			name, _ := v.(string)
			x.Classes = append(x.Classes, name)
		}
	}
	if len(x.Classes) != x.Spec.Classes() {
		return false
	}
	if by, ok := w.client.Scaling(); ok {
		x.Pixels = &by
		return true
	}
	o, ok := jsvalue.FromJS(message.Get("encoding")).(map[string]any)
	if ok {
		x.Encoding = new(data.Encoding)
		fields.Fill(x.Encoding, o)
	}
	return ok
}

// inRGBA returns pixels of one channel or three in RGBA.
func inRGBA(pixels []uint8, channels int) []byte {
	rgba := make([]byte, 0, 4*len(pixels)/channels)
	for i := 0; i+channels <= len(pixels); i += channels {
		p := pixels[i : i+channels]
		rgba = append(rgba, p[0], p[len(p)/2], p[len(p)-1], 255)
	}
	return rgba
}

// uint8Array copies bytes to JavaScript.
func uint8Array(b []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

//go:build readers

package main

import (
	"errors"
	"slices"
	"syscall/js"

	"fedtab/fields"
	"fedtab/jsvalue"
	"fedtab/learn/data"
	"fedtab/learn/predict"
	"fedtab/tab"
)

// maxModels is the max number of models that answer beside each other.
const maxModels = 8

// predictor is the worker that predicts: with the models in its slots it answers for
// pictures, rows and tables. One goroutine, the loop, owns it; what waits for the browser
// runs beside it.
type predictor struct {
	queue *queue
	slots []slot
	table *tableJob // newest; nil: none is read
}

// slot is a model under the name that the page has given it.
type slot struct {
	name  string
	model *predict.Model
}

// tryMessage is a message of the page.
type tryMessage struct {
	kind    string
	message js.Value
}

// decoded is a picture that the browser has decoded.
type decoded struct {
	id      int
	drawn   bool
	picture js.Value
	err     error
}

// try runs the worker that predicts. It does not return.
func try() {
	wake := newWaker()
	p := &predictor{queue: newQueue(wake)}
	js.Global().Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		m := args[0].Get("data")
		p.queue.put(tryMessage{m.Get("type").String(), m})
		return nil
	}))
	post(map[string]any{"type": "ready"})
	for {
		for _, e := range p.queue.take() {
			switch e := e.(type) {
			case tryMessage:
				p.command(e.kind, e.message)
			case decoded:
				p.decoded(e)
			case tableDone:
				e.do()
			}
		}
		wake.wait(0)
	}
}

func post(m map[string]any) { js.Global().Call("postMessage", m) }

// fail says why a message has no answer.
func fail(of, slot string, id int, code tab.Trouble, detail string) {
	post(fields.Map(tab.TryError{Type: "error", Of: of, Slot: slot, ID: id, Code: code, Detail: detail}))
}

// command does what the page asks for.
func (p *predictor) command(kind string, m js.Value) {
	id := whole(m.Get("id"))
	switch kind {
	case "load":
		p.load(m.Get("slot").String(), m.Get("bytes"), m.Get("schema"))
	case "unload":
		name := m.Get("slot").String()
		p.slots = slices.DeleteFunc(p.slots, func(s slot) bool { return s.name == name })
	case "picture":
		p.picture(m, id)
	case "row":
		p.row(m, id)
	case "csv":
		p.csv(m, id)
	case "cancel":
		p.cancel()
	default:
		fail(kind, "", id, tab.BadMessage, "Unknown message: "+kind+".")
	}
}

// load puts a model into a slot, in place of the one that is there. schema, which may be
// undefined, is that of the task (data.Schema): it bounds numbers.
func (p *predictor) load(name string, file, schema js.Value) {
	if file.Type() != js.TypeObject {
		fail("load", name, 0, tab.BadMessage, "The message has no bytes.")
		return
	}
	a := js.Global().Get("Uint8Array").New(file)
	b := make([]byte, a.Length())
	js.CopyBytesToGo(b, a)
	m, err := predict.Read(b)
	if err != nil {
		fail("load", name, 0, tab.BadModel, "The model cannot be used: "+err.Error()+".")
		return
	}
	if v, ok := jsvalue.FromJS(schema).(map[string]any); ok {
		var s data.Schema
		if fields.Fill(&s, v); s.Table != nil && m.Encoding != nil {
			m.Bound(s.Table)
		}
		if s.Images != nil && s.Images.Drawn {
			m.Dark(true)
		}
	}
	switch at := slices.IndexFunc(p.slots, func(s slot) bool { return s.name == name }); {
	case at >= 0:
		p.slots[at].model = m
	case len(p.slots) == maxModels:
		fail("load", name, 0, tab.BadMessage, "There are too many models: unload one.")
		return
	default:
		p.slots = append(p.slots, slot{name, m})
	}
	post(fields.Map(loaded(name, m)))
}

// loaded describes a model.
func loaded(slot string, m *predict.Model) tab.Loaded {
	l := tab.Loaded{
		Type: "loaded", Slot: slot, Task: m.Task, Run: m.Run, Version: int(m.Version), What: "picture",
		Classes: m.Classes, Probabilities: m.Classes != nil && m.Spec.HasProbabilities(),
	}
	var pictures bool
	if l.Height, l.Width, l.Channels, pictures = m.Pictures(); pictures {
		return l
	}
	l.What, l.Target = "table", m.Encoding.Target.Name
	for k, c := range m.Encoding.Columns {
		column := tab.TryColumn{Name: c.Name, Kind: "number", Values: c.Categories, Mean: c.Mean, Deviation: c.Deviation, Optional: c.Fill != nil}
		column.Min, column.Max = m.Bounds(k)
		if c.Categories != nil {
			column.Kind = "category"
		}
		l.Columns = append(l.Columns, column)
	}
	return l
}

// of returns the slots with models of pictures, or of tables. Without one, the message
// has failed.
func (p *predictor) of(pictures bool, kind string, id int) []slot {
	var of []slot
	for _, s := range p.slots {
		if _, _, _, ok := s.model.Pictures(); ok == pictures {
			of = append(of, s)
		}
	}
	if of == nil {
		what := "tables"
		if pictures {
			what = "pictures"
		}
		fail(kind, "", id, tab.NoModel, "There is no model of "+what+" yet.")
	}
	return of
}

// picture answers for a picture: its pixels in RGBA, or a file or bitmap that the browser
// decodes.
func (p *predictor) picture(m js.Value, id int) {
	of := p.of(true, "picture", id)
	if of == nil {
		return
	}
	drawn := m.Get("drawn").Truthy()
	if pixels := m.Get("pixels"); pixels.Truthy() {
		p.decoded(decoded{id: id, drawn: drawn, picture: js.ValueOf(map[string]any{
			"bytes": js.Global().Get("Uint8Array").New(pixels.Get("buffer"), pixels.Get("byteOffset"), pixels.Get("byteLength")),
			"width": m.Get("width"), "height": m.Get("height"),
		})})
		return
	}
	height, width, _, _ := of[0].model.Pictures()
	reading := js.Global().Get("fedtabPictures").Call("read", m, max(width, height), drawn)
	go func() {
		picture, err := await(reading)
		p.queue.put(decoded{id, drawn, picture, err})
	}()
}

// decoded answers for the pixels of a picture.
func (p *predictor) decoded(e decoded) {
	of := p.of(true, "picture", e.id)
	if of == nil {
		return
	}
	if e.err == nil {
		if why := e.picture.Get("reason"); why.Type() == js.TypeString {
			e.err = errors.New(why.String())
		}
	}
	if e.err != nil {
		fail("picture", "", e.id, tab.BadPicture, "The picture cannot be read: "+e.err.Error()+".")
		return
	}
	a := e.picture.Get("bytes")
	rgba := make([]byte, a.Length())
	js.CopyBytesToGo(rgba, a)
	width, height := whole(e.picture.Get("width")), whole(e.picture.Get("height"))
	for _, s := range of {
		answer, err := s.model.Picture(rgba, width, height, e.drawn)
		switch {
		case errors.Is(err, data.ErrEmpty):
			fail("picture", s.name, e.id, tab.EmptyDrawing, "There is nothing in the picture: draw, light on dark.")
		case err != nil:
			fail("picture", s.name, e.id, tab.BadPicture, "The picture cannot be used: "+err.Error()+".")
		default:
			message := answered(s, e.id, answer)
			message["seen"] = seen(s.model)
			post(message)
		}
	}
}

// answered is the message with an answer.
func answered(s slot, id int, a predict.Answer) map[string]any {
	return fields.Map(tab.Answer{
		Type: "answer", Slot: s.name, ID: id, Class: a.Class, Classes: s.model.Classes,
		Probabilities: a.Scores, Value: a.Value, Text: s.model.Text(a),
	})
}

// seen returns the last picture as the model sees it, in RGBA.
func seen(m *predict.Model) js.Value {
	_, _, channels, _ := m.Pictures()
	return uint8Array(inRGBA(m.Image(), channels))
}

// row answers for a row of texts, one for each column of a model.
func (p *predictor) row(m js.Value, id int) {
	var texts []string
	values, _ := jsvalue.FromJS(m.Get("values")).([]any)
	for _, v := range values {
		s, _ := v.(string)
		texts = append(texts, s)
	}
	for _, s := range p.of(false, "row", id) {
		answer, problems := s.model.Row(texts, decimalSign(m))
		if problems == nil {
			post(answered(s, id, answer))
			continue
		}
		message := tab.Answer{Type: "answer", Slot: s.name, ID: id, Class: -1}
		for _, q := range problems {
			message.Problems = append(message.Problems, problemOf(q))
		}
		post(fields.Map(message))
	}
}

// problemOf is a problem of a row without lines.
func problemOf(q data.Problem) tab.Problem {
	return tab.Problem{Where: q.Column, What: q.Words()}
}

// decimalSign returns the decimal sign that a message has for numbers that could have
// either.
func decimalSign(m js.Value) rune {
	if decimal := m.Get("decimal"); decimal.Type() == js.TypeString && decimal.String() == "comma" {
		return ','
	}
	return '.'
}

package main

import "syscall/js"

// view keeps what lies outside of Vugu's tree in step with the page: the title,
// what screen readers are told, and the charts.
type view struct {
	title, said string
	drawn       int  // Page.drawing
	begun       bool // the charts are there
	written     []number
}

func (v *view) show(p *Page) {
	document := js.Global().Get("document")
	if t := p.Title(); t != v.title {
		v.title = t
		document.Set("title", t)
	}
	if s := p.Announcement(); s != v.said {
		v.said = s
		if live := document.Call("getElementById", "announcement"); live.Truthy() {
			live.Set("textContent", s)
		}
	}
	v.written = p.numbers()
	v.charts(p)
	v.choices()
}

// numbers writes those numbers into the page that have changed since the last
// time, and leaves the rest of it as it is.
func (v *view) numbers(p *Page) {
	document := js.Global().Get("document")
	now := p.numbers()
	for i, n := range now {
		if i < len(v.written) && n == v.written[i] {
			continue
		}
		element := document.Call("getElementById", n.id)
		switch {
		case !element.Truthy():
		case n.attribute == "":
			element.Set("textContent", n.value)
		default:
			element.Call("setAttribute", n.attribute, n.value)
		}
	}
	v.written = now
}

// choices has every list of choices show what the page says is chosen: where a person
// has chosen, the attribute of an option says nothing any more.
func (v *view) choices() {
	fields := js.Global().Get("document").Call("querySelectorAll", "select[data-value]")
	for i := range fields.Length() {
		f := fields.Index(i)
		if want := f.Get("dataset").Get("value"); !want.Equal(f.Get("value")) {
			f.Set("value", want)
		}
	}
}

// charts hands the rounds to the charts when they have changed. It makes them,
// empty, when the page starts: later that would disturb the training.
func (v *view) charts(p *Page) {
	if v.begun && v.drawn == p.drawing {
		return
	}
	v.begun = true
	v.drawn = p.drawing
	draw := js.Global().Get("fedtab").Get("chart")
	for _, c := range []struct {
		id    string
		value func(Point) *float64
	}{{"chart-accuracy", accuracyOf}, {"chart-error", errorOf}, {"chart-loss", lossOf}} {
		x, y := p.Series(c.value)
		draw.Invoke(c.id, array(x), array(y))
	}
}

func array(values []float64) js.Value {
	a := js.Global().Get("Array").New(len(values))
	for i, f := range values {
		a.SetIndex(i, f)
	}
	return a
}

package ui

import "syscall/js"

// view keeps what lies outside of Vugu's tree in step with the page: the title,
// what screen readers are told, and the charts.
type view struct {
	host        *host
	title, said string
	noted       string
	drawn       int  // Page.drawing
	begun       bool // the charts are there
	written     []number
}

func (v *view) show(p *Page) {
	if t := p.Title(); t != v.title {
		v.title = t
		v.host.tell(map[string]any{"type": "title", "text": t})
	}
	if s := p.Announcement(); s != v.said {
		v.said = s
		v.host.tell(map[string]any{"type": "say", "text": s})
	}
	if text, reload := p.Notice(); text != v.noted {
		v.noted = text
		v.host.tell(map[string]any{"type": "notice", "text": text, "reload": reload})
	}
	v.written = p.numbers()
	v.charts(p)
}

// numbers writes those numbers into the page that have changed since the last
// time, and leaves the rest of it as it is.
func (v *view) numbers(p *Page) {
	now := p.numbers()
	var changed []any
	for i, n := range now {
		if i >= len(v.written) || n != v.written[i] {
			changed = append(changed, []any{n.id, n.attribute, n.value})
		}
	}
	if len(changed) > 0 {
		v.host.tell(map[string]any{"type": "numbers", "numbers": changed})
	}
	v.written = now
}

// charts hands the rounds to the charts when they have changed. It makes them,
// empty, when the page starts: later that would disturb the training.
func (v *view) charts(p *Page) {
	if v.begun && v.drawn == p.drawing {
		return
	}
	v.begun = true
	v.drawn = p.drawing
	for _, c := range []struct {
		id    string
		value func(Point) *float64
	}{{"chart-accuracy", accuracyOf}, {"chart-error", errorOf}, {"chart-loss", lossOf}} {
		x, y := p.Series(c.value)
		v.chart(c.id, array(x), array(y))
	}
	rounds, bytes := p.traffic()
	v.chart("chart-bytes", array(rounds), array(bytes))
	x, after, before := array(nil), array(nil), array(nil)
	for _, h := range p.own {
		x.Call("push", h.round)
		after.Call("push", known(h.after))
		before.Call("push", known(h.before))
	}
	v.chart("chart-own", x, after, before)
}

// chart hands curves over the same rounds to a chart.
func (v *view) chart(id string, x js.Value, ys ...any) {
	v.host.tell(map[string]any{"type": "chart", "id": id, "x": x, "ys": ys})
}

// known returns a figure, and nil for NaN.
func known(f float64) any {
	if f != f {
		return nil
	}
	return f
}

func array(values []float64) js.Value {
	a := js.Global().Get("Array").New(len(values))
	for i, f := range values {
		a.SetIndex(i, f)
	}
	return a
}

package main

import "syscall/js"

// view keeps what lies outside of Vugu's tree in step with the page: the title,
// what screen readers are told, and the charts.
type view struct {
	title, said string
	drawn       []Round
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
	v.charts(p, document)
}

// charts hands the rounds to the charts when they have changed.
func (v *view) charts(p *Page, document js.Value) {
	if equalRounds(v.drawn, p.Rounds) {
		return
	}
	v.drawn = append(v.drawn[:0], p.Rounds...)
	draw := js.Global().Get("fedtab").Get("chart")
	for _, c := range []struct {
		id     string
		figure func(Round) Figure
	}{{"chart-accuracy", accuracyOf}, {"chart-loss", lossOf}} {
		x, y := p.Series(c.figure)
		draw.Invoke(c.id, array(x), array(y))
	}
}

func equalRounds(a, b []Round) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func array(values []float64) js.Value {
	a := js.Global().Get("Array").New(len(values))
	for i, f := range values {
		a.SetIndex(i, f)
	}
	return a
}

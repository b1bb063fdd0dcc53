package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// point is a place on the page, in pixels of its window.
type point struct{ X, Y float64 }

// mouse sends an event of a real mouse.
func (b *tab) mouse(kind input.DispatchMouseEventType, p point) {
	b.t.Helper()
	params := input.DispatchMouseEventParams{Type: kind, X: p.X, Y: p.Y, Button: input.MouseButtonLeft}
	if kind != input.DispatchMouseEventTypeMouseMoved {
		params.ClickCount = 1
	}
	err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchMouseEvent, params)
		return err
	}))
	if err != nil {
		b.t.Fatal(err)
	}
}

// draw draws a line through points of an element, which are shares of its sides.
func (b *tab) draw(id string, points ...point) {
	b.t.Helper()
	box := js[[]float64](b, fmt.Sprintf("(() => { const e = document.getElementById(%q); e.scrollIntoView({ block: 'center' }); const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height] })()", id))
	at := func(p point) point { return point{box[0] + p.X*box[2], box[1] + p.Y*box[3]} }
	b.mouse(input.DispatchMouseEventTypeMousePressed, at(points[0]))
	for i := 1; i < len(points); i++ {
		from, to := points[i-1], points[i]
		for k := 1; k <= 4; k++ {
			s := float64(k) / 4
			b.mouse(input.DispatchMouseEventTypeMouseMoved, at(point{from.X + s*(to.X-from.X), from.Y + s*(to.Y-from.Y)}))
		}
	}
	b.mouse(input.DispatchMouseEventTypeMouseReleased, at(points[len(points)-1]))
}

// drawDigit draws a digit until the model says that it is one: whether a drawing is
// recognised depends on the version, so it is drawn again a little aside.
func (b *tab) drawDigit(digit string, points ...point) {
	b.t.Helper()
	looks := 0
	await(b.t, "the "+digit+" is recognised", func() bool {
		if looks%40 == 0 { // seconds
			b.press("try-erase")
			aside := make([]point, len(points))
			for i, p := range points {
				aside[i] = point{p.X + []float64{0, .04, -.04, .08, -.08}[looks/40%5], p.Y}
			}
			b.draw("try-canvas", aside...)
		}
		looks++
		return strings.HasPrefix(b.text("try-says"), digit+", ")
	})
}

// Somebody joins, reads what leaves the tab, draws digits and sees them recognised, and
// leaves.
func TestStory(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := open(t, c.url()+"t/digits")
	b.shows("What leaves it?")
	b.shows("Nothing that was learned has left this tab yet.")
	b.join()
	await(t, "the model has learned something", func() bool { return c.state("digits").Version >= 8 })
	b.shows("None of it is an example.")
	b.press("moved-fold")
	b.shows("changes of parameters; no example")
	b.shows("Examples to learn from")
	await(t, "the program is among what came", func() bool {
		return js[bool](b, `/This page and its program\s+–\s+1[.\d]* MB/.test(document.getElementById("moved").innerText)`)
	})

	b.press("try-open")
	await(t, "there is a place to draw", func() bool { return js[bool](b, "Boolean(document.querySelector('#try-canvas canvas'))") })
	b.drawDigit("1", point{.5, .15}, point{.5, .85})
	b.press("try-erase")
	await(t, "nothing is left of it", func() bool { return b.text("try-says") == "Nothing yet" })
	b.drawDigit("7", point{.3, .2}, point{.72, .2}, point{.45, .85})
	if bars := js[int](b, "document.querySelectorAll('#try-bars-a progress').length"); bars != 10 || !js[bool](b, "Boolean(document.querySelector('#try-seen canvas'))") {
		t.Errorf("%d bars, want 10, and what the model sees", bars)
	}
	await(t, "sample pictures are there", func() bool { return js[int](b, "document.querySelectorAll('#try-samples button').length") == 12 })

	answer, err := http.Get(js[string](b, "document.getElementById('keep-onnx').href"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if model, err := io.ReadAll(answer.Body); err != nil || len(model) < 4*199_210 {
		t.Errorf("the model to keep has %d bytes, want at least its parameters: %v", len(model), err)
	}
	b.shows("Share my part as a picture")
	b.press("keep-code")
	b.shows("JavaScript, with onnxruntime-web and the onnx file:")

	b.press("leave")
	await(t, "the tab has left", func() bool { return b.state("connection") == "left" })
	b.draw("try-canvas", point{.4, .4}, point{.4, .41})
	await(t, "the model answers still", func() bool { return b.text("try-says") != "" })
}

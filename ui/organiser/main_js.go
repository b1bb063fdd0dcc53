package organiser

import (
	"syscall/js"
	"time"

	"fedtab/ui/draw"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/domrender"
)

// renderEvery is the shortest time between two renderings, and askEvery that between two
// questions for what no event tells.
const (
	renderEvery = 30 * time.Millisecond
	askEvery    = 5 * time.Second
)

// Main shows the dashboard. It does not return.
func Main() {
	renderer, err := domrender.New("#page")
	if err != nil {
		panic(err)
	}
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		panic(err)
	}
	loop := draw.NewLoop()
	d := &desk{board: &Board{}, service: service{loop}}
	d.stream.service = d.service
	root := &Root{Board: d.board}
	title := ""
	render := func(draw.Extent) {
		d.board.Now = time.Now()
		if err := renderer.Render(draw.Build(env, root)); err != nil {
			panic(err)
		}
		draw.Hand()
		draw.Tell(map[string]any{"type": "fields", "texts": d.board.texts()})
		if t := d.board.Title(); t != title {
			title = t
			draw.Tell(map[string]any{"type": "title", "text": t})
		}
	}
	begun := make(chan struct{})
	draw.Take(func(kind string, m js.Value) {
		switch kind {
		case "hello":
			d.visible = m.Get("visible").Bool()
			hash, address := m.Get("hash").String(), m.Get("address").String()
			loop.Do(func() { d.begin(hash, address) })
			close(begun)
		case "hash":
			hash, address := m.Get("hash").String(), m.Get("address").String()
			loop.Do(func() { d.begin(hash, address) })
		case "width":
			loop.Do(func() { d.board.Width = m.Get("width").Int() })
		case "visibility":
			visible := m.Get("state").String() == "visible"
			loop.Do(func() {
				d.visible = visible
				d.again(false)
			})
		case "network":
			loop.Do(func() { d.again(false) })
		case "action":
			action, value := m.Get("action").String(), m.Get("value").String()
			loop.Do(func() { d.act(action, value) })
		case "change":
			what, name, value := m.Get("kind").String(), m.Get("name").String(), m.Get("value").String()
			loop.Do(func() { d.change(what, name, value) })
		case "failed":
			text := m.Get("text").String()
			loop.Do(func() { d.board.Problem = text })
		case "picked":
			name, bytes := m.Get("name").String(), m.Get("bytes")
			loop.Do(func() { d.table(name, bytes) })
		}
	})
	<-begun
	go func() {
		for range time.Tick(askEvery) {
			loop.Do(func() { d.again(true) })
		}
	}()
	loop.Run(renderEvery, render)
}

package main

import (
	"syscall/js"
	"time"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/domrender"
)

// renderEvery is the shortest time between two renderings. The renderer compares
// nothing, it sends the whole page each time.
const renderEvery = 100 * time.Millisecond

func main() {
	renderer, err := domrender.New("#page")
	if err != nil {
		panic(err)
	}
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		panic(err)
	}

	page := &Page{Ready: true}
	events := newLoop()
	view := &view{}
	host := js.Global().Get("fedtab")
	page.Slow = !host.Get("simd").Bool()
	page.Plain = !js.Global().Get("isSecureContext").Bool()

	tab := &worker{page: page, loop: events, url: host.Get("worker").String(), simd: !page.Slow}
	tab.again = tab.memory.task()
	coordinator := &coordinator{page: page, loop: events, memory: tab.memory, wish: tab.again}
	watchButtons(page, events, tab, coordinator)
	tab.watchVisibility()
	tab.watchData()
	coordinator.start()

	root := &Root{Page: page}
	events.run(renderEvery, func(changed extent) {
		if changed == onlyNumbers {
			view.numbers(page)
			return
		}
		if err := renderer.Render(env.RunBuild(root)); err != nil {
			panic(err)
		}
		view.show(page)
		tab.keepAwake()
		tab.prepare()
		if tab.again != "" && page.Loaded {
			events.do(tab.rejoin)
		}
	})
}

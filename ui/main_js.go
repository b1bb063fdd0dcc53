package ui

import (
	"syscall/js"
	"time"

	workertab "fedtab/tab"
	"fedtab/ui/draw"
	"fedtab/words"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/domrender"
)

// renderEvery is the shortest time between two renderings. The renderer compares
// nothing, it sends the whole page each time.
const renderEvery = 100 * time.Millisecond

// Run shows the page. It does not return.
func Run() {
	renderer, err := domrender.New("#page")
	if err != nil {
		panic(err)
	}
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		panic(err)
	}

	if texts := js.Global().Get("fedtabWords"); texts.Type() == js.TypeString {
		words.Load("de", texts.String())
	}
	page := &Page{Slow: !js.Global().Get("fedtabSimd").Bool()}
	events := draw.NewLoop()
	host := &host{}
	view := &view{host: host}
	tab := &worker{page: page, loop: events, host: host}
	coordinator := &coordinator{page: page, loop: events, host: host, memory: &host.memory}
	tab.memory = coordinator.memory
	trying := &trying{page: page, loop: events, host: host, tab: tab}
	tab.trying = trying

	root := &Root{Page: page}
	render := func(changed draw.Extent) {
		host.memory.setPart(page)
		if page.Kind != TaskKind {
			return // there is nothing that a person changes
		}
		if changed == draw.OnlyNumbers {
			view.numbers(page)
			return
		}
		if err := renderer.Render(draw.Build(env, root)); err != nil {
			panic(err)
		}
		draw.Hand()
		view.show(page)
		tab.keepAwake()
		tab.prepare()
		trying.look()
		if tab.again != "" && page.Loaded {
			events.Do(tab.rejoin)
		}
		if tab.goesOn() {
			events.Do(func() { tab.join(tab.until) })
		}
	}
	begun := make(chan struct{})
	draw.Take(func(kind string, m js.Value) {
		switch kind {
		case "hello":
			events.Do(func() {
				host.begin(page, m)
				page.lookForLack() // an action may wait already
				tab.again = tab.memory.task()
				coordinator.start()
			})
			close(begun)
		case "action":
			events.Do(func() { act(page, tab, coordinator, m) })
		case "change":
			events.Do(func() { answer(page, tab, m) })
		case "hash":
			events.Do(func() {
				host.address, host.hash = str(m.Get("address")), str(m.Get("hash"))
				coordinator.takeInvite()
			})
		case "visibility":
			host.visible = str(m.Get("state")) == "visible"
			tab.tell(map[string]any{"type": "tab", "state": m.Get("state")}) // before a rendering: a tab that is being frozen has no time
			events.Do(func() {
				coordinator.look()
				tab.hold()
			})
		case "network":
			tab.tell(map[string]any{"type": "network", "online": m.Get("online")})
			events.Do(func() { page.Offline = !m.Get("online").Bool() })
		case "loaded":
			files, bytes := m.Get("files").Int(), int64(m.Get("bytes").Float())
			events.Do(func() { page.OnLoadedBytes(files, bytes) })
		case "battery":
			host.battery = m.Get("on").Bool()
			events.Do(func() {
				page.HasBattery = true
				tab.hold()
			})
		case "ask":
			message := m.Get("message")
			events.Change(func() draw.Extent { trying.ask(message); return draw.Nothing })
		case "unloaded":
			switch str(m.Get("name")) { // charts come with the next point
			case "wall":
				events.Do(func() { page.Wall.Labels = nil })
			case "try":
				events.Do(func() {
					trying.close()
					page.Try.Model = workertab.Loaded{}
					page.OnTryFailed(page.say("try.unreachable"))
				})
			}
		case "bring":
			message := m.Get("message")
			events.Do(func() { tab.bring(message) })
		case "brought":
			words := said(page, m)
			events.Do(func() { page.OnBringFailed(words) })
		case "camera-failed":
			words := said(page, m)
			events.Do(func() {
				page.Camera = false
				page.OnBringFailed(words)
			})
		}
	})
	<-begun
	events.Run(renderEvery, render)
}

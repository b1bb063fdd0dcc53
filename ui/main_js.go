package ui

import (
	"syscall/js"
	"time"

	"fedtab/words"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/domrender"

	workertab "fedtab/tab"
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
	events := newLoop()
	host := &host{}
	view := &view{host: host}
	tab := &worker{page: page, loop: events, host: host}
	coordinator := &coordinator{page: page, loop: events, host: host, memory: &host.memory}
	tab.memory = coordinator.memory
	trying := &trying{page: page, loop: events, host: host, tab: tab}
	tab.trying = trying

	root := &Root{Page: page}
	render := func(changed extent) {
		host.memory.setPart(page)
		if page.Kind != TaskKind {
			return // there is nothing that a person changes
		}
		if changed == onlyNumbers {
			view.numbers(page)
			return
		}
		if err := renderer.Render(build(env, root)); err != nil {
			panic(err)
		}
		js.Global().Call("fedtabRendered")
		view.show(page)
		tab.keepAwake()
		tab.prepare()
		trying.look()
		if tab.again != "" && page.Loaded {
			events.do(tab.rejoin)
		}
		if tab.goesOn() {
			events.do(func() { tab.join(tab.until) })
		}
	}
	begun := make(chan struct{})
	host.take(func(kind string, m js.Value) {
		switch kind {
		case "hello":
			events.do(func() {
				host.begin(page, m)
				tab.again = tab.memory.task()
				coordinator.start()
			})
			close(begun)
		case "action":
			events.do(func() { act(page, tab, coordinator, m) })
		case "change":
			events.do(func() { answer(page, tab, m) })
		case "hash":
			events.do(func() {
				host.address, host.hash = str(m.Get("address")), str(m.Get("hash"))
				coordinator.takeInvite()
			})
		case "visibility":
			host.visible = str(m.Get("state")) == "visible"
			tab.tell(map[string]any{"type": "tab", "state": m.Get("state")}) // before a rendering: a tab that is being frozen has no time
			events.do(func() {
				coordinator.look()
				tab.hold()
			})
		case "network":
			tab.tell(map[string]any{"type": "network", "online": m.Get("online")})
			events.do(func() { page.Offline = !m.Get("online").Bool() })
		case "loaded":
			files, bytes := m.Get("files").Int(), int64(m.Get("bytes").Float())
			events.do(func() { page.OnLoadedBytes(files, bytes) })
		case "battery":
			host.battery = m.Get("on").Bool()
			events.do(func() {
				page.HasBattery = true
				tab.hold()
			})
		case "ask":
			message := m.Get("message")
			events.change(func() extent { trying.ask(message); return nothing })
		case "unloaded":
			switch str(m.Get("name")) { // charts come with the next point
			case "wall":
				events.do(func() { page.Wall.Labels = nil })
			case "try":
				events.do(func() {
					trying.close()
					page.Try.Model = workertab.Loaded{}
					page.OnTryFailed(page.say("try.unreachable"))
				})
			}
		case "bring":
			message := m.Get("message")
			events.do(func() { tab.bring(message) })
		case "brought":
			words := said(page, m)
			events.do(func() { page.OnBringFailed(words) })
		case "camera-failed":
			words := said(page, m)
			events.do(func() {
				page.Camera = false
				page.OnBringFailed(words)
			})
		}
	})
	<-begun
	events.run(renderEvery, render)
}

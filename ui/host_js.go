package ui

import (
	"syscall/js"

	"fedtab/ui/draw"
	"fedtab/words"
)

// host is the page's main thread (static/host.js), seen from the worker that this
// program runs in: messages in both directions.
type host struct {
	memory  memory
	address string // of the page
	hash    string // of the address
	visible bool
	battery bool // the device runs on its battery
	awake   bool // it was told to keep the screen on
}

// begin takes in what the page is, as it was loaded.
func (h *host) begin(p *Page, m js.Value) {
	h.address, h.hash, h.visible = str(m.Get("address")), str(m.Get("hash")), m.Get("visible").Bool()
	h.memory = memory{host: h, session: strs(m.Get("session")), local: strs(m.Get("local"))}
	p.Build = str(m.Get("build"))
	p.Lang = words.Get(str(m.Get("language")))
	p.Plain, p.Offline = !m.Get("secure").Bool(), !m.Get("online").Bool()
	p.MaxCores = m.Get("cores").Int()
	p.Metered = m.Get("metered").Bool()
	if view, ok := parseJSON(str(m.Get("view"))); ok {
		if o, ok := view.(map[string]any); ok {
			p.OnView(o)
		}
	}
	h.memory.settings(&p.Settings) // after the view, which has what they are without
	h.memory.part(p)
}

// tell sends a message to the main thread.
func (h *host) tell(m map[string]any) { draw.Tell(m) }

// pass sends on a message of another worker as it is.
func (h *host) pass(m js.Value) { js.Global().Call("postMessage", m) }

// wake keeps the screen on, or no longer. A browser may refuse, and drops it when the
// page is hidden.
func (h *host) wake(on bool) {
	on = on && h.visible
	if on != h.awake {
		h.awake = on
		h.tell(map[string]any{"type": "wake", "on": on})
	}
}

// state is what the browser does with the page.
func (h *host) state() string {
	if h.visible {
		return "visible"
	}
	return "hidden"
}

// strs copies an object of texts.
func strs(v js.Value) map[string]string {
	m := map[string]string{}
	if v.Type() != js.TypeObject {
		return m
	}
	keys := js.Global().Get("Object").Call("keys", v)
	for i := range keys.Length() {
		key := keys.Index(i).String()
		m[key] = str(v.Get(key))
	}
	return m
}

// str returns a string, empty for what is none.
func str(v js.Value) string {
	if v.Type() != js.TypeString {
		return ""
	}
	return v.String()
}

package main

import (
	"strconv"
	"syscall/js"
)

// watchButtons does what the page's buttons ask for.
func watchButtons(page *Page, loop *loop, tab *worker, coordinator *coordinator) {
	// An action has the value of its button's data-value.
	actions := map[string]func(value string){
		"join": func(string) {
			if page.ShowInvite() && !coordinator.invited(value("invite")) {
				return
			}
			tab.memory.many(several())
			tab.join(page.Selected)
		},
		"pause":      func(string) { tab.pause(true) },
		"resume":     func(string) { tab.pause(false) },
		"leave":      func(string) { tab.leave() },
		"reload":     func(string) { js.Global().Get("location").Call("reload") },
		"camera":     func(string) { tab.camera(true) },
		"camera-off": func(string) { tab.camera(false) },
		"own-take":   func(string) { camera().Call("take") },
		"draw": func(value string) {
			if class, err := strconv.Atoi(value); err == nil {
				drawing().Call("add", class)
			}
		},
		"draw-clear": func(string) { drawing().Call("clear") },
		"own-cancel": func(string) { tab.tell(map[string]any{"type": "cancel"}) },
		"own-read":   func(string) { tab.tell(map[string]any{"type": "read", "skip": false}) },
		"own-skip":   func(string) { tab.tell(map[string]any{"type": "read", "skip": true}) },
		"own-use":    func(id string) { tab.tell(map[string]any{"type": "use", "id": id}) },
		"own-delete": func(id string) { tab.tell(map[string]any{"type": "delete", "id": id}) },
		"own-offer": func(column string) {
			page.AnswerOffer(column, false)
			tab.answer()
		},
		"own-offer-not": func(column string) {
			page.AnswerOffer(column, true)
			tab.answer()
		},
		"own-sample":     func(name string) { js.Global().Get("fedtab").Call("sample", sampleAddress(page, name), name) },
		"personalise":    func(string) { tab.tell(map[string]any{"type": "personalise"}) },
		"own-download":   func(format string) { tab.tell(map[string]any{"type": "download", "format": format}) },
		"own-forget":     func(string) { tab.forget() },
		"own-forget-not": func(string) { page.Forgetting = false },
	}
	document := js.Global().Get("document")
	listen(document, "click", func(event js.Value) {
		target := event.Get("target")
		if target.Get("closest").IsUndefined() {
			return
		}
		button := target.Call("closest", "[data-action]")
		if !button.Truthy() {
			return
		}
		data := button.Get("dataset")
		if action := actions[data.Get("action").String()]; action != nil {
			value := data.Get("value")
			loop.do(func() {
				if button.Call("closest", "#own").Truthy() {
					page.DataTrouble = ""
				}
				action(text(value))
			})
		}
	})
	// What a person answers about a file.
	listen(document, "change", func(event js.Value) {
		field := event.Get("target")
		data := field.Get("dataset")
		kind := data.Get("change")
		if kind.Type() != js.TypeString {
			return
		}
		name, of, value := text(data.Get("name")), text(data.Get("text")), text(field.Get("value"))
		loop.do(func() {
			switch kind.String() {
			case "column":
				column, _ := strconv.Atoi(value)
				page.AnswerColumn(name, column)
			case "decimal":
				page.AnswerDecimal(value)
			case "layout":
				page.AnswerLayout(value)
			case "offer":
				page.AnswerText(name, of, value)
			}
			tab.answer()
		})
	})
}

// text returns a string, empty for what is none.
func text(v js.Value) string {
	if v.Type() != js.TypeString {
		return ""
	}
	return v.String()
}

// sampleAddress returns where a file is to try the shown task with.
func sampleAddress(page *Page, name string) string {
	return "api/tasks/" + page.Selected + "/samples/" + name
}

func camera() js.Value  { return js.Global().Get("fedtab").Get("camera") }
func drawing() js.Value { return js.Global().Get("fedtab").Get("drawing") }

// several returns as how many participants the person wants to take part.
func several() int {
	n, err := strconv.Atoi(value("several"))
	if err != nil {
		return 1
	}
	return min(max(n, 1), mostParticipants)
}

// value returns what is in a field of the page; empty if there is no such field.
func value(id string) string {
	field := js.Global().Get("document").Call("getElementById", id)
	if !field.Truthy() {
		return ""
	}
	return field.Get("value").String()
}

// mostParticipants is how many a tab may have; the worker has the same bound.
const mostParticipants = 16

package main

import (
	"strconv"
	"syscall/js"
)

// watchButtons does what the page's buttons ask for.
func watchButtons(page *Page, loop *loop, tab *worker) {
	actions := map[string]func(){
		"join": func() {
			tab.memory.many(several())
			tab.join(page.Selected)
		},
		"pause":  func() { tab.pause(true) },
		"resume": func() { tab.pause(false) },
		"leave":  tab.leave,
		"reload": func() { js.Global().Get("location").Call("reload") },
	}
	listen(js.Global().Get("document"), "click", func(event js.Value) {
		target := event.Get("target")
		if target.Get("closest").IsUndefined() {
			return
		}
		button := target.Call("closest", "[data-action]")
		if !button.Truthy() {
			return
		}
		if action := actions[button.Get("dataset").Get("action").String()]; action != nil {
			loop.do(action)
		}
	})
}

// several returns as how many participants the person wants to take part.
func several() int {
	field := js.Global().Get("document").Call("getElementById", "several")
	if !field.Truthy() {
		return 1
	}
	n, err := strconv.Atoi(field.Get("value").String())
	if err != nil {
		return 1
	}
	return min(max(n, 1), mostParticipants)
}

// mostParticipants is how many a tab may have; the worker has the same bound.
const mostParticipants = 16

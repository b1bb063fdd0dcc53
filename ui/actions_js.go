package main

import (
	"strconv"
	"syscall/js"
)

// watchButtons does what the page's buttons ask for.
func watchButtons(page *Page, loop *loop, tab *worker, coordinator *coordinator) {
	actions := map[string]func(){
		"join": func() {
			if page.ShowInvite() && !coordinator.invited(value("invite")) {
				return
			}
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

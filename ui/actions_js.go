package main

import "syscall/js"

// watchButtons does what the page's buttons ask for.
func watchButtons(page *Page, loop *loop, tab *tab) {
	actions := map[string]func(){
		"join":   func() { tab.join(page.Selected) },
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

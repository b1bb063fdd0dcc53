package main

import (
	"syscall/js"

	"fedtab/tab"
)

// askAtDoor asks why the handshake of a socket was refused, which the browser does not
// say, or in which way the coordinator is full. An answer that says nothing, as when the
// coordinator cannot be reached, is no event.
func askAtDoor(q *queue, generation int, socket string) {
	origin := js.Global().Call("encodeURIComponent", js.Global().Get("location").Get("origin")).String()
	response, err := await(js.Global().Call("fetch", baseOf(socket)+"/api/door?origin="+origin, map[string]any{"cache": "no-store"}))
	if err != nil {
		return
	}
	answer, err := await(response.Call("json"))
	if err != nil || answer.Type() != js.TypeObject {
		return
	}
	code, why := answer.Get("code"), answer.Get("error")
	if code.Type() == js.TypeString && why.Type() == js.TypeString {
		q.put(doorAnswered{generation, code.String(), why.String()})
	}
}

// turnedAway notes why the last socket was refused.
func (w *worker) turnedAway(e doorAnswered) {
	if e.generation == w.generation && w.conn == tab.Reconnecting {
		w.refusal, w.detail = e.code, e.why
	}
}

package main

import (
	"fmt"
	"syscall/js"

	"fedtab/protocol"
	"fedtab/tab"
)

// askAtDoor asks why the handshake of a socket was refused, which the browser does not
// say, or in which way the coordinator is full.
func askAtDoor(q *queue, generation int, socket string) {
	e := doorAnswered{generation: generation}
	defer func() { q.put(e) }()
	origin := js.Global().Call("encodeURIComponent", js.Global().Get("location").Get("origin")).String()
	url := baseOf(socket) + "/api/door?origin=" + origin
	response, err := await(js.Global().Call("fetch", url, map[string]any{"cache": "no-store"}))
	if err != nil {
		return
	}
	text, err := await(response.Call("text"))
	if err != nil {
		return
	}
	e.bytes = wireBytes(url, len(text.String()))
	answer, err := parse(text)
	if err != nil || answer.Type() != js.TypeObject {
		return // of something between: a proxy, or a network's page to log in
	}
	e.reached = true
	code, why := answer.Get("code"), answer.Get("error")
	if code.Type() == js.TypeString && why.Type() == js.TypeString {
		e.code, e.why = code.String(), why.String()
	}
}

// parse reads JSON.
func parse(text js.Value) (v js.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("no JSON: %v", r)
		}
	}()
	return js.Global().Get("JSON").Call("parse", text), nil
}

// blockedAfter is how many sockets in a row do not open, though the coordinator takes
// them, before something between is said to block them: one fails when a coordinator
// starts in that moment.
const blockedAfter = 2

// turnedAway notes why the last socket was refused.
func (w *worker) turnedAway(e doorAnswered) {
	if e.bytes > 0 {
		w.moved(tab.Entry{Kind: tab.Door, Bytes: e.bytes})
	}
	if e.generation != w.generation || w.conn != tab.Reconnecting || w.offline {
		return
	}
	switch {
	case e.code != "":
		w.refusal, w.detail = e.code, e.why
	case !e.reached:
		w.refusal = tab.Unreachable
	case w.unopened >= blockedAfter:
		w.refusal = tab.Blocked
	default:
		w.refusal = ""
	}
}

// networkChanged takes in what the browser says of its network. Without one the socket is
// of no use, which it would say in a minute; with one again, nothing waits any longer.
func (w *worker) networkChanged(online bool) {
	w.offline = !online
	switch w.conn {
	case tab.Connecting, tab.Joined, tab.Reconnecting:
	default:
		return
	}
	if !online {
		if w.socket != nil {
			w.socket.close()
			w.socket = nil
		}
		w.generation++
		w.detail, w.refusal = "", tab.Offline
		w.retry(protocol.ReconnectMax) // a browser may be wrong
		return
	}
	w.resumeFetches()
	if w.conn == tab.Reconnecting && w.socket == nil {
		w.attempts, w.refusal = 0, ""
		w.connect()
	}
}

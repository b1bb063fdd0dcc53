package main

import (
	"fmt"
	"math/rand/v2"
	"syscall/js"
	"time"

	"fedtab/protocol"
	"fedtab/tab"
)

// socket is a browser's WebSocket.
type socket struct {
	ws    js.Value
	funcs []js.Func
	buf   []byte
}

// connect opens a socket. What becomes of it arrives as events.
func (w *worker) connect() {
	w.generation++
	generation := w.generation
	w.body.Reset()
	w.bye, w.opened = nil, false
	s := &socket{}
	w.socket = s
	on := func(name string, f func(js.Value)) {
		fn := js.FuncOf(func(_ js.Value, args []js.Value) any { f(args[0]); return nil })
		s.funcs = append(s.funcs, fn)
		s.ws.Set(name, fn)
	}
	ws, err := newWebSocket(w.url)
	if err != nil {
		w.socket = nil
		w.conn, w.detail = tab.Refused, err.Error()
		return
	}
	s.ws = ws
	s.ws.Set("binaryType", "arraybuffer")
	on("onopen", func(js.Value) { w.queue.put(socketOpened{generation}) })
	on("onmessage", func(e js.Value) {
		d := e.Get("data")
		if d.Type() != js.TypeObject {
			return // text is not of the protocol
		}
		a := js.Global().Get("Uint8Array").New(d)
		frame := make([]byte, a.Length())
		js.CopyBytesToGo(frame, a)
		w.queue.put(socketMessage{generation, frame})
	})
	on("onclose", func(e js.Value) {
		w.queue.put(socketClosed{generation, protocol.CloseCode(e.Get("code").Int()), e.Get("reason").String()})
		s.release()
	})
}

// newWebSocket turns the exception that the constructor throws into an error.
func newWebSocket(url string) (ws js.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot open %s: %v", url, r)
		}
	}()
	return js.Global().Get("WebSocket").New(url), nil
}

// send writes a message's frames, and reports whether the socket has taken them all.
func (s *socket) send(m protocol.Message) bool {
	if s.buf == nil {
		s.buf = make([]byte, 0, protocol.MaxFrame)
	}
	for f := range protocol.Frames(m, s.buf) {
		if s.ws.Get("readyState").Int() != 1 { // OPEN
			return false
		}
		a := js.Global().Get("Uint8Array").New(len(f))
		js.CopyBytesToJS(a, f)
		s.ws.Call("send", a)
	}
	return true
}

// unsent returns how many bytes wait to be sent.
func (s *socket) unsent() int64 { return int64(s.ws.Get("bufferedAmount").Int()) }

// close closes the socket; its events are of no interest any more.
func (s *socket) close() {
	for _, name := range []string{"onopen", "onmessage", "onclose"} {
		s.ws.Set(name, js.Null())
	}
	s.ws.Call("close", int(protocol.CloseNormal))
	s.release()
}

func (s *socket) release() {
	for _, f := range s.funcs {
		f.Release()
	}
	s.funcs = nil
}

// closed decides whether to come back after the socket was closed.
func (w *worker) closed(code protocol.CloseCode, detail string) {
	w.socket = nil
	if w.bye != nil { // says more than the close frame, which may be lost
		code, detail = w.bye.Code, w.bye.Detail
	}
	switch {
	case code == protocol.CloseFinished:
		w.forget(func() { w.conn, w.detail = tab.Finished, detail })
		return
	case code == protocol.CloseSuperseded:
		w.keep = keeper{} // it is the other tab's now
		w.conn, w.detail = tab.Superseded, detail
		return
	case code == protocol.CloseInvite:
		w.forget(func() { w.conn, w.detail = tab.Uninvited, detail })
		return
	case code == protocol.CloseBadToken:
		w.client.Forget() // the token is of no use: join as a new participant
	case !code.Reconnect():
		w.conn, w.detail = tab.Refused, detail
		if detail == "" {
			w.detail = code.String()
		}
		return
	}
	w.attempts++
	w.retry(protocol.Backoff(w.attempts-1, rand.Float64()))
	w.detail = detail
	if !w.opened {
		w.unopened++
	}
	if w.offline {
		w.refusal = tab.Offline
	} else if !w.opened || code == protocol.CloseOverloaded { // the place of an address is refused after the hello
		go askAtDoor(w.queue, w.generation, w.url)
	}
}

// retry connects again after a pause.
func (w *worker) retry(pause time.Duration) {
	w.conn, w.retryAt = tab.Reconnecting, time.Now().Add(pause)
	generation := w.generation
	time.AfterFunc(pause, func() { w.queue.put(reconnectDue{generation}) })
}

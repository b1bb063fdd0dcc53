package main

import (
	"errors"
	"syscall/js"
	"time"
)

// keeper writes what the client must not lose to the browser's storage, so that
// a reload of the tab finds it. Some browsers have no storage in
// private windows: a reload then joins as a new participant.
type keeper struct {
	key     string // of this tab and task; empty keeps nothing
	saved   state  // what is written, or being written
	writing bool
}

// state is what tells one thing worth keeping from another.
type state struct {
	participant uint32
	token       string // newest
	order       uint64 // of the contribution that is kept
}

// keepTimeout bounds the waiting for the storage: joining must not hang on it.
const keepTimeout = 2 * time.Second

type (
	keptLoaded struct {
		serial int
		bytes  []byte
		record []byte // of secure aggregation
		err    error
	}
	keptWritten struct{ err error }
	keptRemoved struct{ then func() }
)

// load asks for what an earlier page of this tab has kept. The answer is a
// keptLoaded event.
func (w *worker) load() {
	serial := w.joins
	if w.keep.key == "" {
		w.queue.put(keptLoaded{serial: serial})
		return
	}
	state, record := keepCall("load", w.keep.key), keepCall("load", w.vault.key)
	go func() {
		b, err := loadedBytes(state)
		r, failed := loadedBytes(record)
		if err == nil {
			err = failed
		}
		w.queue.put(keptLoaded{serial, b, r, err})
	}()
}

// loadedBytes waits for what is kept, nil if there is nothing.
func loadedBytes(load js.Value) ([]byte, error) {
	v, err := within(keepTimeout, load)
	if err != nil || !v.Truthy() {
		return nil, err
	}
	b := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(b, v)
	return b, nil
}

// loaded makes the client the participant that it was, and connects.
func (w *worker) loaded(e keptLoaded) {
	if e.serial != w.joins || w.client == nil {
		return
	}
	if e.err == nil {
		w.vault.written = e.record
		w.client.Remember(e.record)
	}
	if e.err == nil && e.bytes != nil {
		e.err = w.client.Restore(e.bytes)
	}
	if e.err != nil {
		w.keepFailed(e.err)
	} else {
		w.keep.saved = w.worth()
	}
	w.connect()
}

// worth says what there is to keep.
func (w *worker) worth() state {
	s := state{order: w.client.Kept()}
	if welcome := w.client.Welcome(); welcome != nil {
		s.participant, s.token = welcome.Participant, string(welcome.ResumeToken)
	}
	return s
}

// save writes what has changed since the last time. While that is under way,
// the next change waits.
func (w *worker) save() {
	if w.keep.key == "" || w.client == nil || w.keep.writing {
		return
	}
	now := w.worth()
	if now == w.keep.saved || now.participant == 0 {
		return
	}
	w.keep.saved, w.keep.writing = now, true
	call := keepCall("save", w.keep.key, array(w.client.Save()))
	go func() {
		_, err := within(keepTimeout, call)
		w.queue.put(keptWritten{err})
	}()
}

// forget removes what is kept, and then does what is to follow.
func (w *worker) forget(then func()) {
	if w.keep.key == "" {
		then()
		return
	}
	call := keepCall("remove", w.keep.key)
	w.keep = keeper{}
	go func() {
		within(keepTimeout, call)
		w.queue.put(keptRemoved{then})
	}()
}

// keepFailed gives keeping up for this session.
func (w *worker) keepFailed(err error) {
	w.keep.key, w.vault.key = "", ""
	w.detail = "this browser stores nothing for this page (" + err.Error() + "): a reload joins as a new participant"
}

func keepCall(name string, args ...any) js.Value {
	return js.Global().Get("fedtabKeep").Call(name, args...)
}

// within waits for a promise, but not for ever. It must not be called by the
// loop, or within a callback.
func within(limit time.Duration, promise js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	c := make(chan result, 1)
	go func() {
		v, err := await(promise)
		c <- result{v, err}
	}()
	select {
	case r := <-c:
		return r.value, r.err
	case <-time.After(limit):
		return js.Undefined(), errors.New("its storage does not answer")
	}
}

// clearStores removes all that the browser keeps of this page, and has the loop call
// then with the reason why something is left.
func clearStores(q *queue, then func(error)) {
	go func() {
		_, err := within(keepTimeout, js.Global().Get("fedtabOwn").Call("clear"))
		within(keepTimeout, js.Global().Get("fedtabKeep").Call("clear"))
		q.put(jobDone{do: func() { then(err) }})
	}()
}

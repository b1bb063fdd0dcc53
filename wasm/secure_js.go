package main

import (
	"errors"
	"syscall/js"

	"fedtab/client"
	"fedtab/wasm/webcrypto"
)

// vault keeps the record of secure aggregation in the browser's storage. A tab that is
// duplicated has the same vault as the one that it was made from: what one has written, the
// other does not replace.
type vault struct {
	key     string // of this tab and task; empty keeps nothing
	written []byte // what is kept, as far as this tab knows; nil: nothing
}

var errVault = errors.New("this browser stores nothing for this page")

// secure returns what a participant needs for secure aggregation.
func (v *vault) secure() *client.Secure {
	return &client.Secure{Primitives: webcrypto.Primitives{}, Persist: v.persist}
}

// persist returns once the record is durable. The loop calls it, and waits.
func (v *vault) persist(record []byte) error {
	if v.key == "" {
		return errVault
	}
	var before any
	if v.written != nil {
		before = array(v.written)
	}
	done, err := within(keepTimeout, keepCall("replace", v.key, before, array(record)))
	switch {
	case err != nil:
		return err
	case !done.Truthy():
		return errors.New("a copy of this tab has written down something else")
	}
	v.written = record
	return nil
}

// exchange does what messages of secure aggregation ask for, between slices of training. It
// waits for the browser's cryptography and storage, for milliseconds; what happens meanwhile
// waits in queues.
func (w *worker) exchange() {
	if w.client == nil || !w.client.Exchanges() {
		return
	}
	out := w.client.Exchange()
	w.save() // before it is sent: it may be the last thing that this page does
	w.send(out)
}

// array copies bytes to JavaScript.
func array(b []byte) js.Value {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

package ui

import (
	"strings"
	"syscall/js"
	"time"

	"fedtab/wasm/webcrypto"
)

// looked says that what this browser lacks is known: of a page there is one.
var looked bool

// lookForLack finds out, once, whether this browser can take part in secure aggregation, where
// the shown task has it. It waits for the browser, for milliseconds: the loop of events calls
// it, before a person can join.
func (p *Page) lookForLack() {
	if looked || !p.Secure() {
		return
	}
	looked = true
	if p.Lack.Encryption = !js.Global().Get("isSecureContext").Truthy(); p.Lack.Encryption {
		return
	}
	p.Lack.Primitives = strings.Join(webcrypto.Lacks(false), ", ")
	p.Lack.Storage = !stores()
}

// storageTimeout is how long the browser's storage may take to answer.
const storageTimeout = 2 * time.Second

// stores reports whether the browser stores what a worker has to write down.
func stores() bool {
	answer := make(chan bool, 1)
	done := js.FuncOf(func(_ js.Value, args []js.Value) any {
		answer <- args[0].Bool()
		return nil
	})
	js.Global().Get("fedtabKeep").Call("works").Call("then", done)
	select {
	case works := <-answer:
		done.Release()
		return works
	case <-time.After(storageTimeout):
		return false
	}
}

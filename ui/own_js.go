package main

import (
	"reflect"
	"syscall/js"

	"fedtab/fields"
)

// watchData takes in what static/bring.js brings: files, pictures and its troubles.
func (t *worker) watchData() {
	host := js.Global().Get("fedtab")
	host.Set("bring", js.FuncOf(func(_ js.Value, args []js.Value) any {
		message, transfer := args[0], js.Global().Get("Array").New()
		if len(args) > 1 {
			transfer = args[1]
		}
		t.loop.do(func() { t.bring(message, transfer) })
		return nil
	}))
	host.Set("brought", js.FuncOf(func(_ js.Value, args []js.Value) any {
		words := args[0].String()
		t.loop.do(func() { t.page.OnBringFailed(words) })
		return nil
	}))
}

// bring hands data to the worker, as soon as that is ready.
func (t *worker) bring(message, transfer js.Value) {
	if !t.page.MayBring() {
		return
	}
	t.page.DataTrouble = ""
	if t.ready {
		t.worker.Call("postMessage", message, transfer)
		return
	}
	t.waiting = append(t.waiting, [2]any{message, transfer})
	if !t.worker.Truthy() {
		t.start(t.page.Selected)
	}
}

// prepare has a worker while a task is shown that wants data: it says what is kept.
func (t *worker) prepare() {
	p := t.page
	if p.Taking() {
		return
	}
	other := t.task != p.Selected || t.run != p.Task.Run && t.ready && !reflect.DeepEqual(t.wanted, p.OwnSchema)
	if t.worker.Truthy() && p.Loaded && other {
		t.end()
		t.broken = false
	}
	if p.Camera && !p.MayBring() {
		t.camera(false)
	}
	if p.MayDelete() && !t.worker.Truthy() && !t.broken {
		t.start(p.Selected)
	}
}

// answer tells the worker all that the person has answered about the file.
func (t *worker) answer() {
	m := fields.Map(t.page.Answers)
	m["type"] = "answers"
	t.tell(m)
}

// camera turns the camera on or off.
func (t *worker) camera(on bool) {
	t.page.Camera = on
	if !on {
		camera().Call("stop")
		return
	}
	t.page.DataTrouble = ""
	var done js.Func
	done = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done.Release()
		if words := args[0].String(); words != "" {
			t.loop.do(func() {
				t.page.Camera = false
				t.page.OnBringFailed(words)
			})
		}
		return nil
	})
	camera().Call("start").Call("then", done)
}

// forget removes all that this browser keeps of the page, once the person has said so
// twice.
func (t *worker) forget() {
	if !t.page.Forgetting {
		t.page.Forgetting = true
		return
	}
	t.page.Forgetting = false
	t.forgetting = true
	if t.page.Taking() {
		t.page.Leave()
	}
	t.memory.joined("")
	message := js.ValueOf(map[string]any{"type": "forget"})
	if t.ready {
		t.worker.Call("postMessage", message)
		return
	}
	t.waiting = append(t.waiting, [2]any{message, js.Global().Get("Array").New()})
	if !t.worker.Truthy() {
		t.start(t.page.Selected)
	}
}

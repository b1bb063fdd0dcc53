package ui

import (
	"syscall/js"

	"fedtab/fields"
	"fedtab/jsvalue"
)

// said returns what a script says, by a key and its arguments.
func said(p *Page, m js.Value) string {
	args, _ := jsvalue.FromJS(m.Get("args")).([]any)
	return p.say(str(m.Get("key")), args...)
}

// translate puts what is wrong with the values of a preview's rows (tab.Cell) into the
// page's language.
func (p *Page) translate(rows js.Value) {
	for i := range rows.Length() {
		cells := rows.Index(i).Get("cells")
		for k := range cells.Length() {
			if problem := str(cells.Index(k).Get("problem")); problem != "" {
				cells.Index(k).Set("problem", p.say("own.rows.want", p.phrase(problem)))
			}
		}
	}
}

// bring hands data that the page has taken in to the worker, as soon as that is ready.
func (t *worker) bring(message js.Value) {
	if !t.page.MayBring() {
		return
	}
	transfer := js.Global().Get("Array").New()
	if bitmap := message.Get("bitmap"); bitmap.Truthy() {
		transfer.Call("push", bitmap)
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
	other := t.task != p.Selected || t.run != p.Task.Run && t.ready && !fields.Same(t.wanted, p.OwnSchema)
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
	if on {
		t.page.DataTrouble = ""
	}
	t.host.tell(map[string]any{"type": "camera", "on": on})
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
	t.dismiss() // or they might keep something after all is removed
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

// askConfusion asks the worker what a version takes for what, once it is evaluated on the
// tab's own data.
func (t *worker) askConfusion() {
	if v := t.page.Local.AfterVersion; t.page.schema() != nil && v > 0 && v != t.page.confused {
		t.page.confused = v
		t.worker.Call("postMessage", map[string]any{"type": "confusion"})
	}
}

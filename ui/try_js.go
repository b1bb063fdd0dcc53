package ui

import (
	"strconv"
	"syscall/js"

	"fedtab/fields"
	"fedtab/jsvalue"
	"fedtab/tab"
	"fedtab/ui/draw"
)

// trying drives the worker that predicts, and gets models for it.
type trying struct {
	page *Page
	loop *draw.Loop
	host *host
	tab  *worker

	worker  js.Value   // undefined while there is none
	ready   bool       // its program takes messages
	task    string     // that it was made for
	serial  int        // counts workers, so that late messages of older ones are dropped
	matrix  [][]int    // that is drawn
	loaded  []js.Value // messages that the script gets once the page has places for answers
	message js.Func
}

// open has the worker answer with the newest model.
func (t *trying) open() {
	t.page.Try.Step, t.page.Try.Why, t.page.Try.Asked = TryOpening, "", 0
	t.host.tell(map[string]any{"type": "script", "name": "try"})
	t.matrix = nil
	t.task = t.page.Selected
	if t.worker.Truthy() {
		if t.ready {
			t.get()
		}
		return
	}
	t.serial++
	serial := t.serial
	t.worker = js.Global().Call("fedtabWorker", "try")
	t.message = js.FuncOf(func(_ js.Value, args []js.Value) any {
		m := args[0].Get("data")
		t.loop.Do(func() {
			if serial == t.serial {
				t.hear(m)
			}
		})
		return nil
	})
	t.worker.Set("onmessage", t.message)
}

// close ends the worker.
func (t *trying) close() {
	if t.worker.Truthy() {
		t.serial++
		t.worker.Call("terminate")
		t.worker.Set("onmessage", nil)
		t.message.Release()
	}
	t.worker, t.ready = js.Undefined(), false
}

// look follows a rendering: it ends the worker of a task that is not shown any more, and
// has the script draw what belongs to the model.
func (t *trying) look() {
	if t.page.Try.Step == TryClosed && t.worker.Truthy() {
		t.close()
	}
	for _, m := range t.loaded {
		t.show(m)
	}
	t.loaded = nil
	if classes, matrix := t.page.confusion(); matrix != nil && t.page.Try.Step == TryReady && !fields.Same(matrix, t.matrix) {
		t.matrix = matrix
		var rows, names []any
		for i, row := range matrix {
			var counts []any
			for _, n := range row {
				counts = append(counts, n)
			}
			rows, names = append(rows, counts), append(names, classes[i])
		}
		t.show(map[string]any{"type": "confusion", "classes": names, "matrix": rows})
	}
}

// show has the script draw a message.
func (t *trying) show(message any) {
	t.host.tell(map[string]any{"type": "tried", "message": message})
}

// hear takes in one message of the worker.
func (t *trying) hear(m js.Value) {
	switch kind := str(m.Get("type")); kind {
	case "ready":
		t.ready = true
		t.get()
	case "loaded":
		o, _ := jsvalue.FromJS(m).(map[string]any)
		t.page.OnTryLoaded(o)
		t.loaded = append(t.loaded, m)
		if t.page.Try.Asked == 0 {
			t.versions()
		}
	case "error":
		if str(m.Get("of")) == "load" {
			t.page.OnTryFailed(t.page.say("try.bad", t.page.phrase(str(m.Get("detail")))))
			return
		}
		m.Set("detail", t.page.phrase(str(m.Get("detail"))))
		t.show(m)
	case "exit":
		t.close()
		t.page.Try.Model = tab.Loaded{}
		t.page.OnTryFailed(t.page.say("try.lost", t.page.phrase(str(m.Get("detail")))))
	default:
		t.show(m)
	}
}

// ask hands a question to the worker.
func (t *trying) ask(message js.Value) {
	if t.ready {
		t.worker.Call("postMessage", message)
	}
}

// keepAs is the name under which the browser keeps the newest model of a task.
func keepAs(task string) string { return "model." + task }

// get loads the chosen model: of the coordinator, or as the browser has kept it, or as the
// tab that takes part has it.
func (t *trying) get() {
	p := t.page
	if !p.Task.Download && p.Loaded {
		t.getOwn("newest", p.say("try.closed"))
		return
	}
	address, key := p.models()+"/newest.safetensors", keepAs(t.task)
	if p.Try.Asked > 0 {
		address, key = p.models()+"/"+strconv.Itoa(p.Try.Asked)+".safetensors?run="+p.Try.Run, ""
	}
	serial := t.serial
	var done js.Func
	done = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done.Release()
		answer := args[0]
		t.loop.Do(func() {
			if serial != t.serial {
				return
			}
			if bytes := answer.Get("bytes"); bytes.Truthy() {
				p.Try.Kept = answer.Get("kept").Bool()
				t.load(modelSlot, bytes)
				return
			}
			words := p.say("try.unreachable")
			if status := answer.Get("status").Int(); status == 404 {
				words = p.say("try.none")
			} else if status > 0 {
				words = p.say("try.status", status)
			}
			t.getOwn("newest", words)
		})
		return nil
	})
	js.Global().Call("fetchModel", address, key).Call("then", done)
}

// getOwn asks the tab that takes part for a model. Without one, words say why there is
// none.
func (t *trying) getOwn(which, words string) {
	if !t.tab.ready || !t.page.Taking() {
		t.page.OnTryFailed(words)
		return
	}
	m := map[string]any{"type": "model", "which": which, "format": "safetensors"}
	d := &t.page.Task.Data
	var names []any
	for _, name := range d.ClassNames {
		names = append(names, name)
	}
	m["classes"] = names
	if d.Encoding != nil {
		m["encoding"] = fields.Map(*d.Encoding)
	}
	t.tab.tell(m)
}

// onModel takes in a model of the tab that takes part (tab.Model).
func (t *trying) onModel(m js.Value) {
	which := tab.Which(str(m.Get("which")))
	bytes := m.Get("bytes")
	switch {
	case !t.ready:
	case !bytes.Truthy():
		t.page.OnTryFailed(t.page.say("try.none"))
	case which == tab.Newest:
		t.page.Try.Kept = false
		t.load(modelSlot, bytes)
	default:
		t.load(besideSlot, bytes)
	}
}

func (t *trying) load(slot string, bytes js.Value) {
	schema := t.page.OwnSchema
	if schema == nil && t.page.Drawn() {
		schema = map[string]any{"images": map[string]any{"drawn": true}} // a photo of ink on paper is read too
	}
	t.worker.Call("postMessage", map[string]any{"type": "load", "slot": slot, "bytes": bytes, "schema": schema})
}

// versions asks which versions can be had.
func (t *trying) versions() {
	if !t.page.Task.Download {
		return
	}
	serial := t.serial
	fetchJSON(t.page.path()+"/versions", func(v any, _ string) {
		t.loop.Do(func() {
			if o, ok := v.(map[string]any); ok && serial == t.serial {
				t.page.OnVersions(o)
			}
		})
	})
}

// path is where the API has the shown task, from the root.
func (p *Page) path() string {
	// encodeURIComponent instead of net/url, which makes the page larger.
	return "api/tasks/" + js.Global().Call("encodeURIComponent", p.Selected).String()
}

// models is where the task's models are, from the root.
func (p *Page) models() string { return p.path() + "/models" }

package ui

import (
	"strings"
	"syscall/js"
	"time"

	"fedtab/jsvalue"
	"fedtab/tab"
	"fedtab/ui/draw"
)

// leaveWithin is how long a worker may take to say goodbye.
const leaveWithin = 1500 * time.Millisecond

// worker drives this tab's Web Worker, in which all training happens.
type worker struct {
	page *Page
	loop *draw.Loop
	host *host

	worker  js.Value // undefined while there is none
	release func()
	ready   bool     // its program has said so, and takes messages
	joining bool     // it is to join once it is ready
	task    string   // that it was made for
	broken  bool     // it has ended by itself, and is made again when it is wanted
	waiting [][2]any // messages and what they hand over, until it is ready
	wanted  any      // the schema that it was told
	run     string   // of the task, by then

	forgetting bool // it removes all that the browser keeps
	serial     int  // counts workers, so that late messages of older ones are dropped

	mates []*mate // further workers of the tab, one for each core beyond the first

	memory *memory
	trying *trying
	again  string // the task that this tab was in before it was reloaded, until it has joined again
	until  string // the task whose run has ended while this tab took part: it comes back if the run goes on
	ended  bool   // the page has been told of that end
}

// join has a worker join the named task: a fresh one, or that which has the tab's own
// data. The worker is told once its program says that it is ready; a message before
// that would be lost.
func (t *worker) join(task string) {
	if task == "" || !t.page.HasData() {
		return
	}
	if t.page.schema() == nil {
		t.end()
	}
	paused := t.again == task && t.memory.paused()
	t.again, t.until, t.ended = "", "", false
	kernel, codecs := t.page.Kernel, t.page.Codecs
	t.page.Join()
	t.page.Pause(paused)
	t.memory.joined(task)
	t.memory.pause(paused)
	t.joining = true
	if t.ready {
		t.page.OnReady(kernel, codecs...)
		t.begin()
		return
	}
	if !t.worker.Truthy() {
		t.start(task)
	}
}

// begin tells a worker that is ready to join.
func (t *worker) begin() {
	t.joining = false
	if t.page.Stage != StageRunning {
		return // left already
	}
	t.dismiss() // those of an earlier time, where the worker was kept with its data
	t.worker.Call("postMessage", map[string]any{"type": "alone"})
	first, n := shares(t.participants(), t.cores())
	t.enter(t.worker, first[0], n[0])
	for i := 1; i < len(first); i++ {
		t.hire(i, func(worker js.Value) { t.enter(worker, first[i], n[i]) })
	}
	for i := range t.page.Helpers() {
		t.hire(len(first)+i, t.help)
	}
}

// help connects a further worker with the first one, for which it trains parts.
func (t *worker) help(worker js.Value) {
	t.settle(worker)
	ends := js.Global().Get("MessageChannel").New()
	hand := func(to js.Value, kind string, port js.Value) {
		to.Call("postMessage", map[string]any{"type": kind, "port": port}, []any{port})
	}
	hand(worker, "help", ends.Get("port1"))
	hand(t.worker, "helper", ends.Get("port2"))
}

// settle tells a worker what the person has set.
func (t *worker) settle(worker js.Value) {
	if t.page.Paused || t.page.Held {
		worker.Call("postMessage", map[string]any{"type": "pause"}) // before the hello, which says so
	}
	worker.Call("postMessage", map[string]any{"type": "effort", "percent": t.page.Effort})
}

// enter tells a worker to join with some of the tab's participants.
func (t *worker) enter(worker js.Value, first, n int) {
	t.settle(worker)
	worker.Call("postMessage", map[string]any{"type": "join", "socket": socketAddress(), "task": t.task, "tab": t.memory.tab(), "participants": n, "first": first, "invite": t.page.InviteTo(t.task)})
	worker.Call("postMessage", map[string]any{"type": "tab", "state": t.host.state()})
}

// mate is a further worker of the tab: with participants of its own, or a helper of the
// first one.
type mate struct {
	worker  js.Value
	message js.Func
}

// hire makes a further worker, the i-th of the tab, and calls begin once it is ready.
func (t *worker) hire(i int, begin func(worker js.Value)) {
	serial := t.serial
	m := &mate{worker: js.Global().Call("fedtabWorker", "train")}
	m.message = js.FuncOf(func(_ js.Value, args []js.Value) any {
		o, _ := jsvalue.FromJS(args[0].Get("data")).(map[string]any)
		t.loop.Change(func() draw.Extent {
			if serial != t.serial {
				return draw.Nothing
			}
			switch o["type"] {
			case "ready":
				if t.page.Taking() {
					begin(m.worker)
				}
			case "state":
				before := t.page.Local.Report
				t.over(t.page.OnReport(i, o))
				if same(t.page.Local.Report, before) {
					return draw.OnlyNumbers
				}
			case "moved":
				t.page.OnMoved(o)
				return draw.OnlyNumbers
			case "exit":
				detail, _ := o["detail"].(string)
				t.exited(detail)
			}
			return draw.Everything
		})
		return nil
	})
	m.worker.Set("onmessage", m.message)
	t.mates = append(t.mates, m)
}

// cores returns on how many cores the tab has participants: with data of its own on one,
// and on one where the others help it.
func (t *worker) cores() int {
	if t.page.schema() != nil || t.page.Splits() {
		return 1
	}
	return max(1, t.page.Cores)
}

// participants returns as how many the tab takes part: with data of its own as one,
// whose rows count once.
func (t *worker) participants() int {
	if t.page.schema() != nil {
		return 1
	}
	return t.memory.participants()
}

// start makes a worker for a task.
func (t *worker) start(task string) {
	t.task, t.ready, t.broken = task, false, false
	t.serial++
	serial := t.serial
	role := "train"
	if t.page.schema() != nil {
		role = "own"
	}
	worker := js.Global().Call("fedtabWorker", role)
	message := js.FuncOf(func(_ js.Value, args []js.Value) any {
		message := args[0].Get("data")
		switch message.Get("type").String() {
		case "model": // large
			t.loop.Do(func() {
				if serial == t.serial {
					t.trying.onModel(message)
				}
			})
			return nil
		case "wall": // large
			t.loop.Do(func() {
				if serial == t.serial {
					t.onWall(message)
				}
			})
			return nil
		case "rows", "sheet", "file": // large, and drawn by scripts
			if serial == t.serial {
				if rows := message.Get("rows"); rows.Truthy() {
					t.page.translate(rows)
				}
				t.host.pass(message)
			}
			return nil
		}
		o, _ := jsvalue.FromJS(message).(map[string]any)
		t.loop.Change(func() draw.Extent {
			if serial != t.serial {
				return draw.Nothing
			}
			stage, before := t.page.Stage, t.page.Local.Report
			t.hear(o)
			quiet := o["type"] == "state" || o["type"] == "progress" || o["type"] == "moved"
			if t.page.Stage == stage && same(t.page.Local.Report, before) && quiet {
				return draw.OnlyNumbers
			}
			return draw.Everything
		})
		return nil
	})
	worker.Set("onmessage", message)
	t.worker = worker
	t.release = func() {
		worker.Set("onmessage", nil)
		message.Release()
	}
}

// rejoin joins again after a reload, as soon as that is possible.
func (t *worker) rejoin() {
	switch {
	case t.again == "" || !t.page.Loaded:
	case t.page.Selected != t.again || t.page.Over():
		t.again = ""
		t.memory.forget()
	case t.page.CanJoin():
		t.join(t.again)
	}
}

// goesOn reports whether a run that has ended while this tab took part goes on now.
func (t *worker) goesOn() bool {
	switch {
	case t.until == "" || !t.page.Loaded:
	case t.page.Selected != t.until:
		t.until, t.ended = "", false
	case t.page.Over():
		t.ended = true
	default:
		return t.ended && t.page.CanJoin()
	}
	return false
}

// hear takes in one message of the worker.
func (t *worker) hear(o map[string]any) {
	text := func(key string) string {
		s, _ := o[key].(string)
		return s
	}
	switch text("type") {
	case "ready":
		t.ready = true
		t.page.OnReady(text("kernel"), strings.Fields(text("codecs"))...)
		if t.page.schema() != nil {
			t.wanted, t.run = t.page.OwnSchema, t.page.Task.Run
			t.tell(map[string]any{"type": "own", "task": t.task, "schema": t.wanted, "id": t.memory.data(t.task)})
		}
		if t.joining {
			t.begin()
		}
		for _, m := range t.waiting {
			t.worker.Call("postMessage", m[0], m[1])
		}
		t.waiting = nil
	case "state":
		t.over(t.page.OnWorkerState(o))
		t.askWall()
		t.askConfusion()
	case "data":
		t.page.OnData(o)
		if t.page.Data.Step == tab.DataReady || t.page.Data.Step == tab.DataNone {
			t.memory.setData(t.task, t.page.Data.ID)
		}
	case "confusion":
		t.page.OnConfusion(o)
	case "moved":
		t.page.OnMoved(o)
	case "progress":
		t.page.OnProgress(o)
	case "forgotten":
		t.end()
		t.memory.forgetAll()
		t.camera(false)
		t.host.tell(map[string]any{"type": "forget"})
		t.page.OnForgotten(text("detail"))
	case "exit":
		t.exited(text("detail"))
	}
}

// over ends the worker once it has nothing more to do.
func (t *worker) over(done bool) {
	if !done {
		return
	}
	if t.page.Local.Connection == tab.Finished {
		t.until = t.task
	}
	t.idle()
	t.memory.joined("") // a reload must not bring it back
	t.memory.invited(t.page.Invite)
	if t.page.Local.Connection != tab.Refused {
		t.memory.forget() // joining again makes a new participant
	}
}

// exited takes in that the worker's program ended by itself.
func (t *worker) exited(detail string) {
	t.end()
	t.broken = true
	if t.page.schema() != nil && !t.page.Taking() {
		t.page.OnDataLost(detail)
		return
	}
	t.page.OnExit(detail)
}

// tell sends a message to all of the tab's workers.
func (t *worker) tell(message map[string]any) {
	if t.worker.Truthy() {
		t.worker.Call("postMessage", message)
	}
	for _, m := range t.mates {
		m.worker.Call("postMessage", message)
	}
}

// hold pauses the tab while the person's settings say so, or lets it go on.
func (t *worker) hold() {
	held := t.page.Settings.Held(!t.host.visible, t.host.battery)
	if held == t.page.Held {
		return
	}
	t.page.Held = held
	t.halt()
}

// halt tells the workers whether they are to pause.
func (t *worker) halt() {
	kind := "resume"
	if t.page.Paused || t.page.Held {
		kind = "pause"
	}
	t.tell(map[string]any{"type": kind})
}

func (t *worker) pause(on bool) {
	if !t.page.CanPause() {
		return
	}
	t.page.Pause(on)
	t.memory.pause(on)
	t.halt()
}

// leave tells the worker to say goodbye, and ends it when it has, or has not in
// time. A worker that is still loading is ended at once.
func (t *worker) leave() {
	t.memory.joined("")
	if t.page.Stage != StageRunning {
		t.joining = false
		t.idle()
		t.page.OnGone()
		return
	}
	t.page.Leave()
	t.tell(map[string]any{"type": "leave"})
	serial := t.serial
	time.AfterFunc(leaveWithin, func() {
		t.loop.Do(func() {
			if serial == t.serial && t.page.Stage == StageLeaving {
				t.end()
				t.memory.forget()
				t.page.OnGone()
			}
		})
	})
}

// end terminates the worker: the only way to give its memory back.
func (t *worker) end() {
	if !t.worker.Truthy() {
		return
	}
	t.serial++
	t.worker.Call("terminate")
	t.release()
	t.dismiss()
	t.worker = js.Undefined()
	t.ready, t.joining, t.waiting, t.forgetting = false, false, nil, false
}

// dismiss terminates the workers beyond the first.
func (t *worker) dismiss() {
	for _, m := range t.mates {
		m.worker.Call("terminate")
		m.worker.Set("onmessage", nil)
		m.message.Release()
	}
	t.mates = nil
}

// idle ends the worker unless it has data that is kept nowhere else.
func (t *worker) idle() {
	if t.page.Local.Connection == tab.Finished && t.page.schema() != nil {
		return // it can still make a personal model
	}
	if !t.forgetting && (t.page.schema() == nil || t.page.Data.Step != tab.DataReady || t.page.Data.ID != "") {
		t.end()
	}
}

// keepAwake has the screen stay on while this tab trains.
func (t *worker) keepAwake() { t.host.wake(t.page.Working()) }

// socketAddress is where the coordinator's WebSocket is: beside this script.
func socketAddress() string {
	url := js.Global().Get("URL").New("ws", js.Global().Get("location").Get("href"))
	protocol := "ws:"
	if url.Get("protocol").String() == "https:" {
		protocol = "wss:"
	}
	url.Set("protocol", protocol)
	url.Set("hash", "")
	return url.Get("href").String()
}

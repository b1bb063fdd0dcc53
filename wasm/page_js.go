package main

import (
	"syscall/js"
	"time"

	"fedtab/client"
	"fedtab/protocol"
)

// page is the other end of the worker's messages.
type page struct {
	lastReport time.Time
}

func newPage() *page { return &page{} }

func (p *page) post(m map[string]any) { js.Global().Call("postMessage", m) }

// listen turns the page's messages into events.
func (p *page) listen(q *queue) {
	js.Global().Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		m := args[0].Get("data")
		switch m.Get("type").String() {
		case "join":
			q.put(joinCommand{m.Get("socket").String(), m.Get("task").String(), m.Get("tab").String()})
		case "leave":
			q.put(leaveCommand{})
		case "pause":
			q.put(pauseCommand{true})
		case "resume":
			q.put(pauseCommand{false})
		case "tab":
			switch m.Get("state").String() {
			case "visible":
				q.put(tabCommand{protocol.TabVisible})
			case "hidden":
				q.put(tabCommand{protocol.TabHidden})
			case "frozen":
				q.put(tabCommand{protocol.TabFrozen})
			}
		}
		return nil
	}))
}

// reportEvery is how often the page is told while the tab trains.
const reportEvery = 100 * time.Millisecond

// report tells the page how things stand; now says that it cannot wait.
func (w *worker) report(now bool) {
	if w.conn == "" || !now && time.Since(w.page.lastReport) < reportEvery {
		return // nobody has asked to join yet, or the page knows enough
	}
	w.page.lastReport = time.Now()
	m := map[string]any{
		"type": "state", "connection": string(w.conn), "detail": w.detail, "activity": string(client.Idle),
		"bytesUp": w.up, "bytesDown": w.down, "rate": w.meter.rate(),
	}
	if w.conn == reconnecting {
		m["retrySeconds"] = max(0, time.Until(w.retryAt).Seconds())
	}
	if c := w.client; c != nil {
		p := c.Progress()
		here, assigned := c.Shards()
		if w.detail == "" {
			m["detail"] = p.LastError
		}
		m["activity"] = string(p.Activity)
		m["round"], m["done"], m["total"] = p.Round, p.Done, p.Total
		m["loss"], m["accuracy"] = p.Loss, p.Accuracy
		m["contributions"], m["rejected"] = p.Accepted, p.Rejected
		m["shards"], m["shardsTotal"] = here, assigned
		m["examples"] = c.Examples()
		if welcome := c.Welcome(); welcome != nil {
			m["participant"] = welcome.Participant
		}
	}
	w.page.post(m)
}

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
	paused     bool // what it said last
}

func newPage() *page { return &page{} }

func (p *page) post(m map[string]any) { js.Global().Call("postMessage", m) }

// listen turns the page's messages into events.
func (p *page) listen(q *queue) {
	js.Global().Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		m := args[0].Get("data")
		switch m.Get("type").String() {
		case "join":
			q.put(joinCommand{m.Get("socket").String(), m.Get("task").String(), m.Get("tab").String(), whole(m.Get("participants"))})
		case "leave":
			q.put(leaveCommand{})
		case "pause":
			p.paused = true
			q.put(pauseCommand{true})
		case "resume":
			p.paused = false
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
func (h *host) report(now bool) {
	lead := h.lead()
	if lead == nil || !now && time.Since(h.page.lastReport) < reportEvery {
		return // nobody has asked to join yet, or the page knows enough
	}
	h.page.lastReport = time.Now()
	m := map[string]any{
		"type": "state", "connection": string(lead.conn), "detail": lead.detail, "activity": string(client.Idle),
		"participants": len(h.workers),
	}
	if lead.conn == reconnecting {
		m["retrySeconds"] = max(0, time.Until(lead.retryAt).Seconds())
	}
	if c := lead.client; c != nil {
		p := c.Progress()
		if lead.detail == "" {
			m["detail"] = p.LastError
		}
		m["activity"] = string(p.Activity)
		m["round"], m["done"], m["total"] = p.Round, p.Done, p.Total
		m["loss"], m["accuracy"], m["codec"], m["codecDown"] = p.Loss, p.Accuracy, p.Codec, p.CodecDown
		if welcome := c.Welcome(); welcome != nil {
			m["participant"] = welcome.Participant
		}
	}
	// What several participants do adds up.
	var up, down int64
	var rate float64
	var accepted, rejected, here, assigned, examples int
	var numbers []any
	for _, w := range h.workers {
		up, down, rate = up+w.up, down+w.down, rate+w.meter.rate()
		c := w.client
		if c == nil {
			continue
		}
		p := c.Progress()
		accepted, rejected, examples = accepted+p.Accepted, rejected+p.Rejected, examples+c.Examples()
		have, all := c.Shards()
		here, assigned = here+have, assigned+all
		if welcome := c.Welcome(); welcome != nil {
			numbers = append(numbers, welcome.Participant)
		}
	}
	m["bytesUp"], m["bytesDown"], m["rate"] = up, down, rate
	m["contributions"], m["rejected"], m["examples"] = accepted, rejected, examples
	m["shards"], m["shardsTotal"], m["numbers"] = here, assigned, numbers
	h.page.post(m)
}

// lead returns the participant whose state is shown for all: one that trains, or
// else the one that stands best with the coordinator.
func (h *host) lead() *worker {
	var best *worker
	rank := func(w *worker) int {
		switch w.conn {
		case joined:
			if w.client != nil && w.client.Progress().Activity == client.Training {
				return 7
			}
			return 6
		case connecting:
			return 5
		case reconnecting:
			return 4
		case "":
			return 0
		}
		return 3
	}
	for _, w := range h.workers {
		if w.conn != "" && (best == nil || rank(w) > rank(best)) {
			best = w
		}
	}
	return best
}

// whole returns a number, or 0 for what is none.
func whole(v js.Value) int {
	if v.Type() != js.TypeNumber {
		return 0
	}
	return v.Int()
}

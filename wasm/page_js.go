package main

import (
	"syscall/js"
	"time"

	"fedtab/client"
	"fedtab/fields"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/tab"
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
		switch kind := m.Get("type").String(); kind {
		case "own", "files", "picture", "answers", "read", "cancel", "use", "delete", "forget", "personalise", "download":
			q.put(ownCommand{kind, m})
		case "join":
			q.put(joinCommand{m.Get("socket").String(), m.Get("task").String(), m.Get("tab").String(), m.Get("invite").String(), whole(m.Get("participants"))})
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
func (h *scheduler) report(now bool) {
	lead := h.lead()
	if lead == nil || !now && time.Since(h.page.lastReport) < reportEvery {
		return // no participant has joined yet, or the last report is recent
	}
	h.page.lastReport = time.Now()
	r := tab.Report{Type: "state", Connection: lead.conn, Detail: lead.detail, Activity: tab.Idle, Participants: len(h.workers)}
	if lead.conn == tab.Reconnecting {
		r.RetrySeconds = max(0, time.Until(lead.retryAt).Seconds())
		r.Refusal = lead.refusal
	}
	r.DataFailures, r.DataStatus, r.DataError = lead.trouble.failures, lead.trouble.status, lead.trouble.reason
	if c := lead.client; c != nil {
		p := c.Progress()
		if lead.detail == "" {
			r.Detail = p.LastError
		}
		r.Activity, r.Round, r.Done, r.Total = p.Activity, int(p.Round), p.Done, p.Total
		r.Codec, r.CodecDown = p.Codec, p.CodecDown
		if p.Done > 0 {
			r.Loss, r.Accuracy = &p.Loss, &p.Accuracy
		}
		if welcome := c.Welcome(); welcome != nil {
			r.Participant = int(welcome.Participant)
		}
		compared(&r, c)
	}
	for _, w := range h.workers {
		switch w.conn {
		case tab.Refused, tab.Uninvited, tab.Superseded:
			r.Refused++
			r.RefusedWhy = w.detail
		}
		r.BytesUp, r.BytesDown, r.Rate = r.BytesUp+w.up, r.BytesDown+w.down, r.Rate+w.meter.rate()
		c := w.client
		if c == nil {
			continue
		}
		p := c.Progress()
		r.Contributions, r.Rejected, r.Examples = r.Contributions+p.Accepted, r.Rejected+p.Rejected, r.Examples+c.Examples()
		here, assigned := c.Shards()
		r.Shards, r.ShardsTotal = r.Shards+here, r.ShardsTotal+assigned
		if welcome := c.Welcome(); welcome != nil {
			r.Numbers = append(r.Numbers, int(welcome.Participant))
		}
	}
	h.page.post(fields.Map(r))
}

// compared adds what models do on the tab's own hold-out.
func compared(r *tab.Report, c *client.Client) {
	is := c.Comparison()
	score := func(m *learn.Metrics) *float64 {
		if m == nil {
			return nil
		}
		f, k := m.Figures(), c.Constants() // nothing is evaluated without them
		score := f.Accuracy
		if m.Classes() == 0 {
			score = f.RMSE
			if n := len(k.Deviation); n > 0 && k.Deviation[n-1] > 0 { // the target is the last number
				score = m.InUnits(k.Mean[n-1], k.Deviation[n-1]).Figures().RMSE
			}
		}
		return &score
	}
	r.Before, r.BeforeRound = score(is.Before), int(is.Round)
	r.Alone, r.AloneRounds = score(is.Alone), is.Rounds
	r.Personal, r.PersonalVersion = score(is.Personal), int(is.PersonalVersion)
	if is.After != nil {
		r.After, r.AfterVersion = score(&is.After.Metrics), int(is.After.Version)
	}
}

// lead returns the participant whose state is shown for all: one that trains, or
// else the one that stands best with the coordinator.
func (h *scheduler) lead() *worker {
	var best *worker
	rank := func(w *worker) int {
		switch w.conn {
		case tab.Joined:
			if w.client != nil && w.client.Progress().Activity == client.Training {
				return 7
			}
			return 6
		case tab.Connecting:
			return 5
		case tab.Reconnecting:
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

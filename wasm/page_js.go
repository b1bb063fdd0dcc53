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
	lastMoved  time.Time
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
			q.put(joinCommand{m.Get("socket").String(), m.Get("task").String(), m.Get("tab").String(), m.Get("invite").String(), whole(m.Get("participants")), max(whole(m.Get("first")), 0)})
		case "model", "confusion", "wall":
			q.put(askCommand{kind, m})
		case "helper":
			q.put(helperCommand{m.Get("port")})
		case "alone":
			q.put(aloneCommand{})
		case "help":
			q.put(helpCommand{m.Get("port")})
		case "leave":
			q.put(leaveCommand{})
		case "effort":
			q.put(effortCommand{whole(m.Get("percent"))})
		case "network":
			q.put(networkCommand{m.Get("online").Truthy()})
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

// movedEvery is how often the page is told of what has moved.
const movedEvery = 250 * time.Millisecond

// report tells the page how things stand; now says that it cannot wait.
func (h *scheduler) report(now bool) {
	lead := h.lead()
	if lead == nil {
		return // no participant has joined yet
	}
	h.moved(!lead.takes()) // with its next report the page may end this worker
	if !now && time.Since(h.page.lastReport) < reportEvery {
		return
	}
	h.page.lastReport = time.Now()
	r := tab.Report{Type: "state", Connection: lead.conn, Detail: lead.detail, Activity: tab.Idle, Participants: len(h.workers)}
	if lead.conn == tab.Reconnecting {
		r.RetrySeconds = max(0, time.Until(lead.retryAt).Seconds())
		r.Refusal, r.Attempts = lead.refusal, lead.unopened
	}
	r.Transfer, r.Moved = lead.transfer(), h.account.Totals()
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
		r.Outcome, r.Run = p.Outcome, runOf(c)
		if !lead.due.IsZero() && (c.Order() > 0 || p.Activity == tab.Sending) {
			left := max(0, time.Until(lead.due).Seconds())
			r.Due = &left
		}
		if welcome := c.Welcome(); welcome != nil {
			r.Participant = int(welcome.Participant)
		}
		compared(&r, c)
	} else {
		r.Outcome = lead.past.Outcome
	}
	for _, w := range h.workers {
		switch w.conn {
		case tab.Refused, tab.Uninvited, tab.Superseded:
			r.Refused++
			r.RefusedWhy = w.detail
		}
		r.BytesUp, r.BytesDown, r.Rate = r.BytesUp+w.up, r.BytesDown+w.down, r.Rate+w.meter.rate()
		p := w.progress()
		r.Contributions, r.Trained, r.Rejected = r.Contributions+p.Accepted, r.Trained+p.Trained, r.Rejected+p.Rejected
		c := w.client
		if c == nil {
			continue
		}
		r.Examples += c.Examples()
		here, assigned := c.Shards()
		r.Shards, r.ShardsTotal = r.Shards+here, r.ShardsTotal+assigned
		if welcome := c.Welcome(); welcome != nil {
			r.Numbers = append(r.Numbers, int(welcome.Participant))
		}
	}
	h.page.post(fields.Map(r))
}

// moved tells the page what has left or reached the tab; now says that it cannot wait.
func (h *scheduler) moved(now bool) {
	if h.account.Pending() && (now || time.Since(h.page.lastMoved) >= movedEvery) {
		h.page.lastMoved = time.Now()
		h.page.post(fields.Map(h.account.Take()))
	}
}

// nextReport returns after which time the page is to be told something though nothing
// happens; 0: never.
func (h *scheduler) nextReport() time.Duration {
	if h.account.Pending() {
		return max(movedEvery-time.Since(h.page.lastMoved), time.Millisecond)
	}
	for _, w := range h.workers {
		if w.sending > 0 {
			return movedEvery
		}
	}
	return 0
}

// takes reports whether the participant takes part, or tries to.
func (w *worker) takes() bool {
	return w.conn == tab.Joined || w.conn == tab.Connecting || w.conn == tab.Reconnecting
}

// progress returns what the participant has done so far, once it has left too.
func (w *worker) progress() client.Progress {
	if w.client == nil {
		return w.past
	}
	return w.client.Progress()
}

// runOf returns how the run stands, as the coordinator said last.
func runOf(c *client.Client) *tab.Run {
	s := c.Status()
	if s == nil {
		return nil
	}
	r := &tab.Run{
		Phase: s.Phase.String(), Round: int(s.Round), Version: int(s.Version),
		Participants: int(s.Participants), Evaluated: int(s.Evaluated), Finished: s.Reason,
	}
	if r.Phase != protocol.PhaseFinished.String() {
		r.Finished = ""
	}
	if s.Evaluated > 0 {
		r.TestLoss = &s.TestLoss
		if w := c.Welcome(); w != nil && client.SpecOf(w.Model).Classes() > 0 {
			r.TestAccuracy = &s.TestAccuracy
		}
	}
	return r
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

package ui

import (
	"fedtab/fields"
	"fedtab/tab"
)

// Part is what this tab has given to a run, and what has moved for it, with all workers
// that it has had: before a reload too, and before it left and joined again.
type Part struct {
	Run           string `json:"run"`
	Contributions int    `json:"contributions"`
	Trained       int    `json:"trained"`
	Rejected      int    `json:"rejected"`
	BytesUp       int64  `json:"bytesUp"`
	BytesDown     int64  `json:"bytesDown"`
	Moved         []Sum  `json:"moved"` // by group
}

// OnPart takes in the part that the browser has kept over a reload. Another run's counts
// for nothing.
func (p *Page) OnPart(o map[string]any) {
	var kept Part
	if fields.Fill(&kept, o); kept.Run == "" || kept.Run != p.Task.Run {
		return
	}
	p.earlier = kept
	p.earlier.addTo(&p.Local.Report)
	for i, s := range kept.Moved[:min(len(kept.Moved), len(p.Moved.sums))] {
		p.Moved.sums[i].plus(s)
		p.Moved.dropped += s.Messages + s.Received
	}
}

// Part returns the tab's part in the run that it takes part in, or took: empty before.
func (p *Page) Part() Part {
	if p.earlier.Run == "" {
		return Part{}
	}
	l := &p.Local
	return Part{p.earlier.Run, l.Contributions, l.Trained, l.Rejected, l.BytesUp, l.BytesDown, p.Moved.sums[:]}
}

// renew makes the part so far an earlier one, for workers that begin anew.
func (p *Page) renew() {
	if p.earlier = p.Part(); p.earlier.Run != p.Task.Run {
		p.earlier = Part{Run: p.Task.Run}
	}
	p.Local = Local{}
	p.earlier.addTo(&p.Local.Report)
}

// addTo adds a part to what a worker says of its own.
func (t *Part) addTo(r *tab.Report) {
	r.Contributions, r.Trained, r.Rejected = r.Contributions+t.Contributions, r.Trained+t.Trained, r.Rejected+t.Rejected
	r.BytesUp, r.BytesDown = r.BytesUp+t.BytesUp, r.BytesDown+t.BytesDown
}

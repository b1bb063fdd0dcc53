package main

import (
	"time"

	"fedtab/client"
)

// meter measures how many examples a second the tab trains on, while it
// trains, the time for handing the thread over included.
type meter struct {
	since   time.Time // zero while not training
	samples int
	last    float64
}

// add counts the examples between two looks at the client's progress.
func (m *meter) add(now, before client.Progress) {
	if m.since.IsZero() {
		m.since = time.Now()
		return // the first slice packs, copies and warms up
	}
	if now.Order == before.Order && now.Done > before.Done {
		m.samples += now.Done - before.Done
	}
}

// pause ends a stretch of training.
func (m *meter) pause() {
	m.rate()
	m.since, m.samples = time.Time{}, 0
}

// rate returns examples per second of this stretch, or of the last one.
func (m *meter) rate() float64 {
	if took := time.Since(m.since); !m.since.IsZero() && m.samples > 0 && took > 50*time.Millisecond {
		m.last = float64(m.samples) / took.Seconds()
	}
	return m.last
}

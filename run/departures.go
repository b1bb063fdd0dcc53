package run

import "slices"

// departures are the participants that have left for good, which ends their resume
// tokens. A number is never given again, so they take a bit for each number.
type departures struct {
	bits    []uint64
	pending []uint32 // not written yet
	due     bool     // a write is due, or under way
}

func (d *departures) has(number uint32) bool {
	i := int(number / 64)
	return i < len(d.bits) && d.bits[i]>>(number%64)&1 != 0
}

func (d *departures) add(number uint32) {
	i := int(number / 64)
	if i >= len(d.bits) {
		d.bits = append(d.bits, make([]uint64, i+1-len(d.bits))...)
	}
	d.bits[i] |= 1 << (number % 64)
}

// depart ends the resume tokens of a participant: at once here, and within flushAfter
// in the journal.
func (r *Run) depart(number uint32) {
	r.departures.add(number)
	if r.cfg.Journal == nil {
		return
	}
	r.departures.pending = append(r.departures.pending, number)
	r.departLater()
}

// departLater sees to it that pending departures are written, one batch at a time.
func (r *Run) departLater() {
	if d := &r.departures; !d.due && len(d.pending) > 0 {
		d.due = true
		r.env.AfterFunc(flushAfter, r.saveDepartures)
	}
}

func (r *Run) saveDepartures() {
	d := &r.departures
	if len(d.pending) == 0 { // Flush has written them
		d.due = false
		return
	}
	batch, now := slices.Clone(d.pending), r.env.Now()
	d.pending = d.pending[:0]
	r.save("departures", func(j Journal) error { return j.Depart(r.cfg.ID, batch, now) }, func() {
		d.due = false
		r.departLater() // those that came meanwhile
	})
}

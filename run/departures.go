package run

// departures are the participants that have left for good, which ends their resume
// tokens. A number is never given again, so they take a bit for each number.
type departures struct {
	bits    []uint64
	pending []departure
	due     bool // a write is due, or under way
}

// departure is one that is not written yet.
type departure struct {
	number uint32
	then   func() // called once it is; may be nil
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
// in the journal, after which it calls then, unless that is nil.
func (r *Run) depart(number uint32, then func()) {
	r.departures.add(number)
	r.departures.pending = append(r.departures.pending, departure{number, then})
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
	batch, now := d.pending, r.env.Now()
	d.pending = nil
	numbers := make([]uint32, len(batch))
	for i, one := range batch {
		numbers[i] = one.number
	}
	r.save("departures", func(j Journal) error { return j.Depart(r.cfg.ID, numbers, now) }, func() {
		d.due = false
		for _, one := range batch {
			if one.then != nil {
				one.then()
			}
		}
		r.departLater() // those that came meanwhile
	})
}

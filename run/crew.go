package run

import "fedtab/strategy"

// Activity is what a participant does at a moment.
type Activity int

// The activities.
const (
	Waiting     Activity = iota // it has no order, or has answered it
	Downloading                 // it has an order, and has not told that it trains
	Training                    // it has told so
	Uploading                   // its contribution is coming
	Pausing                     // its person has paused it, or its browser has frozen it
	Away                        // its connection is lost, and it may resume
	Activities  = iota          // their number
)

func (a Activity) String() string {
	return [...]string{"waiting", "downloading", "training", "uploading", "paused", "away"}[a]
}

// Present is a participant of a run at a moment.
type Present struct {
	Number   uint32
	Activity Activity
	Rate     float64 // examples a second of its newest training; 0: not known
	Owed     int     // good answers in a row until its contributions count again; 0: it is not in quarantine
}

// Present returns the participants, by number.
func (r *Run) Present() []Present {
	quarantine, _ := r.cfg.Strategy.(strategy.Quarantine)
	all := make([]Present, len(r.roster.present))
	for i, number := range r.roster.present {
		m := r.roster.members[number]
		all[i] = Present{Number: number, Activity: r.activity(m), Rate: m.rate}
		if quarantine != nil {
			all[i].Owed = quarantine.Owed(strategy.ClientID(number))
		}
		if r.withholds() {
			all[i] = all[i].shown()
		}
	}
	return all
}

// activity returns what a participant does. An order whose round is closed counts as none: the
// participant is told so, and its answer would be late.
func (r *Run) activity(m *member) Activity {
	o := m.order
	switch {
	case m.peer == nil:
		return Away
	case !m.available():
		return Pausing
	case o == nil || o.answered || o.round != 0 && o.round <= r.closed:
		return Waiting
	case !o.announced.IsZero():
		return Uploading
	case !o.began.IsZero():
		return Training
	}
	return Downloading
}

package run

import (
	"slices"
	"time"
)

// Times is how a round's time has passed until its version was made, along the path of the
// contribution that came last, which the version waited for. What is before the order of
// that contribution is none of it: other phases of the round, and the wait for it to open.
type Times struct {
	Download time.Duration // from the order until its participant had begun to train
	Training time.Duration // until its contribution began to come
	Upload   time.Duration // until it was there; 0 if it came in one message
	Commit   time.Duration // until the version was made, but not yet on disk

	// Begun reports whether the participant has told when it began to train. If not,
	// Download is 0, and part of Training.
	Begun bool
}

// trail is when the work on an order was how far. A zero time is not known.
type trail struct {
	sent      time.Time // the order
	began     time.Time // the training, as far as its participant has told
	announced time.Time // the contribution, of which the first message has come
	arrived   time.Time // all of the contribution
}

// times divides the time from the opening of a round to its commit, nil if the trail has no
// contribution.
func (t trail) times(opened, committed time.Time) *Times {
	if t.arrived.IsZero() {
		return nil
	}
	v := &Times{Begun: !t.began.IsZero()}
	last := opened
	// passed returns the time since the mark before. An asynchronous order may be older than
	// the round, and a clock may have been set back.
	passed := func(at time.Time) time.Duration {
		d := max(0, at.Sub(last))
		last = last.Add(d)
		return d
	}
	passed(t.sent)
	if v.Begun {
		v.Download = passed(t.began)
	}
	v.Training = passed(t.announced)
	v.Upload = passed(t.arrived)
	v.Commit = passed(committed)
	return v
}

// rate returns the examples a second of a training that has seen a number of them, from what
// its participant has told of its beginning to the first message of its contribution; 0 if
// that is not known.
func (t trail) rate(examples uint64) float64 {
	spent := t.announced.Sub(t.began)
	if t.began.IsZero() || spent <= 0 {
		return 0
	}
	return float64(examples) / spent.Seconds()
}

// Norms are the Euclidean norms of a round's contributions, of the first vector of each as
// it was sent.
type Norms struct{ Min, Median, Max float64 }

// summary returns the norms of some contributions, nil if there are none.
func summary(norms []float64) *Norms {
	n := len(norms)
	if n == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(norms))
	return &Norms{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]}
}

package run

// An Edge is another process that holds connections of participants for the run, and what they
// have contributed. It adds to partial sums what it is told to: the same integers as those of the
// run, so that where a contribution is added changes no bit. Only the owner of the run calls it.
type Edge interface {
	// Gather calls then on the owner with the partial sums of an attempt, as
	// combine.Sum.AppendBinary writes them, after everything that was to be added; the edge
	// forgets them. It does not call then if the edge is lost: see Run.Owed.
	Gather(attempt uint64, then func(sums [][]byte))
	// Forget says that no sum of an attempt is needed.
	Forget(attempt uint64)
}

// Elsewhere is the place of an offer's vectors, if they are not in this process.
type Elsewhere interface {
	Edge() Edge
	// Add adds the vectors, multiplied by scale, to the partial sums of an attempt, which are
	// made for the given bound (combine.NewSum), and counts weight in each. It releases them.
	Add(attempt uint64, bound, scale, weight float64)
}

// partials are the edges with partial sums of an attempt.
type partials struct {
	number uint64        // of the attempt
	bound  float64       // of its sums
	at     map[Edge]bool // true: asked for them, and not answered; nil: there are none
}

// addElsewhere has a contribution added where it is.
func (a *attempt) addElsewhere(place Elsewhere, scale, weight float64) {
	if a.partials.at == nil {
		a.partials.at = map[Edge]bool{}
	}
	a.partials.at[place.Edge()] = false
	place.Add(a.partials.number, a.partials.bound, scale, weight)
}

// gather asks the edges for their partial sums and adds them to those of the attempt. It reports
// whether any are still to come; commitWhenAdded is called after each.
func (r *Run) gather(a *attempt) (pending bool) {
	pending = len(a.partials.at) > 0
	for edge, asked := range a.partials.at {
		if asked {
			continue
		}
		a.partials.at[edge] = true
		edge.Gather(a.partials.number, func(sums [][]byte) {
			var err error
			a.adding++
			r.env.Compute(func() {
				for i, sum := range a.sums {
					if err == nil {
						err = sum.MergeBinary(sums[i])
					}
				}
			}, func() {
				if err != nil {
					panic("run: " + err.Error()) // both processes make the sums by the same rules
				}
				delete(a.partials.at, edge)
				a.adding--
				r.commitWhenAdded(a)
			})
		})
	}
	return pending
}

// forgetPartials tells the edges that an attempt is over.
func (a *attempt) forgetPartials() {
	for edge := range a.partials.at {
		edge.Forget(a.partials.number)
	}
	a.partials.at = nil
}

// Owed reports whether an edge has partial sums that the run needs: contributions that were
// accepted are lost with it, and the run is to be begun anew from its journal, as after a crash.
// Participants keep what they sent until its round is committed or closed.
func (r *Run) Owed(e Edge) bool {
	_, owed := r.attempt.partials.at[e]
	return owed && r.finished == ""
}

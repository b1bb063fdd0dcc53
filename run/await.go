package run

import (
	"time"

	"fedtab/strategy"
)

// awaited is the cohort of a round that a restart has reopened, and when the run stops
// waiting for those that are absent.
type awaited struct {
	cohort []strategy.ClientID
	order  uint64 // of the attempt
	until  time.Time
}

// await gives a reopened cohort the grace period to reconnect.
func (r *Run) await(cohort []strategy.ClientID) {
	r.env.AfterFunc(r.cfg.RestartGrace, func() { r.dropAbsent(cohort) })
	if r.open == nil || r.cfg.RestartGrace == 0 {
		return
	}
	r.awaited = &awaited{cohort, r.firstOrder, r.env.Now().Add(r.cfg.RestartGrace)}
	if n := len(r.missing()); n > 0 {
		r.log.Info("restarted within a round: waiting for its participants to reconnect", "round", r.open.Round, "participants", n, "until", r.awaited.until)
	}
	r.notify(nil)
}

// missing returns the clients of a reopened cohort that are absent or paused, while the
// run waits for them.
func (r *Run) missing() []strategy.ClientID {
	if r.awaited == nil || r.open == nil || r.firstOrder != r.awaited.order {
		return nil
	}
	return r.absentOf(r.awaited.cohort)
}

// absentOf returns the clients of a cohort that are absent or paused.
func (r *Run) absentOf(cohort []strategy.ClientID) (all []strategy.ClientID) {
	for _, c := range cohort {
		if m := r.roster.members[uint32(c)]; m == nil || !m.active {
			all = append(all, c)
		}
	}
	return all
}

// dropAbsent reports the clients of a reopened cohort that are absent or paused as
// having left.
func (r *Run) dropAbsent(cohort []strategy.ClientID) {
	if n := len(r.missing()); n > 0 {
		r.log.Info("the round goes on without those that have not reconnected", "round", r.open.Round, "participants", n)
	}
	r.awaited = nil
	for _, c := range r.absentOf(cohort) {
		r.step(strategy.Left{Client: c})
	}
	r.notify(nil)
}

package ui

import (
	"fedtab/tab"
)

// rank says how much a report says of the tab as a whole: that of a participant that
// trains, or else of the one that stands best with the coordinator.
func rank(r *tab.Report) int {
	switch r.Connection {
	case tab.Joined:
		if r.Activity == tab.Training {
			return 6
		}
		return 5
	case tab.Connecting:
		return 4
	case tab.Reconnecting:
		return 3
	case tab.Finished:
		return 2
	case tab.Left, "":
		return 0
	}
	return 1
}

// merged makes one report of those of the tab's workers: the state is that of the
// leading one, figures are sums. There is at least one.
func merged(reports []tab.Report) tab.Report {
	lead := 0
	for i := range reports {
		if rank(&reports[i]) > rank(&reports[lead]) {
			lead = i
		}
	}
	r := reports[lead]
	if len(reports) == 1 {
		return r
	}
	r.Participants, r.Numbers, r.Refused, r.Shards, r.ShardsTotal, r.Examples, r.Rate = 0, nil, 0, 0, 0, 0, 0
	r.Contributions, r.Trained, r.Rejected, r.BytesUp, r.BytesDown, r.Moved = 0, 0, 0, 0, 0, nil
	for i := range reports {
		of := &reports[i]
		r.Participants, r.Refused = r.Participants+of.Participants, r.Refused+of.Refused
		r.Numbers = append(r.Numbers, of.Numbers...)
		r.Shards, r.ShardsTotal, r.Examples, r.Rate = r.Shards+of.Shards, r.ShardsTotal+of.ShardsTotal, r.Examples+of.Examples, r.Rate+of.Rate
		r.Contributions, r.Trained, r.Rejected = r.Contributions+of.Contributions, r.Trained+of.Trained, r.Rejected+of.Rejected
		r.BytesUp, r.BytesDown = r.BytesUp+of.BytesUp, r.BytesDown+of.BytesDown
		r.Moved = addTotals(r.Moved, of.Moved)
	}
	return r
}

// addTotals adds totals of the same kind and direction.
func addTotals(all, more []tab.Total) []tab.Total {
next:
	for _, t := range more {
		for i := range all {
			if all[i].Kind == t.Kind && all[i].Up == t.Up {
				all[i].Messages += t.Messages
				all[i].Bytes += t.Bytes
				continue next
			}
		}
		all = append(all, t)
	}
	return all
}

// shares divides participants among cores, each at least one: the first and the number
// of each core.
func shares(participants, cores int) (first, n []int) {
	participants = max(participants, cores)
	for i := range cores {
		from, to := i*participants/cores, (i+1)*participants/cores
		first, n = append(first, from), append(n, to-from)
	}
	return first, n
}

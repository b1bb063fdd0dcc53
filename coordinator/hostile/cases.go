package hostile

import "slices"

// Cases returns all cases, by category:
//
//	breach    of the protocol: the sender is closed with the right code
//	lie       in an answer: it is refused, and the next one is not
//	own       totals of data that participants bring: lies are refused, or bounded
//	poison    what is accepted cannot ruin the model
//	secure    secure aggregation: what one participant can spoil, and what not
//	idle      what is not answered cannot stop the run
//	resource  memory, disk, connections
//	origin    pages of other sites, and headers of proxies
//	http      the same, of the web server
//	choice    of cohorts
//	honest    participants who do nothing wrong, and many at once
//	invite    what joins a task that is joined by invite
//
// A line honest/beside-X says what the crew has lost beside cases that share
// coordinator X.
func Cases() []Case {
	return slices.Concat(breaches(), lies(), tellers(), idlers(), choosers(), poisons(), secrets(), resources(), sites(), origins(), invites(), []Case{storm(2_000, false), storm(10_000, true)})
}

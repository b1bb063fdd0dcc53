package hostile

import "slices"

// Cases returns all cases, by category:
//
//	breach    of the protocol: the sender is closed with the right code
//	lie       in an answer: it is refused, and the next one is not
//	poison    what is accepted cannot ruin the model
//	idle      what is not answered cannot stop the run
//	resource  memory, disk, connections
//	origin    pages of other sites, and headers of proxies
//	http      the same, of the web server
//	choice    of cohorts
//
// A line of category honest says what the crew has lost beside cases that share a
// coordinator.
func Cases() []Case {
	return slices.Concat(breaches(), lies(), idlers(), choosers(), poisons(), resources(), sites(), origins())
}

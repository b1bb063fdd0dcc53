package strategy

import (
	"container/list"
	"slices"
	"time"
)

// attention says which clients of a live run are asked, and for how long an answer is
// awaited: attention is earned. A client that has not answered an order is asked again
// after a number of attempts that grows with every miss, and so are newcomers of an
// address whose clients have missed more orders than they have answered. n clients of
// one address that never answer therefore delay the others by a number of deadlines
// that does not depend on n. Simulated populations are fixed, as in the papers: there
// a miss is forgotten with the next version.
type attention struct {
	live      bool
	attempt   int // attempts opened so far
	clients   map[ClientID]*regard
	addresses map[string]*regard // of the clients that are remembered
	absent    list.List          // ClientID of those that are remembered and not present, the one that has left first in front
	pace      time.Duration      // that an answer takes; 0: not known
}

// regard is what a client, or an address, has earned.
type regard struct {
	address  string
	answered bool          // its last order; an address has no such
	misses   int           // in a row; of an address: less its answers
	spoils   int           // attempts that it has spoiled since a version with its contribution
	again    int           // attempt from which on it may be asked
	took     time.Duration // its last answer
	absent   *list.Element // of attention.absent; nil while it is present
	clients  int           // of an address: that are remembered
}

const (
	// A client is asked again 2, 32, 512, ... attempts after its misses, for maxMisses
	// of them.
	maxMisses = 4

	// Answers are awaited for patience times as long as the median of the last
	// cohorts took, or as long again as a member's own last answer; twice as long with
	// every miss of a member after its first, so that a slow device is heard.
	// minPatience covers a poor connection.
	patience    = 4
	minPatience = 10 * time.Second

	// maxRegards bounds the clients that are remembered. Beyond it the one that has left
	// first is forgotten; those present are not.
	maxRegards = 20_000
)

func newAttention(live bool) attention {
	return attention{live: live, clients: map[ClientID]*regard{}, addresses: map[string]*regard{}}
}

// of returns the regard of a client. One that has not joined is absent: after a restart
// it may be missed before it comes back.
func (a *attention) of(id ClientID) *regard {
	r := a.clients[id]
	if r == nil {
		r = &regard{absent: a.absent.PushBack(id)}
		a.clients[id] = r
		for len(a.clients) > maxRegards && a.absent.Len() > 1 {
			a.forget(a.absent.Front().Value.(ClientID))
		}
	}
	return r
}

// forget forgets a client that is absent, and its address with the last client of it.
func (a *attention) forget(id ClientID) {
	r := a.clients[id]
	a.absent.Remove(r.absent)
	a.move(r, "")
	delete(a.clients, id)
}

// move counts a client for another address.
func (a *attention) move(r *regard, address string) {
	if at := a.addresses[r.address]; at != nil {
		if at.clients--; at.clients == 0 {
			delete(a.addresses, r.address)
		}
	}
	if r.address = address; address == "" {
		return
	}
	if a.addresses[address] == nil {
		a.addresses[address] = &regard{}
	}
	a.addresses[address].clients++
}

// join records that a client is present, and its address.
func (a *attention) join(id ClientID, address string) {
	r := a.of(id)
	if r.absent != nil {
		a.absent.Remove(r.absent)
		r.absent = nil
	}
	if r.address != address {
		a.move(r, address)
	}
}

// left records that a client is not present any more.
func (a *attention) left(id ClientID) {
	if r := a.of(id); r.absent == nil {
		r.absent = a.absent.PushBack(id)
	}
}

// missed records that a client has not answered its order.
func (a *attention) missed(id ClientID) {
	r := a.of(id)
	r.answered, r.misses = false, min(r.misses+1, maxMisses)
	r.again = a.attempt + spacing(r.misses)
	if at := a.addresses[r.address]; at != nil {
		at.misses = min(at.misses+1, maxMisses)
		at.again = a.attempt + spacing(at.misses)
	}
}

// spoiled records that a client has kept an attempt from its end, with answers that came in
// time: it is asked again as after as many misses.
func (a *attention) spoiled(id ClientID) {
	r := a.of(id)
	r.spoils = min(r.spoils+1, maxMisses)
	r.misses = r.spoils - 1
	a.missed(id)
}

// spacing is the number of attempts after which a client is asked again.
func spacing(misses int) int { return 2 << (4 * (misses - 1)) }

// answered records that a client has answered an order, on time or late, after the
// given time.
func (a *attention) answered(id ClientID, took time.Duration) {
	r := a.of(id)
	r.took = took
	r.answered, r.misses = true, 0
	if at := a.addresses[r.address]; at != nil {
		at.misses = max(at.misses-1, 0)
	}
}

// measured learns from the times that the answers of a cohort took: from their lower
// median, which slow liars do not move.
func (a *attention) measured(took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	median := took[(len(took)-1)/2]
	if a.pace == 0 {
		a.pace = median
	}
	a.pace = (a.pace + median) / 2
}

// forgive forgets what has been missed.
func (a *attention) forgive() {
	for _, r := range a.clients {
		r.misses = 0
	}
	for _, at := range a.addresses {
		at.misses = 0
	}
}

// committed is called with every version, and the clients whose contributions are in it.
func (a *attention) committed(clients []ClientID) {
	for _, id := range clients {
		if r := a.clients[id]; r != nil {
			r.spoils = 0
		}
	}
	if !a.live {
		a.forgive()
	}
}

// free says whether a client may be asked at any time.
func (a *attention) free(id ClientID) bool {
	r := a.of(id)
	if r.misses > 0 {
		return false
	}
	at := a.addresses[r.address]
	return r.answered || at == nil || at.misses == 0
}

// due says whether a client that is not free may be asked again.
func (a *attention) due(id ClientID) bool {
	r := a.of(id)
	at := a.addresses[r.address]
	return a.live && a.attempt >= r.again && (r.address == "" || at == nil || a.attempt >= at.again)
}

// worthy returns those of some clients that may be asked, in the same order: all that
// are free, and of each address one that is due. draw(n) returns a random number
// below n.
func (a *attention) worthy(present []ClientID, draw func(n int) int) []ClientID {
	worthy := make([]ClientID, 0, len(present))
	due := map[string][]ClientID{}
	var addresses []string
	for _, id := range present {
		switch {
		case a.free(id):
			worthy = append(worthy, id)
		case a.due(id):
			address := a.of(id).address
			if address == "" {
				worthy = append(worthy, id)
				continue
			}
			if due[address] == nil {
				addresses = append(addresses, address)
			}
			due[address] = append(due[address], id)
		}
	}
	for _, address := range addresses {
		of := due[address]
		worthy = append(worthy, of[draw(len(of))])
	}
	slices.Sort(worthy)
	return worthy
}

// deadline returns for how long the answers of some clients are awaited, at most the
// scheme's own deadline.
func (a *attention) deadline(cohort []ClientID, most time.Duration) time.Duration {
	if !a.live || a.pace == 0 {
		return most
	}
	wait := a.patience(a.pace)
	for _, id := range cohort {
		r := a.of(id)
		wait = max(wait, 2*r.took, a.patience(a.pace)<<max(r.misses-1, 0))
	}
	return min(wait, most)
}

// patience is for how long an answer is awaited where others took pace.
func (a *attention) patience(pace time.Duration) time.Duration {
	return max(patience*pace, minPatience)
}

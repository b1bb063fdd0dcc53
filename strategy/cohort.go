package strategy

import (
	"math"
	"slices"
	"time"

	"fedtab/learn/rng"
)

// Cohort is what every round-based scheme shares: the clients that are present,
// those that were chosen and have answered, and when a round is over. It holds no
// vectors and makes no effects.
type Cohort struct {
	Round   uint64
	Order   OrderID
	Attempt int // of this round, from 1

	present   []ClientID // ascending
	suspended []ClientID // did not answer, or declined, an earlier attempt at this round
	members   []member   // of the open round, ascending by client
	need      int        // reports that the round must have
	awaiting  int        // members whose answer may still come
	reported  int
}

type member struct {
	client ClientID
	state  memberState
}

type memberState uint8

const (
	working  memberState = iota // has the order, or gets it when it joins
	reported                    // its contribution counts
	gone                        // left
	declined                    // has declined its order
)

// Join adds a client to those present.
func (c *Cohort) Join(id ClientID) {
	if i, ok := slices.BinarySearch(c.present, id); !ok {
		c.present = slices.Insert(c.present, i, id)
	}
	c.Reinstate(id)
}

// Suspend suspends the members that have not answered an attempt that is abandoned,
// or have declined. They are not chosen for the next attempts, so that neither can
// hold a round up for ever.
func (c *Cohort) Suspend() {
	for _, m := range c.members {
		if (m.state == working || m.state == declined) && !slices.Contains(c.suspended, m.client) {
			c.suspended = append(c.suspended, m.client)
		}
	}
}

// Reinstate ends the suspension of a client that has joined or answered.
func (c *Cohort) Reinstate(id ClientID) {
	c.suspended = slices.DeleteFunc(c.suspended, func(s ClientID) bool { return s == id })
}

// ReinstateAll ends all suspensions.
func (c *Cohort) ReinstateAll() { c.suspended = nil }

// responsive returns the clients present that are not suspended, ascending.
func (c *Cohort) responsive() []ClientID {
	return slices.DeleteFunc(slices.Clone(c.present), func(id ClientID) bool { return slices.Contains(c.suspended, id) })
}

// Leave removes a client from those present and from those awaited. A member that
// has reported still counts.
func (c *Cohort) Leave(id ClientID) {
	if i, ok := slices.BinarySearch(c.present, id); ok {
		c.present = slices.Delete(c.present, i, i+1)
	}
	c.Release(id)
}

// Release stops waiting for a member, which may still report until the round
// closes.
func (c *Cohort) Release(id ClientID) {
	if m := c.find(id); m != nil && m.state == working {
		m.state = gone
		c.awaiting--
	}
}

// Decline stops waiting for a member that has declined its order.
func (c *Cohort) Decline(id ClientID) {
	if m := c.find(id); m != nil && m.state == working {
		m.state = declined
		c.awaiting--
	}
}

// Present returns how many clients are present.
func (c *Cohort) Present() int { return len(c.present) }

// Sample returns max(floor(fraction x present), minCount) of the clients present,
// at random from seed's stream for this round and attempt, in ascending order.
// Suspended clients are left out, and no more than the others are returned.
func (c *Cohort) Sample(fraction float64, minCount int, seed uint64, round uint64, attempt int) []ClientID {
	n := len(c.present)
	// A product such as .29 x 100 is just below the whole number that is meant.
	m := int(math.Floor(fraction*float64(n) + 1e-9))
	chosen := c.responsive()
	n = len(chosen)
	m = min(max(m, minCount, 1), n)
	r := rng.Stream(seed, "cohort", round, uint64(attempt))
	for i := range m { // the first m steps of a Fisher-Yates shuffle
		j := i + int(r.Uint64N(uint64(n-i)))
		chosen[i], chosen[j] = chosen[j], chosen[i]
	}
	chosen = chosen[:m]
	slices.Sort(chosen)
	return chosen
}

// Begin opens a round with the given members, all of them awaited. minReports
// of 0 asks for half of them, rounded up.
func (c *Cohort) Begin(round uint64, order OrderID, clients []ClientID, minReports int) {
	c.Round, c.Order = round, order
	c.members = c.members[:0]
	for _, id := range clients {
		c.members = append(c.members, member{client: id})
	}
	c.awaiting, c.reported = len(clients), 0
	if minReports == 0 {
		minReports = (len(clients) + 1) / 2
	}
	c.need = min(minReports, len(clients))
}

// Await marks a member that has come back as awaited again and says whether
// it is to be given its order (again).
func (c *Cohort) Await(id ClientID) bool {
	m := c.find(id)
	if m == nil || m.state == reported {
		return false
	}
	if m.state == gone || m.state == declined {
		m.state = working
		c.awaiting++
	}
	return true
}

// Report counts a member's contribution to order. It returns 0 when the
// contribution is to be used and the reason when it is to be rejected.
func (c *Cohort) Report(id ClientID, order OrderID) Reason {
	if order < c.Order {
		return Late
	}
	m := c.find(id)
	if m == nil || order != c.Order {
		return Unordered
	}
	switch m.state {
	case reported:
		return Duplicate
	case working:
		c.awaiting--
	}
	m.state = reported
	c.reported++
	return 0
}

// Outcome says what has become of the round: whether it is over because no
// answer is awaited any more, and whether it has the reports that it needs.
func (c *Cohort) Outcome() (over, enough bool) {
	return c.awaiting == 0, c.reported >= c.need
}

// Reported returns the clients whose contributions count, ascending.
func (c *Cohort) Reported() []ClientID {
	ids := make([]ClientID, 0, c.reported)
	for _, m := range c.members {
		if m.state == reported {
			ids = append(ids, m.client)
		}
	}
	return ids
}

// End closes the round: no client is a member any more.
func (c *Cohort) End() {
	c.members = c.members[:0]
	c.awaiting, c.reported, c.need = 0, 0, 0
}

// retryPause is how long to wait before a round's next attempt: nothing
// before the first, then twice as long each time, so that clients that decline at
// once cannot make the coordinator spin.
func retryPause(attempt int) time.Duration {
	if attempt <= 1 {
		return 0
	}
	return min(250*time.Millisecond<<min(attempt-2, 10), 30*time.Second)
}

func (c *Cohort) isPresent(id ClientID) bool {
	_, ok := slices.BinarySearch(c.present, id)
	return ok
}

func (c *Cohort) find(id ClientID) *member {
	i, ok := slices.BinarySearchFunc(c.members, id, func(m member, id ClientID) int {
		return int(int64(m.client) - int64(id))
	})
	if !ok {
		return nil
	}
	return &c.members[i]
}

package strategy

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Cohort is what every round-based scheme shares: the clients that are present,
// those that were chosen and have answered, and when a round is over. It holds no
// vectors and makes no effects.
type Cohort struct {
	Round   uint64
	Order   OrderID
	Attempt int // of this round, from 1

	attention
	present  []ClientID // ascending
	members  []member   // of the open round, ascending by client
	need     int        // reports that the round must have
	awaiting int        // members whose answer may still come
	reported int

	quarantined map[ClientID]int // good answers that each still owes, see quarantine
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
	trial                       // in quarantine: its answer is judged, and not awaited
	tried                       // and has come
)

// NewCohort returns the cohort of a run that is live, or simulated.
func NewCohort(live bool) Cohort {
	return Cohort{attention: newAttention(live), quarantined: map[ClientID]int{}}
}

// Join adds a client to those present.
func (c *Cohort) Join(id ClientID, address string) {
	if i, ok := slices.BinarySearch(c.present, id); !ok {
		c.present = slices.Insert(c.present, i, id)
	}
	c.join(id, address)
}

// missing records the members that have not answered, or have declined, at the end of
// a phase.
func (c *Cohort) missing() {
	for i := range c.members {
		if m := &c.members[i]; m.state == working || m.state == declined || m.state == trial {
			c.missed(m.client)
			m.state = gone
		}
	}
}

// askable returns how many of the clients present may be asked for contributions.
func (c *Cohort) askable() (n int) {
	for _, id := range c.able() {
		if c.free(id) || c.due(id) {
			n++
		}
	}
	return n
}

// deadline returns for how long the members' answers are awaited, at most the scheme's
// own deadline.
func (c *Cohort) deadline(most time.Duration) time.Duration {
	var awaited []ClientID
	for _, m := range c.members {
		if m.state != trial {
			awaited = append(awaited, m.client)
		}
	}
	return c.attention.deadline(awaited, most)
}

// measure learns how long answers take.
func (c *Cohort) measure(answers []answer) {
	var took []time.Duration
	for _, a := range answers {
		took = append(took, a.took)
	}
	c.measured(took)
}

// able returns the clients present that are not in quarantine, ascending.
func (c *Cohort) able() []ClientID {
	return slices.DeleteFunc(slices.Clone(c.present), func(id ClientID) bool { return c.quarantined[id] > 0 })
}

// Leave removes a client from those present and from those awaited. A member that
// has reported still counts.
//
// One that leaves instead of answering has missed its order: otherwise a client could
// choose, by pausing, in which cohorts it is.
func (c *Cohort) Leave(id ClientID) {
	if i, ok := slices.BinarySearch(c.present, id); ok {
		c.present = slices.Delete(c.present, i, i+1)
	}
	if m := c.find(id); m != nil && m.state == working && c.live {
		c.missed(id)
	}
	c.Release(id)
	c.left(id)
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

// Sample returns max(floor(fraction x n), minCount) of the n clients that may be asked,
// at random, in ascending order.
func (c *Cohort) Sample(fraction float64, minCount int, r *rand.Rand) []ClientID {
	able := c.able()
	n := len(able)
	if c.live {
		able = c.worthy(able, func(n int) int { return int(r.Uint64N(uint64(n))) })
		n = len(able)
	} else { // C is a share of all clients, whether they answer or not
		able = slices.DeleteFunc(able, func(id ClientID) bool { return !c.free(id) })
	}
	// A product such as .29 x 100 is just below the whole number that is meant.
	m := int(math.Floor(fraction*float64(n) + 1e-9))
	return draw(able, min(max(m, minCount, 1), len(able)), r)
}

// draw returns m of some clients at random, in ascending order. It reorders them.
func draw(clients []ClientID, m int, r *rand.Rand) []ClientID {
	for i := range m { // the first m steps of a Fisher-Yates shuffle
		j := i + int(r.Uint64N(uint64(len(clients)-i)))
		clients[i], clients[j] = clients[j], clients[i]
	}
	clients = clients[:m]
	slices.Sort(clients)
	return clients
}

// Begin opens a round with the given members, all of them awaited but those in
// quarantine. minReports of 0 asks for half of those awaited, rounded up.
func (c *Cohort) Begin(round uint64, order OrderID, clients []ClientID, minReports int) {
	c.Round, c.Order = round, order
	c.members = c.members[:0]
	c.awaiting, c.reported = 0, 0
	for _, id := range clients {
		m := member{client: id}
		if c.quarantined[id] > 0 {
			m.state = trial
		} else {
			c.awaiting++
		}
		c.members = append(c.members, m)
	}
	if minReports == 0 {
		minReports = (c.awaiting + 1) / 2
	}
	c.need = min(minReports, c.awaiting)
}

// Await marks a member that has come back as awaited again and says whether
// it is to be given its order (again).
func (c *Cohort) Await(id ClientID) bool {
	m := c.find(id)
	if m == nil || m.state == reported || m.state == tried {
		return false
	}
	if m.state == gone || m.state == declined {
		m.state = working
		c.awaiting++
	}
	return true
}

// Report counts a member's contribution to order. The reason is 0 when the
// contribution is to be used, or is only to be judged, which onTrial says.
func (c *Cohort) Report(id ClientID, order OrderID) (reason Reason, onTrial bool) {
	if order < c.Order {
		return Late, false
	}
	m := c.find(id)
	if m == nil || order != c.Order {
		return Unordered, false
	}
	switch m.state {
	case reported, tried:
		return Duplicate, false
	case trial:
		m.state = tried
		return 0, true
	case working:
		c.awaiting--
	}
	m.state = reported
	c.reported++
	return 0, false
}

// summed makes the reports those of the members that are in a sum: after a restart none is
// known.
func (c *Cohort) summed(in map[ClientID]bool) {
	for i := range c.members {
		m := &c.members[i]
		switch {
		case !in[m.client]:
			c.takeBack(m.client)
		case m.state != reported:
			if m.state == working {
				c.awaiting--
			}
			m.state = reported
			c.reported++
		}
	}
}

// takeBack undoes the report of a member whose contribution is taken out again.
func (c *Cohort) takeBack(id ClientID) {
	if m := c.find(id); m != nil && m.state == reported {
		m.state = tried
		c.reported--
	}
}

// asked returns how many members are asked for contributions that count.
func (c *Cohort) asked() (n int) {
	for _, m := range c.members {
		if m.state != trial && m.state != tried {
			n++
		}
	}
	return n
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

// goodAnswers is how many answers in a row must be good before a client in quarantine
// counts again.
const goodAnswers = 3

// quarantine puts a client whose contribution has made the model worse into quarantine:
// its answers are judged, and not added, until goodAnswers in a row are good.
func (c *Cohort) quarantine(id ClientID) { c.quarantined[id] = goodAnswers }

// Owed returns how many good answers in a row a client in quarantine still owes, 0 for others.
func (c *Cohort) Owed(id ClientID) int { return c.quarantined[id] }

// judged counts the verdict on an answer of a client in quarantine.
func (c *Cohort) judged(id ClientID, good bool) {
	switch {
	case c.quarantined[id] == 0:
	case !good:
		c.quarantined[id] = goodAnswers
	default:
		if c.quarantined[id]--; c.quarantined[id] == 0 {
			delete(c.quarantined, id)
		}
	}
}

// withTrials adds the present clients in quarantine that may be asked to a cohort.
func (c *Cohort) withTrials(chosen []ClientID) []ClientID {
	for _, id := range c.present {
		if c.quarantined[id] > 0 && (c.free(id) || c.due(id)) {
			chosen = append(chosen, id)
		}
	}
	slices.Sort(chosen)
	return chosen
}

// release ends every quarantine: too few clients are left without those in it.
func (c *Cohort) release() { clear(c.quarantined) }

// append encodes who is in quarantine.
func (c *Cohort) append(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(c.quarantined)))
	for _, id := range slices.Sorted(maps.Keys(c.quarantined)) {
		to = binary.AppendUvarint(to, uint64(id))
		to = binary.AppendUvarint(to, uint64(c.quarantined[id]))
	}
	return to
}

// read reads what append has written.
func (c *Cohort) read(d *stateReader) {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.broken = true
		return
	}
	for range n {
		id, owed := d.uint(), d.uint()
		if id > math.MaxUint32 || owed < 1 || owed > goodAnswers {
			d.broken = true
			return
		}
		c.quarantined[ClientID(id)] = int(owed)
	}
}

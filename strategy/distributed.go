package strategy

import (
	"cmp"
	"math"
	"slices"
)

// Distributed says that participants add the noise: each contribution to a secure sum has a
// share of it, and package privacy/integers says how large that is. Nothing is claimed of who
// takes part: the coordinator, which is not to see through the noise either, knows it.
type Distributed struct {
	Participations int // attempts in which one is asked, at most; 0: any number
}

// choose draws a cohort of the expected size among those that have been asked least. With
// fewer than a sum must have no attempt is opened, and none is charged.
func (d *Distributed) choose(p *private, r *rounds) []ClientID {
	able := slices.DeleteFunc(p.present(r), func(id ClientID) bool { return !p.askable(id) })
	if len(able) < r.setup.Secure.Fewest {
		return nil
	}
	shuffle := r.setup.stream("distributed", uint64(r.order)+1, uint64(r.cohort.Attempt))
	shuffle.Shuffle(len(able), func(i, j int) { able[i], able[j] = able[j], able[i] })
	slices.SortStableFunc(able, func(a, b ClientID) int {
		return cmp.Compare(p.tree.asked[p.who(a)].times, p.tree.asked[p.who(b)].times)
	})
	size := max(int(math.Round(p.rate*float64(p.Population))), r.setup.Secure.Fewest)
	chosen := able[:min(size, r.setup.Secure.Most, len(able))]
	slices.Sort(chosen)
	p.releases++
	p.ask(chosen, p.releases)
	return chosen
}

// askable says whether a client may be asked once more.
func (p *private) askable(id ClientID) bool {
	limit := p.Distributed.Participations
	return limit == 0 || p.tree.asked[p.who(id)].times < uint64(limit)
}

// scale returns by how much the mean of a sum is multiplied.
func (p *private) scale(e Summed) float64 { return e.Weight / float64(max(p.Full, 1)) }

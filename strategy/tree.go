package strategy

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"fedtab/combine"
)

// Tree says what tree aggregation holds participants to (Kairouz, McMahan, Song, Thakkar,
// Thakurta and Xu 2021, "Practical and private (deep) learning without sampling or shuffling").
// The sum of all rounds has the noise of the few nodes of a binary tree that it is made of, and
// not that of each round. Nothing is claimed of who takes part, but each participates in few
// rounds that are far apart.
type Tree struct {
	Participations int   // rounds in which one is asked, at most
	Separation     int   // rounds from one of them to the next, at least
	Restart        int   // rounds after which a new tree begins; 0: never
	Cuts           []int // releases after which one begins besides: the seeds of the one before are not known
}

// DiscardedReason is why a run ends whose noise is that of a tree, and of which a version was
// discarded.
const DiscardedReason = "a version was discarded, and noise of a tree cannot be drawn for it again"

// tree is the state of a run with a Tree.
type tree struct {
	steps int            // of the tree that is growing
	nodes []combine.Seed // of which the sum of its steps is made, the largest first
	asked map[Person]part
}

// part is how often, and in which round last, a person was asked.
type part struct{ times, last uint64 }

// may says whether a person may be asked in a round. It depends on nobody else.
func (t *tree) may(who Person, round uint64, limits *Tree) bool {
	p := t.asked[who]
	return p.times == 0 || p.times < uint64(limits.Participations) && round >= p.last+uint64(limits.Separation)
}

// ask counts persons that are asked, whether they answer or not.
func (p *private) ask(clients []ClientID, round uint64) {
	if p.tree.asked == nil {
		p.tree.asked = map[Person]part{}
	}
	for _, id := range clients {
		who := p.who(id)
		p.tree.asked[who] = part{p.tree.asked[who].times + 1, round}
	}
}

// exhausted says that a round would have nobody to ask until another client joins. Where
// clients only must wait, rounds without them go on.
func (p *private) exhausted(r *rounds) bool {
	if p.Distributed != nil {
		return true
	}
	if p.Tree == nil {
		return false
	}
	return !slices.ContainsFunc(r.cohort.present, func(id ClientID) bool {
		return p.tree.asked[p.who(id)].times < uint64(p.Tree.Participations)
	})
}

// over says that the next step begins a new tree. The noise of the last one stays.
func (p *private) over() bool {
	return p.Tree.Restart > 0 && p.tree.steps >= p.Tree.Restart || slices.Contains(p.Tree.Cuts, int(p.releases))
}

// stepped returns the tree after another step, but for the node of that step, and the nodes whose
// place it takes.
func (p *private) stepped() (after tree, drop []combine.Seed) {
	t := p.tree
	if p.over() {
		return tree{steps: 1, asked: t.asked}, nil
	}
	left := len(t.nodes) - bits.TrailingZeros(uint(t.steps+1))
	return tree{t.steps + 1, t.nodes[:left:left], t.asked}, slices.Clone(t.nodes[left:])
}

// grow adds the node of a step.
func (p *private) grow(s combine.Seed) {
	after, _ := p.stepped()
	p.tree = after
	p.tree.nodes = append(p.tree.nodes, s)
	p.releases++
}

func (t *tree) append(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(t.steps))
	to = binary.AppendUvarint(to, uint64(len(t.asked)))
	for _, who := range slices.Sorted(maps.Keys(t.asked)) {
		p := t.asked[who]
		to = binary.AppendUvarint(to, uint64(who))
		to = binary.AppendUvarint(to, p.times)
		to = binary.AppendUvarint(to, p.last)
	}
	return to
}

// readTree reads what append has written. The seeds are not in it.
func readTree(d *stateReader) (t tree) {
	t = tree{steps: int(d.uint() & (1<<30 - 1)), asked: map[Person]part{}}
	for n := d.uint(); n > 0 && !d.broken; n-- {
		who := Person(d.uint())
		t.asked[who] = part{d.uint(), d.uint()}
	}
	return t
}

// seeds returns the seeds that go with a snapshot, but for that of the version's own noise.
func (r *rounds) seeds(step bool) (all []byte) {
	if r.private == nil || r.private.Tree == nil {
		return nil
	}
	t := r.private.tree
	if step {
		t, _ = r.private.stepped()
	}
	for _, s := range t.nodes {
		all = append(all, s[:]...)
	}
	return all
}

// readSeeds reads the seeds behind a snapshot. Without them only a new tree can follow.
func (p *private) readSeeds(d *stateReader) error {
	if len(d.b) == 0 && p.tree.steps > 0 {
		if p.over() {
			return nil
		}
		return fmt.Errorf("strategy: the seeds of the tree's noise are missing: want them, or a new tree after %d releases", p.releases)
	}
	for range bits.OnesCount(uint(p.tree.steps)) {
		p.tree.nodes = append(p.tree.nodes, d.seed())
	}
	return nil
}

// seed reads a Seed.
func (d *stateReader) seed() (s combine.Seed) {
	if len(d.b) < len(s) {
		d.broken = true
		return s
	}
	copy(s[:], d.b)
	d.b = d.b[len(s):]
	return s
}

package strategy

import (
	"encoding/binary"
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
	Participations int // rounds in which one is asked, at most
	Separation     int // rounds from one of them to the next, at least
	Restart        int // rounds after which a new tree begins; 0: never
}

// DiscardedReason is why a run ends whose noise is that of a tree, and of which a version was
// discarded.
const DiscardedReason = "a version was discarded, and noise of a tree cannot be drawn for it again"

// tree is the state of a run with a Tree.
type tree struct {
	steps int            // of the tree that is growing
	nodes []combine.Seed // of which the sum of its steps is made, the largest first
	asked map[ClientID]part
}

// part is how often, and in which round last, a client was asked.
type part struct{ times, last uint64 }

// may says whether a client may be asked in a round. It depends on nobody else.
func (t *tree) may(id ClientID, round uint64, limits *Tree) bool {
	p := t.asked[id]
	return p.times == 0 || p.times < uint64(limits.Participations) && round >= p.last+uint64(limits.Separation)
}

// ask counts clients that are asked, whether they answer or not.
func (t *tree) ask(clients []ClientID, round uint64) {
	if t.asked == nil {
		t.asked = map[ClientID]part{}
	}
	for _, id := range clients {
		t.asked[id] = part{t.asked[id].times + 1, round}
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
		return p.tree.asked[id].times < uint64(p.Tree.Participations)
	})
}

// over says that the next step begins a new tree. The noise of the last one stays.
func (t *tree) over(limits *Tree) bool { return limits.Restart > 0 && t.steps >= limits.Restart }

// drop returns the nodes whose place the next step's takes.
func (t *tree) drop(limits *Tree) []combine.Seed {
	if t.over(limits) {
		return nil
	}
	return slices.Clone(t.nodes[len(t.nodes)-bits.TrailingZeros(uint(t.steps+1)):])
}

// grow adds the node of a step.
func (t *tree) grow(s combine.Seed, limits *Tree) {
	drop := len(t.drop(limits))
	if t.over(limits) {
		t.steps, t.nodes = 0, nil
	}
	t.steps++
	t.nodes = append(slices.Clone(t.nodes[:len(t.nodes)-drop]), s)
}

func (t *tree) append(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(t.steps))
	for _, s := range t.nodes {
		to = append(to, s[:]...)
	}
	to = binary.AppendUvarint(to, uint64(len(t.asked)))
	for _, id := range slices.Sorted(maps.Keys(t.asked)) {
		p := t.asked[id]
		to = binary.AppendUvarint(to, uint64(id))
		to = binary.AppendUvarint(to, p.times)
		to = binary.AppendUvarint(to, p.last)
	}
	return to
}

// readTree reads what append has written after the releases and the bound, and the seed of the
// version that it was written with.
func (p *private) readTree(d *stateReader, releases uint64, bound float64) {
	t := tree{steps: int(d.uint() & (1<<30 - 1)), asked: map[ClientID]part{}}
	for range bits.OnesCount(uint(t.steps)) {
		t.nodes = append(t.nodes, d.seed())
	}
	for n := d.uint(); n > 0 && !d.broken; n-- {
		id := ClientID(d.uint())
		t.asked[id] = part{d.uint(), d.uint()}
	}
	if d.broken || !(bound >= MinBound && bound <= MaxBound) {
		d.broken = true
		return
	}
	p.releases, p.bound, p.tree = releases, bound, t
	if len(d.b) > 0 {
		if s := d.seed(); !d.broken {
			p.committed(nil, &s)
		}
	}
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

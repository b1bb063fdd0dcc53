package account

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Tree is the tree aggregation of DP-FTRL (Kairouz et al. 2021, section 4): a complete binary
// tree over the steps, in which each node is the sum of the updates below it with Gaussian
// noise of its own. Sums of the first steps are made of few nodes, and nothing is sampled. A
// node is released when all its steps are done; a tree that ends early has no others.
type Tree struct {
	Steps   int
	Restart int // steps after which a new tree begins; 0 is one tree for all steps
	// What a participant is held to: at most Participations steps (0 is any number), of which
	// two are at least Separation apart.
	Participations int
	Separation     int // 1 is any two steps
	// Cuts are steps, ascending, after which a new tree begins besides, and Restart counts anew.
	Cuts []int
}

// MaxTreeSteps bounds the steps of a tree.
const MaxTreeSteps = 1 << 20

// Of the computation: a finer separation is rounded down, which can only raise the
// sensitivity; and the additions that it may take.
const (
	maxSeparation = 64
	maxTreeWork   = 1 << 30
)

// Validate reports the first field that is out of bounds.
func (t Tree) Validate() error {
	switch {
	case t.Steps < 1 || t.Steps > MaxTreeSteps:
		return fmt.Errorf("steps is %d, want 1 <= steps <= %d", t.Steps, MaxTreeSteps)
	case t.Restart < 0:
		return fmt.Errorf("restart is %d, want the steps of a tree, or 0 for one tree", t.Restart)
	case !slices.IsSorted(t.Cuts) || len(t.Cuts) > 0 && t.Cuts[0] < 0:
		return fmt.Errorf("cuts is %v, want steps, ascending", t.Cuts)
	case t.Participations < 0:
		return fmt.Errorf("participations is %d, want the number of steps that a participant may take part in, or 0 for any", t.Participations)
	case t.Separation < 1:
		return fmt.Errorf("separation is %d, want separation >= 1: the steps from one participation to the next", t.Separation)
	}
	return nil
}

// Sensitivity returns the norm by which the vector of all nodes changes, at most, if the
// updates of one participant, of norm at most 1, are left out. A node with k of them changes
// by up to k. All nodes are one release of the Gaussian mechanism: its distance is
// the sensitivity over the noise of a node, twice that for Substitution.
//
// It is exact for a Separation of at most 64 unless participations are many hundreds, and
// never below the exact value.
func (t Tree) Sensitivity() (float64, error) {
	if err := t.Validate(); err != nil {
		return 0, err
	}
	most := (t.Steps + t.Separation - 1) / t.Separation
	if t.Participations > 0 {
		most = min(most, t.Participations)
	}
	// Blocks of 2^level steps hold at most one participation each. Between blocks the
	// separation is rounded down to whole blocks.
	level, separation := 0, t.Separation
	if most == 1 {
		separation = 1 // from nothing
	}
	for separation > maxSeparation || separation > 1 && most*most > maxTreeWork/(separation*separation*separation) {
		level++
		separation = t.Separation >> level
	}
	if most*most > maxTreeWork {
		return 0, fmt.Errorf("participations are up to %d, want at most %d: fewer, or a larger separation", most, 1<<15)
	}
	s := &spread{separation: separation, base: level, most: most}
	return math.Sqrt(s.forest(t.trees(level))), nil
}

// trees returns the levels of the complete trees, from first to last: each number of steps
// is a sum of powers of two. Of an incomplete block the highest level is left, as it holds
// one participation.
func (t Tree) trees(block int) []int {
	var levels []int
	for done := 0; done < t.Steps; {
		n := t.Steps - done
		if t.Restart > 0 {
			n = min(n, t.Restart)
		}
		for _, cut := range t.Cuts {
			if cut > done {
				n = min(n, cut-done)
				break
			}
		}
		done += n
		blocks := n >> block
		for l := bits.Len(uint(blocks)) - 1; l >= 0; l-- {
			if blocks>>l&1 == 1 {
				levels = append(levels, block+l)
			}
		}
		if rest := n & (1<<block - 1); rest > 0 {
			levels = append(levels, bits.Len(uint(rest))-1)
		}
	}
	return levels
}

// spread finds the participations that change the nodes most. Positions are in blocks.
type spread struct {
	separation int
	base       int // level of a block
	most       int
	memo       []table // from base upwards
}

// table has the largest sums of squares within a complete tree, by the number of
// participations in it (from 1) and the blocks at its start and end that others' separation
// keeps free.
type table struct {
	separation, most int
	sums             []float64
}

func (t *table) at(count, start, end int) *float64 {
	return &t.sums[((count-1)*t.separation+start)*t.separation+end]
}

func newTable(separation, most int) table {
	t := table{separation, most, make([]float64, most*separation*separation)}
	for i := range t.sums {
		t.sums[i] = math.Inf(-1)
	}
	return t
}

// tree returns the table of a level, and its blocks.
func (s *spread) tree(level int) (t *table, size int) {
	if level < s.base {
		t := newTable(s.separation, 1)
		*t.at(1, 0, 0) = float64(level + 1)
		return &t, 1
	}
	for len(s.memo) <= level-s.base {
		height := len(s.memo)
		size := 1 << height
		t := newTable(s.separation, min(s.most, (size+s.separation-1)/s.separation))
		if height == 0 {
			*t.at(1, 0, 0) = float64(s.base + 1) // the block and the levels within
		} else {
			s.join(&t, &s.memo[height-1], size/2)
		}
		s.memo = append(s.memo, t)
	}
	return &s.memo[level-s.base], 1 << (level - s.base)
}

// join fills a table from that of both halves, of size blocks each.
func (s *spread) join(t, half *table, size int) {
	for count := 1; count <= t.most; count++ {
		node := float64(count) * float64(count)
		for start := range s.separation {
			for end := range s.separation {
				// In one half, if the other's steps do not keep it free.
				best := math.Inf(-1)
				if count <= half.most {
					best = max(*half.at(count, start, max(0, end-size)), *half.at(count, max(0, start-size), end))
				}
				for left := max(1, count-half.most); left < count && left <= half.most; left++ {
					for free := range s.separation {
						best = max(best, *half.at(left, start, free)+*half.at(count-left, s.separation-1-free, end))
					}
				}
				*t.at(count, start, end) = node + best
			}
		}
	}
}

// forest returns the largest sum of squares over trees one after the other.
func (s *spread) forest(levels []int) float64 {
	// By the participations so far, and the blocks that stay free from here on.
	best := make([][]float64, s.most+1)
	for i := range best {
		best[i] = make([]float64, s.separation)
		for j := range best[i] {
			best[i][j] = math.Inf(-1)
		}
	}
	best[0][0] = 0
	for _, level := range levels {
		t, size := s.tree(level)
		next := make([][]float64, len(best))
		for count := range best {
			next[count] = make([]float64, s.separation)
			for j := range next[count] {
				next[count][j] = math.Inf(-1)
			}
		}
		for count, row := range best {
			for start, sum := range row {
				if math.IsInf(sum, -1) {
					continue
				}
				n := &next[count][max(0, start-size)]
				*n = max(*n, sum)
				for more := 1; more <= t.most && count+more <= s.most; more++ {
					for end := range s.separation {
						n := &next[count+more][s.separation-1-end]
						*n = max(*n, sum+*t.at(more, start, end))
					}
				}
			}
		}
		best = next
	}
	top := 0.0
	for _, row := range best {
		for _, sum := range row {
			top = max(top, sum)
		}
	}
	return top
}

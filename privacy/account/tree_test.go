package account

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// exhaustive returns the largest sum of squares over all patterns of participation.
func exhaustive(t Tree) float64 {
	begins := []int{0} // of trees, and the end
	for step := 1; step <= t.Steps; step++ {
		if last := begins[len(begins)-1]; step == t.Steps || step-last == t.Restart || slices.Contains(t.Cuts, step) {
			begins = append(begins, step)
		}
	}
	best := 0.0
	for pattern := range 1 << t.Steps {
		count, last, allowed := 0, -t.Separation, true
		for i := range t.Steps {
			if pattern>>i&1 == 1 {
				allowed = allowed && i-last >= t.Separation
				count, last = count+1, i
			}
		}
		if !allowed || t.Participations > 0 && count > t.Participations {
			continue
		}
		sum := 0.0
		for i, begin := range begins[:len(begins)-1] {
			n := begins[i+1] - begin
			for size := 1; size <= n; size *= 2 {
				for from := 0; from+size <= n; from += size {
					k := 0.0
					for i := range size {
						k += float64(pattern >> (begin + from + i) & 1)
					}
					sum += k * k
				}
			}
		}
		best = max(best, sum)
	}
	return best
}

// Trees that are cut short count as they were.
func TestTreeCuts(t *testing.T) {
	for _, cuts := range [][]int{{0}, {1}, {3}, {5}, {8}, {2, 3, 9}, {4, 20}} {
		for _, restart := range []int{0, 4, 7} {
			for participations := range 4 {
				for separation := 1; separation <= 4; separation++ {
					tree := Tree{12, restart, participations, separation, cuts}
					got, err := tree.Sensitivity()
					if want := exhaustive(tree); err != nil || math.Abs(got*got-want) > 1e-9 {
						t.Errorf("%+v: sum of squares %g, %v; want %g", tree, got*got, err, want)
					}
				}
			}
		}
	}
}

// The sensitivity is that of the worst pattern.
func TestTreeExhaustive(t *testing.T) {
	for steps := 1; steps <= 13; steps++ {
		for _, restart := range []int{0, 3, 4, 5, 7} {
			for participations := range 5 {
				for separation := 1; separation <= 5; separation++ {
					tree := Tree{steps, restart, participations, separation, nil}
					got, err := tree.Sensitivity()
					if want := exhaustive(tree); err != nil || math.Abs(got*got-want) > 1e-9 {
						t.Errorf("%+v: sum of squares %g, %v; want %g", tree, got*got, err, want)
					}
				}
			}
		}
	}
}

func TestTree(t *testing.T) {
	for _, c := range []struct {
		name string
		tree Tree
		want float64 // sum of squares
	}{
		// Kairouz et al. 2021, theorem 4.1: one participation is in all nodes of a path.
		{"a single pass", Tree{1024, 0, 1, 1, nil}, 11},
		{"a tree of one step", Tree{1, 0, 1, 1, nil}, 1},
		{"every step of a tree", Tree{8, 0, 0, 1, nil}, 8 + 4*4 + 2*16 + 64},
		{"one participation in each of four trees", Tree{4096, 1024, 4, 1024, nil}, 4 * 11},
		// Of docs/accounting.md.
		{"one tree, four participations", Tree{2048, 0, 4, 512, nil}, 4*10 + 2*4 + 16},
		{"four trees of 500 steps", Tree{2000, 500, 4, 500, nil}, 4 * 9},
		{"twenty trees of 100 steps", Tree{2000, 100, 20, 100, nil}, 20 * 7},
		{"a block that is not complete", Tree{200, 0, 2, 180, nil}, 8 + 7},
		{"a large separation, and one participation", Tree{1 << 20, 0, 1, 1000, nil}, 21},
	} {
		got, err := c.tree.Sensitivity()
		if err != nil || math.Abs(got*got-c.want) > 1e-9 {
			t.Errorf("%s: sum of squares %g, %v; want %g", c.name, got*got, err, c.want)
		}
	}
}

// A coarse separation only raises the sensitivity, and little.
func TestTreeBlocks(t *testing.T) {
	for _, tree := range []Tree{{900, 0, 5, 100, nil}, {1500, 400, 8, 130, nil}, {2048, 0, 20, 100, nil}} {
		got, err := tree.Sensitivity()
		if err != nil {
			t.Fatal(err)
		}
		s := &spread{separation: tree.Separation, most: tree.Participations}
		want := math.Sqrt(s.forest(tree.trees(0)))
		if got < want || got > 1.1*want {
			t.Errorf("%+v: %g, want at least %g and little more", tree, got, want)
		}
	}
}

func TestTreeMonotone(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		tree := Tree{rapid.IntRange(1, 300).Draw(r, "steps"), rapid.IntRange(0, 80).Draw(r, "restart"), rapid.IntRange(0, 12).Draw(r, "participations"), rapid.IntRange(1, 80).Draw(r, "separation"), nil}
		s, err := tree.Sensitivity()
		if err != nil {
			r.Fatal(err)
		}
		strict := tree
		strict.Separation++
		if q, _ := strict.Sensitivity(); q > s && strict.Separation <= maxSeparation {
			r.Errorf("%+v: %g with one more step between, %g without", tree, q, s)
		}
		if most := (tree.Steps + tree.Separation - 1) / tree.Separation; tree.Participations > 0 {
			// All nodes of a path count each participation once, at most.
			levels := math.Floor(math.Log2(float64(tree.Steps))) + 1
			if k := float64(min(most, tree.Participations)); s*s > k*k*levels+1e-9 {
				r.Errorf("%+v: %g, want at most %g", tree, s*s, k*k*levels)
			}
		}
	})
}

func TestTreeRefused(t *testing.T) {
	for _, c := range []struct {
		tree Tree
		want string
	}{
		{Tree{0, 0, 1, 1, nil}, "steps is 0, want 1 <= steps <= 1048576"},
		{Tree{1, -1, 1, 1, nil}, "restart is -1, want the steps of a tree, or 0 for one tree"},
		{Tree{1, 0, -1, 1, nil}, "participations is -1, want the number of steps that a participant may take part in, or 0 for any"},
		{Tree{1, 0, 1, 0, nil}, "separation is 0, want separation >= 1: the steps from one participation to the next"},
		{Tree{1 << 20, 0, 0, 2, nil}, "participations are up to 524288, want at most 32768: fewer, or a larger separation"},
	} {
		if _, err := c.tree.Sensitivity(); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.tree, err, c.want)
		}
	}
}

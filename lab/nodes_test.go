package lab

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fedtab/learn/kernel"
	"fedtab/words"
)

// nodes opens the page of nodes, with the chosen run computed, and those that it is compared
// with.
func nodes(query string) (*Machine, *nodesPage) {
	m := Find("nodes").Open(query)
	p := m.page.(*nodesPage)
	for p.noise.params[0] == nil && m.Work() {
	}
	return m, p
}

// One step of nodes that have all examples between them is the step of gradient descent,
// times the compensation.
func TestNodesAreOneLearner(t *testing.T) {
	for _, c := range []struct {
		nodes, batch, scale int
		factor              float64
	}{{1000, 10, 0, 1}, {1000, 10, 1, math.Sqrt(1000)}, {1000, 10, 2, 1000}, {500, 20, 0, 1}, {1, 10_000, 2, 1}} {
		k := nodesSetup{network: true, batch: c.batch, rate: .1, seed: 3}
		p := nodesPage{nodesSetup: k}
		w := p.open(c.nodes)
		r := nodesRun{nodes: c.nodes, steps: 1}
		r.begin(w, k.way(c.scale, 1))
		for r.end == nil {
			r.advance()
		}
		want := slices.Clone(r.start)
		kernel.Axpy(want, float32(-.1*c.factor), meanGradient(w, r.start, all(w.train.Len())))
		step := math.Sqrt(kernel.SquaredNorm(want))
		kernel.Axpy(want, -1, r.end)
		if got := math.Sqrt(kernel.SquaredNorm(want)); got > 1e-4*step {
			t.Errorf("%d nodes, batch %d, %s: the model is %g from that of gradient descent, whose norm is %g", c.nodes, c.batch, nodesScales[c.scale], got, step)
		}
	}
}

// After the same examples more nodes have a higher loss. The rate times m makes up for that
// with 10 nodes, and diverges with 1,000; the root holds longer.
func TestNodesStory(t *testing.T) {
	for seed := 1; seed <= someSeeds(); seed++ {
		p := settle(Find("nodes").Open("seed=" + write(float64(seed)))).page.(*nodesPage)
		loss := func(scale, count int) float64 { return p.run(nodesKey{scale, count}).loss() }
		var first [len(nodesScales)]int // that diverges
		for scale := range nodesScales {
			first[scale] = len(nodeCounts)
			for count := len(nodeCounts) - 1; count >= 0; count-- {
				if p.run(nodesKey{scale, count}).diverged {
					first[scale] = count
				}
			}
		}
		const ten, hundred, last = 4, 8, 12
		if !(loss(0, 0) < loss(0, ten) && loss(0, ten) < loss(0, hundred) && loss(0, hundred) < loss(0, last)) {
			t.Errorf("seed %d: losses without compensation %g, %g, %g, %g, want them to rise", seed, loss(0, 0), loss(0, ten), loss(0, hundred), loss(0, last))
		}
		if loss(2, ten) > asGood*loss(0, 0) {
			t.Errorf("seed %d: 10 nodes with the rate times m have a loss of %g, want about that of one, %g", seed, loss(2, ten), loss(0, 0))
		}
		if loss(1, hundred) > loss(0, hundred) {
			t.Errorf("seed %d: 100 nodes with the root have a loss of %g, want less than %g", seed, loss(1, hundred), loss(0, hundred))
		}
		if first[0] <= last || first[2] > last || first[1] <= first[2] {
			t.Errorf("seed %d: the first that diverge are %v of %d, want none without compensation, and the root later than m", seed, first, len(nodeCounts))
		}
	}
}

// In the same steps more nodes help little from 10 on, and longer steps help.
func TestNodesInSteps(t *testing.T) {
	_, p := nodes("same=1&m=100&rate=0.01")
	one, plain, linear := p.run(nodesKey{}), p.run(nodesKey{0, 8}), p.run(nodesKey{2, 8})
	if plain.steps != one.steps || math.Abs(plain.loss()-one.loss()) > .05*one.loss() {
		t.Errorf("100 nodes have a loss of %g after %d steps, one node %g after %d", plain.loss(), plain.steps, one.loss(), one.steps)
	}
	if linear.loss() > .8*plain.loss() {
		t.Errorf("100 nodes with the rate times m have a loss of %g, want far less than %g", linear.loss(), plain.loss())
	}
}

// All numbers of nodes see the same number of examples.
func TestNodesSeeTheSame(t *testing.T) {
	for _, m := range nodeCounts {
		if steps := (nodesSetup{}).stepsOf(m); steps*int(m) != nodesBatches {
			t.Errorf("%v nodes make %d steps, want %d batches", m, steps, nodesBatches)
		}
	}
}

// The noise falls as one over the examples, is larger after training, and gone when a batch
// has them all.
func TestNoise(t *testing.T) {
	m, p := nodes("")
	for p.measure() {
	}
	n := &p.noise
	for i := range n.levels {
		for k, at := range n.levels[i] {
			switch part := at.Y * at.X / n.enough(i); {
			case at.X == float64(p.world.train.Len()):
				if at.Y > 1e-6 {
					t.Errorf("the gradient of all examples has noise %g", at.Y)
				}
			case at.X < 1000 && (part < .4 || part > 2.5):
				t.Errorf("%v examples, %d: noise %g, want about %g", at.X, k, at.Y, n.enough(i)/at.X)
			}
		}
	}
	if n.enough(1) < 10*n.enough(0) {
		t.Errorf("batches of %g and %g examples are enough before and after training, want far more after", n.enough(0), n.enough(1))
	}
	if got := tells(m)["noise"]; !strings.Contains(got, "help little") {
		t.Errorf("the page says %q", got)
	}
}

// tells returns what a page's readings say in English.
func tells(m *Machine) map[string]string {
	all := map[string]string{}
	for _, x := range m.Draw(words.Get("en")).Texts {
		all[x.Name] = x.Text
	}
	return all
}

// Every verdict is said where it holds.
func TestNodesVerdicts(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"m=1&scale=2", "nothing to make up for"},
		{"m=30", "one node is at a loss of"},
		{"m=10&scale=2", "as good as one, after the same examples in 10 times fewer"},
		{"m=100&scale=2", "do harm"},
		{"m=1000&scale=2", "diverged"},
		{"m=20&same=1", "with 20 times as many examples"},
	} {
		m, _ := nodes(c.query)
		if got := tells(m)["nodes"]; !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", c.query, got, c.want)
		}
	}
	if got := tells(Find("nodes").Open("m=1000&scale=1&rate=0.2&batch=5")); got["nodes-batch"] != "5,000" || got["nodes-rate"] != "6.325" || got["nodes-steps"] != "3" || got["nodes-loss"] != words.Dash {
		t.Errorf("before it trains the page says %v", got)
	}
}

// A run that is chosen while others train is the next to train, and what is done is kept.
func TestChosenNodesComeFirst(t *testing.T) {
	m, p := nodes("m=2")
	for range 50 {
		m.Work()
	}
	m.Set("m", write(float64(len(nodeCounts)-1)))
	m.Work()
	if r := p.run(p.chosen); r.nodes != 1000 || r.lane == nil {
		t.Errorf("%d nodes are chosen, training %v", r.nodes, r.lane != nil)
	}
	if p.run(nodesKey{0, 1}).end == nil {
		t.Error("what was computed is forgotten")
	}
	m.Set("warmup", "1")
	if p.run(nodesKey{}).end == nil {
		t.Error("one node trains again for a warm-up, which it does not have")
	}
	m.Set("rate", "0")
	if p.run(nodesKey{}).end != nil {
		t.Error("runs with another rate are shown")
	}
}

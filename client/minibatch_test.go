package client_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/client"
	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/strategy"
)

// shares divides n examples among k clients, as unequally as 1 : k.
func shares(n, k int) (index [][]int32) {
	order := rand.New(rand.NewPCG(3, 4)).Perm(n)
	total := k * (k + 1) / 2
	at := 0
	for i := range k {
		count := max(1, n*(i+1)/total)
		if i == k-1 {
			count = n - at
		}
		var part []int32
		for _, e := range order[at : at+count] {
			part = append(part, int32(e))
		}
		index = append(index, part)
		at += count
	}
	return index
}

// softmaxGradient adds the gradient of the summed cross-entropy of a softmax
// regression at w, [classes, features+1] row-major, in float64.
func softmaxGradient(g, w []float64, x [][]float64, y []int, index []int32) {
	features := len(x[0])
	classes := len(w) / (features + 1)
	z := make([]float64, classes)
	for _, e := range index {
		top := math.Inf(-1)
		for c := range z {
			row := w[c*(features+1):][:features+1]
			z[c] = row[features]
			for j, v := range x[e] {
				z[c] += row[j] * v
			}
			top = max(top, z[c])
		}
		var sum float64
		for c := range z {
			z[c] = math.Exp(z[c] - top)
			sum += z[c]
		}
		for c := range z {
			d := z[c] / sum
			if c == y[e] {
				d--
			}
			row := g[c*(features+1):][:features+1]
			for j, v := range x[e] {
				row[j] += d * v
			}
			row[features] += d
		}
	}
}

// distance is ||a - b|| / ||b||.
func distance[T float32 | float64](a, b []T) float64 {
	var d, n float64
	for i := range a {
		e := float64(a[i]) - float64(b[i])
		d += e * e
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / n)
}

var cohorts = []int{1, 2, 7, 100}

// descend makes steps of distributed mini-batch at a rate of 1/2: clients 0 to k-1
// have the groups of a step, and the one named by leavers leaves before its answer
// (-1: nobody does).
//
// The reference is in here: gradients and the model are float64, and nothing is
// packed. The product is the rest: the strategy says who works, whose answer
// counts, by what factor and as how many examples, and its Sum and Plan make the
// step. Their vectors are float32, so a float64 goes in as the sum of three, each
// what the one before has left, and comes out as two.
func descend(t *testing.T, start []float64, groups [][][]int32, leavers []int, gradient func(w []float64, index []int32) []float64) []float64 {
	t.Helper()
	k, d := len(groups[0]), len(start)
	s, err := strategy.New(strategy.Config{Kind: "minibatch", Fraction: 1, LR: .5, MinClients: k}, strategy.Setup{Seed: 1, Live: true, Parameters: d})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := combine.NewSum(d, 1<<15)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	w := slices.Clone(start)
	var orders []strategy.Order
	var commit *strategy.Commit
	vectors := map[strategy.Handle][]float64{}
	var feed func(e strategy.Event)
	feed = func(e strategy.Event) {
		for _, effect := range slices.Clone(s.Step(e)) {
			switch e := effect.(type) {
			case strategy.Open:
				feed(strategy.Opened{Round: e.Round})
			case strategy.Order:
				orders = append(orders, e)
			case strategy.Add:
				left, part := slices.Clone(vectors[e.Handle]), make([]float32, d)
				for i := range 3 {
					for j, x := range left {
						part[j] = float32(x)
						left[j] -= float64(part[j])
					}
					sum.AddScaled(part, e.Scale, []float64{e.Weight, 0, 0}[i])
				}
			case strategy.Commit:
				commit = &e
			}
		}
	}
	for i := range k {
		feed(strategy.Joined{Client: strategy.ClientID(i)})
	}
	for n := range groups {
		if len(orders) != k {
			t.Fatalf("step %d: %d of %d clients have an order", n, len(orders), k)
		}
		mine := orders
		orders = nil
		for _, i := range r.Perm(k) {
			o := mine[i]
			if int(o.Client) == leavers[n] {
				feed(strategy.Left{Client: o.Client})
				continue
			}
			index := groups[n][o.Client]
			h := strategy.Handle(n*k + i + 1)
			vectors[h] = gradient(w, index)
			feed(strategy.Offered{Client: o.Client, Order: o.Order, Handle: h, Weight: float64(len(index)), Steps: 1})
		}
		if commit == nil {
			t.Fatalf("step %d: %d clients make no version", n, k)
		}
		base := make([]float32, d)
		for range 2 {
			v := combine.Vectors{Base: base, Next: make([]float32, d), Sums: []*combine.Sum{sum}}
			if err := commit.Plan.Combine(&v); err != nil {
				t.Fatal(err)
			}
			for j, x := range v.Next {
				w[j] += float64(x)
				base[j] = -x
			}
		}
		round := commit.Round
		commit = nil
		sum.Clear()
		feed(strategy.Committed{Round: round})
		if leavers[n] >= 0 {
			feed(strategy.Joined{Client: strategy.ClientID(leavers[n])})
		}
	}
	return w
}

// In exact enough arithmetic k clients with sums and counts take the steps that
// one client takes on the same examples, one of them having dropped out of each
// step, and those are the steps of the formula.
func TestMinibatchEqualsOneFloat64(t *testing.T) {
	const n, features, classes, steps = 6000, 20, 10, 3
	r := rand.New(rand.NewPCG(1, 2))
	x, y := make([][]float64, n), make([]int, n)
	for i := range x {
		x[i] = make([]float64, features)
		for j := range x[i] {
			x[i][j] = r.NormFloat64()
		}
		y[i] = r.IntN(classes)
	}
	start := make([]float64, classes*(features+1))
	for i := range start {
		start[i] = r.NormFloat64()
	}
	gradient := func(w []float64, index []int32) []float64 {
		g := make([]float64, len(w))
		softmaxGradient(g, w, x, y, index)
		return g
	}
	for _, k := range cohorts {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			shares := shares(n, k)
			var of, union [][][]int32 // by step
			var leavers []int
			formula := slices.Clone(start)
			for step := range steps {
				leaver := -1
				there := slices.Clone(shares)
				if k > 1 {
					leaver = (k/2 + step) % k
					there = slices.Delete(there, leaver, leaver+1)
				}
				all := slices.Concat(there...)
				slices.Sort(all)
				of, union, leavers = append(of, shares), append(union, [][]int32{all}), append(leavers, leaver)
				for i, g := range gradient(formula, all) {
					formula[i] -= .5 * g / float64(len(all))
				}
			}
			many := descend(t, start, of, leavers, gradient)
			one := descend(t, start, union, []int{-1, -1, -1}, gradient)
			for what, d := range map[string]float64{"one client": distance(many, one), "the formula": distance(many, formula)} {
				if d > 1e-12 {
					t.Errorf("off by %.2g from %s, want at most 1e-12", d, what)
				} else {
					t.Logf("off by %.2g from %s", d, what)
				}
			}
		})
	}
}

// The same on the way that the product takes: float32 gradients from clients,
// packed, added up by a strategy's sums, in whatever order they come; one client
// leaves before its answer.
func TestMinibatchEqualsOne(t *testing.T) {
	const n = 6000
	r := rand.New(rand.NewPCG(1, 2))
	pixels, labels := make([]uint8, n*16), make([]uint8, n)
	for i := range pixels {
		pixels[i] = uint8(r.IntN(256))
	}
	for i := range labels {
		labels[i] = uint8(r.IntN(10))
	}
	set, err := data.NewSet(data.Array{Dims: []int{n, 4, 4}, Data: pixels}, data.Array{Dims: []int{n}, Data: labels}, 10)
	if err != nil {
		t.Fatal(err)
	}
	spec := protocol.ModelSpec{Input: []uint32{4, 4}, Layers: []protocol.Layer{
		{Kind: protocol.LayerDense, Units: 20, Activation: protocol.ActivationReLU}, {Kind: protocol.LayerDense, Units: 20, Activation: protocol.ActivationReLU},
		{Kind: protocol.LayerDense, Units: 10},
	}}
	m, err := learn.New(client.SpecOf(spec))
	if err != nil {
		t.Fatal(err)
	}
	base := client.OwnModels().Initial(m, 1)
	hash := learn.Hash(base)
	// step returns the first version that clients with these shares make; the
	// one numbered leaver leaves.
	step := func(groups [][]int32, leaver int) []float32 {
		s, err := strategy.New(strategy.Config{Kind: "minibatch", Fraction: 1, LR: .1, MinClients: len(groups)}, strategy.Setup{Seed: 1, Clients: len(groups), Parameters: len(base)})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := combine.NewSum(len(base), n*protocol.MaxDelta)
		if err != nil {
			t.Fatal(err)
		}
		var orders []strategy.Order
		var commit *strategy.Commit
		vectors := map[strategy.Handle][]float32{}
		feed := func(e strategy.Event) {
			for _, effect := range slices.Clone(s.Step(e)) {
				switch e := effect.(type) {
				case strategy.Order:
					orders = append(orders, e)
				case strategy.Add:
					sum.AddScaled(vectors[e.Handle], e.Scale, e.Weight)
				case strategy.Commit:
					commit = &e
				}
			}
		}
		for i := range groups {
			feed(strategy.Joined{Client: strategy.ClientID(i)})
		}
		feed(strategy.Opened{Round: 1})
		for _, i := range r.Perm(len(orders)) {
			o := orders[i]
			if int(o.Client) == leaver {
				feed(strategy.Left{Client: o.Client})
				continue
			}
			c := client.New(client.Config{})
			c.SetExamples(data.NewSubset(set, groups[o.Client]))
			for _, m := range []protocol.Message{
				&protocol.Welcome{Participant: 1, Run: "run", Model: spec, Seed: 1, InitialHash: hash[:], Parameters: uint64(len(base))},
				&protocol.Order{
					Order: uint64(o.Order), Kind: protocol.OrderKind(o.Work.Kind), Round: o.Round, BaseHash: hash[:],
					Hyper: protocol.Hyper{Steps: uint32(o.Work.Steps), Batch: uint32(o.Work.Batch), LR: float32(o.Work.LR), Stream: o.Work.Stream},
				},
			} {
				if _, err := c.Receive(m); err != nil {
					t.Fatal(err)
				}
			}
			for b := c.NewWorkspace(); c.Ready(); {
				for _, m := range c.Work(b, 1) {
					if m, ok := m.(*protocol.Contribution); ok {
						h := strategy.Handle(i + 1)
						vectors[h] = make([]float32, len(base))
						if err := compress.Decode(m.Vectors[0].Codec, vectors[h], m.Vectors[0].Block); err != nil {
							t.Fatal(err)
						}
						feed(strategy.Offered{Client: o.Client, Order: o.Order, Handle: h, Weight: float64(m.Weight), Steps: m.Metrics.Steps})
					}
				}
			}
		}
		if commit == nil {
			t.Fatalf("%d clients make no version", len(groups))
		}
		v := combine.Vectors{Base: make([]float32, len(base)), Next: make([]float32, len(base)), Sums: []*combine.Sum{sum}}
		if err := commit.Plan.Combine(&v); err != nil {
			t.Fatal(err)
		}
		return v.Next // of a base of zeros: the step alone, unrounded
	}
	for _, k := range cohorts {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			groups := shares(n, k)
			leaver := -1
			one := slices.Clone(groups)
			if k > 1 {
				leaver = k / 2
				one = slices.Delete(one, leaver, leaver+1)
			}
			all := slices.Concat(one...)
			slices.Sort(all)
			got, want := step(groups, leaver), step([][]int32{all}, -1)
			if d := distance(got, want); d > 1e-5 {
				t.Errorf("the step is off by %.2g, want at most 1e-5", d)
			} else {
				t.Logf("off by %.2g", d)
			}
			if again := step(groups, leaver); !slices.Equal(again, got) {
				t.Error("another order of arrival gives other bits")
			}
			// And it is the step of the mean gradient.
			g := make([]float32, len(base))
			if _, err := learn.Gradient(m, g, base, data.NewSubset(set, all)); err != nil {
				t.Fatal(err)
			}
			for i := range g {
				g[i] *= -.1 / float32(len(all))
			}
			if d := distance(got, g); d > 1e-5 {
				t.Errorf("it is off by %.2g from the gradient of the union", d)
			}
		})
	}
}

package client

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// decoded returns the values of a vector.
func decoded(t testing.TB, v protocol.Vector) []float32 {
	t.Helper()
	x := make([]float32, parameters)
	if err := compress.Decode(v.Codec, x, v.Block); err != nil {
		t.Fatal(err)
	}
	return x
}

// answer returns the contribution among messages.
func answer(t testing.TB, out []protocol.Message) *protocol.Contribution {
	t.Helper()
	for _, m := range out {
		if c, ok := m.(*protocol.Contribution); ok {
			return c
		}
	}
	t.Fatalf("no contribution among %v", out)
	return nil
}

// fitted is what training by hand makes of params.
func fitted(t testing.TB, params []float32, ex data.Examples, cfg learn.FitConfig) []float32 {
	t.Helper()
	local := slices.Clone(params)
	f := learn.NewFit(model(t))
	if err := f.Start(local, ex, cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(math.MaxInt); err != nil {
		t.Fatal(err)
	}
	return local
}

func minus(a, b []float32) []float32 {
	d := make([]float32, len(a))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return d
}

// version makes the message that carries a model, with a control variate or
// without.
func version(number uint64, params, control []float32) *protocol.Model {
	hash := learn.Hash(params)
	m := &protocol.Model{Version: number, Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleModel, Block: compress.AppendFloat32(nil, params)}}}
	if control != nil {
		m.Vectors = append(m.Vectors, protocol.Vector{Role: protocol.RoleControl, Block: compress.AppendFloat32(nil, control)})
	}
	return m
}

// A gradient order is answered by the sum over one mini-batch and the number of
// its examples; the next one takes the next mini-batch.
func TestGradientOrder(t *testing.T) {
	c, w := joined(t)
	set := examples(t, 22)
	base := OwnModels().Initial(model(t), 1)
	for i, want := range []uint64{10, 10, 2, 10} {
		o := order(w, uint64(i+1))
		o.Kind = protocol.OrderGradient
		o.Hyper = protocol.Hyper{Steps: 1, Batch: 10, LR: .1, Stream: true}
		receive(t, c, o)
		if got := c.OrderExamples(); got != 10 {
			t.Errorf("it says %d examples, want 10", got)
		}
		got := answer(t, work(c, 5))
		if got.Weight != want || got.Metrics.Examples != want || got.Metrics.Steps != 1 || got.Vectors[0].Role != protocol.RoleGradient {
			t.Fatalf("answer %d: %+v, want %d examples", i+1, got, want)
		}
		f := learn.NewFit(model(t))
		local := slices.Clone(base)
		if err := f.Start(local, set, learn.FitConfig{Batch: 10, LR: .1, Seed: 9, From: i, SumOnly: true}); err != nil {
			t.Fatal(err)
		}
		f.Run(1)
		if !slices.Equal(decoded(t, got.Vectors[0]), f.GradientSum()) {
			t.Errorf("answer %d is not the sum of mini-batch %d", i+1, i+1)
		}
	}
}

// Orders on one stream go through the data as one long order does, bit for bit,
// whatever else is ordered in between.
func TestStreamContinues(t *testing.T) {
	c, w := joined(t)
	set := examples(t, 22)
	base := OwnModels().Initial(model(t), 1)
	params, hash := base, w.InitialHash
	total := 0
	for i, steps := range []int{3, 4, 9} {
		o := order(w, uint64(i+1))
		o.Base, o.BaseHash = uint64(i), hash
		o.Hyper = protocol.Hyper{Steps: uint32(steps), Batch: 5, LR: .1, Stream: true}
		receive(t, c, o)
		got := answer(t, work(c, 2))
		total += steps
		next := fitted(t, base, set, learn.FitConfig{Steps: total, Batch: 5, LR: .1, Seed: 9})
		if !slices.Equal(decoded(t, got.Vectors[0]), minus(next, params)) {
			t.Fatalf("order %d: other bits than %d mini-batches in one", i+1, total)
		}
		m := version(uint64(i+1), next, nil)
		receive(t, c, m)
		params, hash = next, m.Hash
		if i == 0 { // an order of epochs has a stream of its own
			other := order(w, 100)
			other.Base, other.BaseHash = 1, hash
			receive(t, c, other)
			answer(t, work(c, 100))
		}
	}
	// A reloaded tab goes on where it was.
	again := New(c.cfg)
	if err := again.Restore(c.Save()); err != nil || again.stream != total {
		t.Errorf("restored after %d mini-batches, %v; want %d", again.stream, err, total)
	}
}

// Base models are trained on disjoint parts of the data, each from the base.
func TestBaseOrder(t *testing.T) {
	set := examples(t, 22)
	base := OwnModels().Initial(model(t), 1)
	var first *protocol.Contribution
	for _, steps := range []int{1, 3, 1000} {
		c, w := joined(t)
		o := order(w, 1)
		o.Kind, o.Hyper.Parts = protocol.OrderBase, 3
		receive(t, c, o)
		got := answer(t, work(c, steps))
		if len(got.Vectors) != 3 || got.Weight != 22 || got.Metrics.Examples != 44 {
			t.Fatalf("contribution %+v", got)
		}
		seen := map[int32]bool{}
		for i, v := range got.Vectors {
			if v.Part != uint32(i) || v.Role != protocol.RoleDelta || !bytes.Equal(v.BaseHash, w.InitialHash) {
				t.Errorf("vector %d: %+v", i, v)
			}
			var index []int32
			for n := int32(i); n < 22; n += 3 {
				index, seen[n] = append(index, n), true
			}
			want := fitted(t, base, data.NewSubset(set, index), learn.FitConfig{Epochs: 2, Batch: 4, LR: .1, Seed: 9 + uint64(i)})
			if !slices.Equal(decoded(t, v), minus(want, base)) {
				t.Errorf("slices of %d steps: part %d is not its own training", steps, i)
			}
		}
		if len(seen) != 22 {
			t.Errorf("%d of 22 examples are used", len(seen))
		}
		if first == nil {
			first = got
		}
		if !slices.EqualFunc(first.Vectors, got.Vectors, func(a, b protocol.Vector) bool { return bytes.Equal(a.Block, b.Block) }) {
			t.Errorf("slices of %d steps give other bits", steps)
		}
	}
	for _, parts := range []uint32{0, 23} {
		c, w := joined(t)
		o := order(w, 1)
		o.Kind, o.Hyper.Parts = protocol.OrderBase, parts
		receive(t, c, o)
		out := work(c, 100)
		if d, ok := out[0].(*protocol.Decline); !ok || d.Reason != protocol.ReasonNoData {
			t.Errorf("%d models of 22 examples: %v, want to decline", parts, out)
		}
	}
}

// monitorOrder looks every 3 mini-batches of 4 whether the model is too far.
func monitorOrder(w *protocol.Welcome, number uint64, delta float64) *protocol.Order {
	o := order(w, number)
	o.Kind, o.Round = protocol.OrderMonitor, 1
	o.Hyper = protocol.Hyper{Steps: 3, Batch: 4, LR: .1, Stream: true, Delta: delta}
	return o
}

// A Monitor order goes on and on, and is answered by what is too far, with the
// stream of mini-batches where it is.
func TestMonitor(t *testing.T) {
	set := examples(t, 22)
	base := OwnModels().Initial(model(t), 1)
	trained := func(steps int) []float32 {
		return fitted(t, base, set, learn.FitConfig{Steps: steps, Batch: 4, LR: .1, Seed: 9})
	}
	c, w := joined(t)
	b := c.NewWorkspace()
	receive(t, c, monitorOrder(w, 1, math.Inf(1)))
	if got := c.OrderExamples(); got != 12 || !c.Monitors() {
		t.Errorf("a slice of %d examples, monitors: %v", got, c.Monitors())
	}
	for i := range 4 {
		out := c.Work(b, math.MaxInt)
		if want := map[bool]int{true: 1, false: 0}[i == 0]; len(out) != want {
			t.Fatalf("slice %d: %v", i+1, out)
		}
		if !slices.Equal(c.Local(), trained(3*(i+1))) {
			t.Fatalf("after slice %d the model is not that of %d mini-batches", i+1, 3*(i+1))
		}
	}
	// Slices of single steps come to the same, on any workspace.
	c, w = joined(t)
	receive(t, c, monitorOrder(w, 1, math.Inf(1)))
	for range 4 {
		b := c.NewWorkspace()
		for range 3 {
			c.Work(b, 1)
		}
	}
	if !slices.Equal(c.Local(), trained(12)) {
		t.Error("slices of one step give another model")
	}
	// Too far: the delta, once.
	c, w = joined(t)
	receive(t, c, monitorOrder(w, 1, 0))
	got := answer(t, c.Work(c.NewWorkspace(), math.MaxInt))
	if got.Weight != 22 || got.Metrics.Steps != 3 || got.Metrics.Examples != 12 || !slices.Equal(decoded(t, got.Vectors[0]), minus(trained(3), base)) {
		t.Errorf("the violation is %+v", got)
	}
	if c.Ready() || c.Progress().Activity != Sending {
		t.Errorf("ready %v, %s; want to pause", c.Ready(), c.Progress().Activity)
	}
}

// Where a Monitor order starts: the client's own model, a local one that was
// sent, or the base, if it says so.
func TestMonitorStarts(t *testing.T) {
	base := OwnModels().Initial(model(t), 1)
	set := examples(t, 22)
	violated := func() (*Client, *protocol.Welcome, []float32) {
		c, w := joined(t)
		receive(t, c, monitorOrder(w, 1, 0))
		answer(t, c.Work(c.NewWorkspace(), math.MaxInt))
		return c, w, slices.Clone(c.Local())
	}
	t.Run("own", func(t *testing.T) {
		c, w, local := violated()
		receive(t, c, monitorOrder(w, 2, 0))
		// It is too far still: it says so at once.
		got := answer(t, c.Work(c.NewWorkspace(), math.MaxInt))
		if got.Order != 2 || got.Metrics.Steps != 0 || !slices.Equal(decoded(t, got.Vectors[0]), minus(local, base)) {
			t.Errorf("answer %+v, want the model as it was", got)
		}
		receive(t, c, monitorOrder(w, 3, 1000))
		c.Work(c.NewWorkspace(), math.MaxInt)
		if want := fitted(t, local, set, learn.FitConfig{Steps: 3, Batch: 4, LR: .1, Seed: 9, From: 3}); !slices.Equal(c.Local(), want) {
			t.Error("it does not go on with its own model")
		}
	})
	mean := make([]float32, parameters)
	start := slices.Clone(base)
	for i := range mean {
		mean[i] = .125
		start[i] += .125
	}
	hash := learn.Hash(start)
	sent := func(w *protocol.Welcome) *protocol.Model {
		return &protocol.Model{Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: w.InitialHash, Block: compress.AppendFloat32(nil, mean)}}}
	}
	t.Run("sent", func(t *testing.T) {
		c, w, _ := violated()
		receive(t, c, sent(w))
		if v, p := c.Held(); v != 0 || !slices.Equal(p, base) {
			t.Error("a local model has become the version held")
		}
		o := monitorOrder(w, 2, 1000)
		o.Start = hash[:]
		receive(t, c, o)
		if !slices.Equal(c.Local(), start) {
			t.Error("before it begins, its model is not the one that was sent")
		}
		c.Work(c.NewWorkspace(), math.MaxInt)
		if want := fitted(t, start, set, learn.FitConfig{Steps: 3, Batch: 4, LR: .1, Seed: 9, From: 3}); !slices.Equal(c.Local(), want) {
			t.Error("it does not go on from what was sent")
		}
		// The distance is from the base.
		got := answer(t, receive(t, c, &protocol.Fetch{Order: 2}))
		if !slices.Equal(decoded(t, got.Vectors[0]), minus(c.Local(), base)) {
			t.Error("the answer is no delta against the base")
		}
	})
	t.Run("fresh", func(t *testing.T) {
		c, w, _ := violated()
		o := monitorOrder(w, 2, 1000)
		o.Start = w.InitialHash
		receive(t, c, o)
		if !slices.Equal(c.Local(), base) {
			t.Error("before it begins, its model is not the base")
		}
		c.Work(c.NewWorkspace(), math.MaxInt)
		if want := fitted(t, base, set, learn.FitConfig{Steps: 3, Batch: 4, LR: .1, Seed: 9, From: 3}); !slices.Equal(c.Local(), want) {
			t.Error("it does not begin anew")
		}
	})
	t.Run("a new base", func(t *testing.T) {
		c, w, _ := violated()
		m := version(1, start, nil)
		receive(t, c, m)
		o := monitorOrder(w, 2, 1000)
		o.Base, o.BaseHash = 1, m.Hash
		receive(t, c, o)
		c.Work(c.NewWorkspace(), math.MaxInt)
		if want := fitted(t, start, set, learn.FitConfig{Steps: 3, Batch: 4, LR: .1, Seed: 9, From: 3}); !slices.Equal(c.Local(), want) {
			t.Error("it goes on with a model of another base")
		}
	})
	t.Run("broken", func(t *testing.T) {
		c, w, _ := violated()
		m := sent(w)
		m.Hash = w.InitialHash
		if _, err := c.Receive(m); err == nil {
			t.Error("a local model that does not match its hash is taken")
		}
		m = sent(w)
		m.Vectors[0].BaseHash = hash[:]
		receive(t, c, m)
		if c.start != nil {
			t.Error("a local model against another base is kept")
		}
	})
}

// A fetch is answered at any time, once.
func TestFetch(t *testing.T) {
	base := OwnModels().Initial(model(t), 1)
	set := examples(t, 22)
	t.Run("before it begins", func(t *testing.T) {
		c, w := joined(t)
		receive(t, c, monitorOrder(w, 1, 1000))
		got := answer(t, receive(t, c, &protocol.Fetch{Order: 1}))
		if !slices.Equal(decoded(t, got.Vectors[0]), make([]float32, parameters)) || got.Metrics.Steps != 0 {
			t.Errorf("answer %+v, want the base", got)
		}
	})
	t.Run("in the middle of a slice", func(t *testing.T) {
		c, w := joined(t)
		receive(t, c, monitorOrder(w, 1, 1000))
		b := c.NewWorkspace()
		c.Work(b, math.MaxInt)
		c.Work(b, 2)
		got := answer(t, receive(t, c, &protocol.Fetch{Order: 1}))
		local := fitted(t, base, set, learn.FitConfig{Steps: 5, Batch: 4, LR: .1, Seed: 9})
		if got.Metrics.Steps != 5 || !slices.Equal(decoded(t, got.Vectors[0]), minus(local, base)) {
			t.Errorf("answer %+v, want the model after 5 mini-batches", got)
		}
		// Already sent.
		if out := receive(t, c, &protocol.Fetch{Order: 1}); len(out) != 0 {
			t.Errorf("fetched again, it sends %v", out)
		}
		// And the stream goes on after it.
		receive(t, c, monitorOrder(w, 2, 1000))
		c.Work(b, math.MaxInt)
		if want := fitted(t, local, set, learn.FitConfig{Steps: 3, Batch: 4, LR: .1, Seed: 9, From: 5}); !slices.Equal(c.Local(), want) {
			t.Error("after the fetch it goes on elsewhere")
		}
	})
	t.Run("another order", func(t *testing.T) {
		c, w := joined(t)
		receive(t, c, monitorOrder(w, 1, 1000))
		out := receive(t, c, &protocol.Fetch{Order: 7})
		if d, ok := out[0].(*protocol.Decline); !ok || d.Order != 7 || d.Reason != protocol.ReasonUnordered || !c.Ready() {
			t.Errorf("got %v", out)
		}
	})
	t.Run("no data", func(t *testing.T) {
		c := New(Config{})
		w := welcome(t)
		receive(t, c, w)
		receive(t, c, monitorOrder(w, 1, 1000))
		out := receive(t, c, &protocol.Fetch{Order: 1})
		if d, ok := out[0].(*protocol.Decline); !ok || d.Reason != protocol.ReasonNoData {
			t.Errorf("got %v", out)
		}
	})
}

// The answer to an order without a round is kept until the version that the
// acknowledgement names is closed, however many orders follow.
func TestKeepsOpenEnded(t *testing.T) {
	c, w := joined(t)
	finish := func(number uint64) {
		o := order(w, number)
		o.Round = 0
		receive(t, c, o)
		answer(t, work(c, 100))
	}
	kept := func() (orders []uint64) {
		for _, k := range c.kept {
			orders = append(orders, k.Order)
		}
		return orders
	}
	finish(1)
	receive(t, c, &protocol.Ack{Order: 1, Round: 3})
	finish(2)
	receive(t, c, &protocol.Ack{Order: 2, Round: 4})
	finish(3) // is not acknowledged
	if got := kept(); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Fatalf("keeps %v", got)
	}
	again := New(c.cfg)
	if err := again.Restore(c.Save()); err != nil || len(again.kept) != 3 || again.kept[1].closes != 4 || !again.kept[1].accepted || again.kept[2].accepted {
		t.Errorf("restored, it keeps %+v, %v", again.kept, err)
	}
	for _, test := range []struct {
		closed uint64
		want   []uint64
	}{{2, []uint64{1, 2, 3}}, {3, []uint64{2, 3}}, {9, []uint64{3}}} {
		receive(t, c, &protocol.Status{Closed: test.closed})
		if got := kept(); !slices.Equal(got, test.want) {
			t.Errorf("with version %d closed it keeps %v, want %v", test.closed, got, test.want)
		}
	}
	finish(4) // what was not accepted by now is of no use
	if got := kept(); !slices.Equal(got, []uint64{4}) {
		t.Errorf("keeps %v, want 4 alone", got)
	}
	// No more than so many wait.
	for n := uint64(5); n < 60; n++ {
		finish(n)
		receive(t, c, &protocol.Ack{Order: n, Round: 1000})
	}
	if len(c.kept) != maxKept {
		t.Errorf("keeps %d, want %d at most", len(c.kept), maxKept)
	}
	if err := New(c.cfg).Restore(c.Save()); err != nil {
		t.Error(err)
	}
}

func controlOrder(w *protocol.Welcome, number uint64) *protocol.Order {
	o := order(w, number)
	o.Hyper.Control = true
	return o
}

// SCAFFOLD: steps are corrected by c - c_i, the change of c_i goes along, and is
// the client's own once the round is closed with its answer in it.
func TestControlVariates(t *testing.T) {
	set := examples(t, 22)
	base := OwnModels().Initial(model(t), 1)
	cfg := learn.FitConfig{Epochs: 2, Batch: 4, LR: .1, Seed: 9}
	const steps = 12
	near := func(what string, got, want []float32) {
		t.Helper()
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-6 {
				t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], want[i])
			}
		}
	}
	// x is the base, y the local model: c_i+ = c_i - c + (x - y)/(K eta).
	change := func(local, c []float32) []float32 {
		d := make([]float32, parameters)
		for i := range d {
			d[i] = (base[i] - local[i]) / (steps * .1)
			if c != nil {
				d[i] -= c[i]
			}
		}
		return d
	}
	c, w := joined(t)
	receive(t, c, controlOrder(w, 1))
	first := answer(t, work(c, 5))
	local := fitted(t, base, set, cfg)
	if len(first.Vectors) != 2 || first.Vectors[1].Role != protocol.RoleControl {
		t.Fatalf("the first answer is %+v", first)
	}
	near("first delta", decoded(t, first.Vectors[0]), minus(local, base))
	ci := decoded(t, first.Vectors[1])
	near("first change", ci, change(local, nil))

	receive(t, c, &protocol.Ack{Order: 1})
	if c.ownControl != nil {
		t.Error("it is the client's own before the round is closed")
	}
	again := New(c.cfg) // a tab that is reloaded now
	if err := again.Restore(c.Save()); err != nil {
		t.Fatal(err)
	}
	receive(t, again, w)
	for _, c := range []*Client{c, again} {
		receive(t, c, &protocol.Status{Closed: 1})
		if !slices.Equal(c.ownControl, ci) {
			t.Fatal("the round is closed, and the control variate is not what was sent")
		}
	}
	if err := again.Restore(c.Save()); err != nil || !slices.Equal(again.ownControl, ci) {
		t.Errorf("saved and restored it is another: %v", err)
	}

	// The second order: the server has a control variate too.
	server := make([]float32, parameters)
	for i := range server {
		server[i] = float32(i%5-2) * .03
	}
	receive(t, c, version(2, base, server))
	o := controlOrder(w, 2)
	o.Base, o.Round = 2, 3
	receive(t, c, o)
	second := answer(t, work(c, 5))
	cfg.Correction = minus(server, ci)
	local = fitted(t, base, set, cfg)
	near("second delta", decoded(t, second.Vectors[0]), minus(local, base))
	near("second change", decoded(t, second.Vectors[1]), change(local, server))

	// What did not count is not adopted: refused, abandoned, or never answered.
	for name, m := range map[string]protocol.Message{
		"refused": &protocol.Ack{Order: 2, Reason: protocol.ReasonLate}, "abandoned": &protocol.Ack{Order: 2, Reason: protocol.ReasonAbandoned},
		"accepted, then abandoned": nil, "not answered": &protocol.Status{Closed: 2},
	} {
		other := New(c.cfg)
		if err := other.Restore(c.Save()); err != nil {
			t.Fatal(err)
		}
		receive(t, other, w)
		if m == nil {
			receive(t, other, &protocol.Ack{Order: 2})
			m = &protocol.Ack{Order: 2, Reason: protocol.ReasonAbandoned}
		}
		receive(t, other, m)
		receive(t, other, &protocol.Status{Closed: 3})
		if !slices.Equal(other.ownControl, ci) {
			t.Errorf("%s: the control variate has changed", name)
		}
	}
	// And another run begins with none.
	run := *w
	run.Run = "another"
	receive(t, c, &run)
	if c.ownControl != nil || c.control != nil || c.stream != 0 {
		t.Error("another run begins with the control variate of this one")
	}
}

// FedProx travels with the order.
func TestProxOrder(t *testing.T) {
	c, w := joined(t)
	o := order(w, 1)
	o.Hyper.Prox = .5
	receive(t, c, o)
	got := answer(t, work(c, 3))
	base := OwnModels().Initial(model(t), 1)
	want := fitted(t, base, examples(t, 22), learn.FitConfig{Epochs: 2, Batch: 4, LR: .1, Seed: 9, Prox: .5})
	if !slices.Equal(decoded(t, got.Vectors[0]), minus(want, base)) {
		t.Error("the proximal term is lost on the way")
	}
}

// Before work on an order that is to be reproducible, and on no other, the host is told.
func TestExact(t *testing.T) {
	c, w := joined(t)
	told := 0
	c.cfg.Exact = func() {
		if told++; c.Progress().Done > 0 {
			t.Error("the host is told after training has begun")
		}
	}
	for number, want := range []int{0, 1, 1} {
		o := order(w, uint64(number+1))
		o.Hyper.Reproducible = number == 1
		receive(t, c, o)
		contribution(t, work(c, 100))
		if told != want {
			t.Errorf("after order %d the host has been told %d times, want %d", o.Order, told, want)
		}
	}
}

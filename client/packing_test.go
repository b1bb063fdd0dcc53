package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fedtab/compress"
	"fedtab/compress/reference"
	"fedtab/learn"
	"fedtab/learn/kernel"
	"fedtab/protocol"
)

// line is some versions on a grid, version 0 first, and the differences between
// them.
type line struct {
	t      testing.TB
	grid   *compress.Grid
	points [][]float32
	levels [][]int32
}

const gridStep = .25

func newLine(t testing.TB, versions int) *line {
	t.Helper()
	m := model(t)
	l := &line{t: t, points: [][]float32{OwnModels().Initial(m, 1)}, levels: [][]int32{nil}}
	var err error
	if l.grid, err = compress.NewGrid(compress.TensorsOf(m.Layout()), l.points[0]); err != nil {
		t.Fatal(err)
	}
	for v := 1; v <= versions; v++ {
		at, p := make([]int32, parameters), make([]float32, parameters)
		for i := range at {
			at[i] = int32((v*i)%7 - 3)
		}
		l.grid.Points(p, at, gridStep)
		l.points, l.levels = append(l.points, p), append(l.levels, at)
	}
	return l
}

func (l *line) hash(v uint64) []byte {
	h := learn.Hash(l.points[v])
	return h[:]
}

// message leads from one version to another.
func (l *line) message(from, to uint64) *protocol.Model {
	l.t.Helper()
	block, err := l.grid.Append(nil, l.levels[from], l.levels[to], gridStep, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return &protocol.Model{Transfer: to, Version: to, Hash: l.hash(to), Base: from, Vectors: []protocol.Vector{
		{Role: protocol.RoleDelta, BaseHash: l.hash(from), Codec: protocol.CodecGrid, Block: block},
	}}
}

// A client follows differences, from the version that it holds or from version 0,
// and says which one it holds.
func TestGrid(t *testing.T) {
	c, w := joined(t)
	l := newLine(t, 4)
	for _, step := range []struct{ from, to uint64 }{{0, 1}, {1, 2}, {0, 3}, {3, 4}} {
		if down := c.Progress().CodecDown; (down == "") != (step.to == 1) {
			t.Fatalf("before version %d the last one came by %q", step.to, down)
		}
		held := c.params
		was := slices.Clone(held)
		receive(t, c, l.message(step.from, step.to))
		if c.version != step.to || !slices.Equal(c.params, l.points[step.to]) {
			t.Fatalf("from %d the client gets to version %d with other bits than version %d", step.from, c.version, step.to)
		}
		if !slices.Equal(held, was) {
			t.Fatal("the version before was written to: others may share it")
		}
		if h := c.Hello(); h.Held != step.to || !bytes.Equal(h.HeldHash, l.hash(step.to)) {
			t.Fatalf("its hello holds %d by %x", h.Held, h.HeldHash)
		}
	}
	o := order(w, 1)
	o.Base, o.BaseHash = 4, l.hash(4)
	if out := receive(t, c, o); len(out) != 0 || !c.Ready() {
		t.Errorf("an order on version 4 is answered by %v", out)
	}
	if p := c.Progress(); p.CodecDown != "grid" || p.Codec != o.Hyper.Codec.String() {
		t.Errorf("with the order, versions come by %q and answers go by %q", p.CodecDown, p.Codec)
	}
	c.Release(9)
	if !c.Ready() {
		t.Error("what the order in work rests on was let go of")
	}
}

// A version that is let go of is none that is held; version 0 can always be made.
func TestRelease(t *testing.T) {
	c, _ := joined(t)
	l := newLine(t, 3)
	receive(t, c, l.message(0, 2))
	c.Release(2)
	if h := c.Hello(); h.Held != 2 || h.HeldHash == nil {
		t.Fatalf("version 2 is let go of, though differences from it may come: %+v", h)
	}
	c.Release(3)
	if h := c.Hello(); h.Held != 0 || h.HeldHash != nil {
		t.Fatalf("its hello holds %d by %x, want nothing", h.Held, h.HeldHash)
	}
	if _, err := c.Receive(l.message(2, 3)); err == nil {
		t.Error("a difference from version 2 is taken")
	}
	receive(t, c, l.message(0, 3))
	if c.version != 3 || !slices.Equal(c.params, l.points[3]) {
		t.Error("the difference from version 0 does not lead to version 3")
	}
}

// What does not fit is refused with the reason, and the client holds what it held.
func TestGridRefused(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(m *protocol.Model)
		want  string
		block bool // the block is broken
	}{
		{"a base that is not held", func(m *protocol.Model) { m.Base = 2 }, "from version 2: a difference from a version that is not held", false},
		{"the base by another hash", func(m *protocol.Model) { m.Vectors[0].BaseHash = make([]byte, 32) }, "from version 1: a difference from a version that is not held", false},
		{"no hash of the base", func(m *protocol.Model) { m.Vectors[0].BaseHash = nil }, "from version 1: a difference from a version that is not held", false},
		{"another hash of what comes out", func(m *protocol.Model) { m.Hash = make([]byte, 32) }, "do not match their hash", false},
		{"a block that is cut off", func(m *protocol.Model) { m.Vectors[0].Block = m.Vectors[0].Block[:20] }, "", true},
		{"an empty block", func(m *protocol.Model) { m.Vectors[0].Block = nil }, "", true},
		{"a block that goes on", func(m *protocol.Model) { m.Vectors[0].Block = append(m.Vectors[0].Block, 0) }, "", true},
		{"a difference by another codec", func(m *protocol.Model) { m.Vectors[0].Codec = protocol.CodecDeadzone }, "want parameters, or a difference on the grid", false},
		{"parameters on the grid", func(m *protocol.Model) { m.Vectors[0].Role = protocol.RoleModel }, "unknown codec 5", false},
		{"nothing", func(m *protocol.Model) { m.Vectors = nil }, "want a vector of parameters", false},
		{"a second difference", func(m *protocol.Model) { m.Vectors = append(m.Vectors, m.Vectors[0]) }, "and a control variate at most", false},
		{"a broken control variate", func(m *protocol.Model) {
			m.Vectors = append(m.Vectors, protocol.Vector{Role: protocol.RoleControl, Block: []byte{1}})
		}, "control variate", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := joined(t)
			l := newLine(t, 3)
			receive(t, c, l.message(0, 1))
			m := l.message(1, 3)
			test.edit(m)
			_, err := c.Receive(m)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "model of version 3") {
				t.Errorf("got %v, want an error about version 3 with %q", err, test.want)
			}
			if test.block && !errors.Is(err, compress.ErrBlock) {
				t.Errorf("got %v, want compress.ErrBlock", err)
			}
			if c.version != 1 || !slices.Equal(c.params, l.points[1]) {
				t.Errorf("the client holds version %d now", c.version)
			}
			if receive(t, c, l.message(1, 3)); c.version != 3 {
				t.Error("the right message after it is of no use")
			}
		})
	}
}

// elsewhere makes another version 0, as other arithmetic would.
type elsewhere struct{ Models }

func (e elsewhere) Initial(m learn.Model, seed uint64) []float32 {
	params := slices.Clone(e.Models.Initial(m, seed))
	params[0]++
	return params
}

// Who cannot make version 0 cannot follow differences: it skips those that were
// sent before the coordinator knew, and does not ask for them on its next socket.
func TestGridElsewhere(t *testing.T) {
	c, w := New(Config{Models: elsewhere{OwnModels()}}), welcome(t)
	c.SetExamples(examples(t, 9))
	if !slices.Contains(c.Hello().Codecs, protocol.CodecGrid) {
		t.Error("its first hello lacks the grid, though nothing is known")
	}
	if out := receive(t, c, w); len(out) != 1 || *out[0].(*protocol.Want) != (protocol.Want{Version: 0, Full: true}) {
		t.Fatalf("the welcome is answered by %v", out)
	}
	l := newLine(t, 2)
	receive(t, c, l.message(0, 1))
	receive(t, c, l.message(1, 2))
	o := order(w, 1)
	o.Base, o.BaseHash = 2, l.hash(2)
	if out := receive(t, c, o); len(out) != 1 || *out[0].(*protocol.Want) != (protocol.Want{Version: 2, Full: true}) {
		t.Fatalf("the order on what it could not follow is answered by %v", out)
	}
	receive(t, c, &protocol.Model{Version: 2, Hash: l.hash(2), Vectors: []protocol.Vector{
		{Role: protocol.RoleModel, Block: compress.AppendFloat32(nil, l.points[2])},
	}})
	if !c.Ready() || slices.Contains(c.Hello().Codecs, protocol.CodecGrid) {
		t.Error("with all of the version it is not ready, or its next hello has the grid")
	}
}

// packedOrder asks for an answer of few bits, with what earlier ones have lost.
func packedOrder(w *protocol.Welcome, number uint64) *protocol.Order {
	o := order(w, number)
	o.Hyper.Codec, o.Hyper.Bits, o.Hyper.Feedback = protocol.CodecDeadzone, 1, true
	return o
}

// packedAnswer lets a client work on an order, and returns the block.
func packedAnswer(t testing.TB, c *Client, o *protocol.Order) []byte {
	t.Helper()
	receive(t, c, o)
	out := work(c, math.MaxInt)
	receive(t, c, &protocol.Ack{Order: o.Order, Round: o.Round, Reason: protocol.ReasonAccepted})
	return contribution(t, out).Vectors[0].Block
}

// What an answer has lost goes into the next one, also after a reload; it fades
// with the rounds that were missed, and belongs to one run.
func TestFeedbackIsSaved(t *testing.T) {
	c, w := joined(t)
	plain := packedOrder(w, 2)
	plain.Hyper.Feedback = false
	first := packedAnswer(t, c, packedOrder(w, 1))
	saved := c.Save()
	reload := func(w *protocol.Welcome) *Client {
		t.Helper()
		again := New(c.cfg)
		if err := again.Restore(saved); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Save(), saved) {
			t.Error("saved again, it is something else")
		}
		receive(t, again, w)
		receive(t, again, &protocol.Shards{Shards: []uint32{3}, Total: 5})
		if err := again.AddShard(3, examples(t, 22)); err != nil {
			t.Fatal(err)
		}
		return again
	}
	other := *w
	other.Run = "another"
	blocks := map[string][]byte{
		"after a reload":      packedAnswer(t, reload(w), packedOrder(w, 2)),
		"five rounds later":   packedAnswer(t, reload(w), packedOrder(w, 7)),
		"in another run":      packedAnswer(t, reload(&other), packedOrder(w, 1)),
		"without feedback":    packedAnswer(t, reload(w), plain),
		"without an interval": packedAnswer(t, c, packedOrder(w, 2)),
	}
	same := func(a, b string) bool { return bytes.Equal(blocks[a], blocks[b]) }
	blocks["the first"] = first
	if same("without an interval", "the first") || same("after a reload", "the first") {
		t.Error("the second answer is as the first: nothing was fed back")
	}
	if !same("without feedback", "the first") || !same("in another run", "the first") {
		t.Error("without feedback, or in another run, the answer is not as the first")
	}
	if same("five rounds later", "after a reload") {
		t.Error("what is fed back does not fade")
	}

	// The residual itself, exactly.
	again := reload(w)
	again.feedback = compress.NewFeedback(nil, nil)
	if err := again.feedback.RestoreState(again.residual, parameters); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.feedback.AppendState(nil), again.residual) || len(again.residual) < parameters {
		t.Errorf("%d bytes of feedback do not come back as they were", len(again.residual))
	}
}

// Save allocates what it returns once, and buffers of the packing that are no larger.
func TestSaveAllocatesOnce(t *testing.T) {
	c, w := joined(t)
	const n = 1 << 20
	residual := make([]float32, n)
	for i := range residual {
		residual[i] = float32(i%1000) * 1e-3
	}
	packedAnswer(t, c, packedOrder(w, 1)) // with feedback
	block, err := compress.Append(protocol.CodecPlanes, nil, residual)
	if err != nil {
		t.Fatal(err)
	}
	head := binary.AppendUvarint([]byte{1}, n)
	if err := c.feedback.RestoreState(append(head, block...), n); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	saved := c.Save()
	runtime.ReadMemStats(&after)
	if got, limit := int(after.TotalAlloc-before.TotalAlloc), 8*n; got > limit {
		t.Errorf("%d bytes are allocated for %d, want at most %d", got, len(saved), limit)
	}
}

// What was refused is not made up for.
func TestFeedbackIsFlushed(t *testing.T) {
	c, w := joined(t)
	first := packedAnswer(t, c, packedOrder(w, 1))
	receive(t, c, packedOrder(w, 2))
	work(c, math.MaxInt)
	receive(t, c, &protocol.Ack{Order: 2, Round: 2, Reason: protocol.ReasonOutOfBounds})
	if got := packedAnswer(t, c, packedOrder(w, 3)); !bytes.Equal(got, first) {
		t.Error("after a refusal something is still fed back")
	}
}

// Both ends draw dither from the run, the participant, the order and the vector:
// the blocks are what the coordinator will take them for.
func TestDitherSeed(t *testing.T) {
	answer := func(codec protocol.Codec) []protocol.Vector {
		c, w := joined(t)
		o := order(w, 4)
		o.Hyper.Control, o.Hyper.Codec, o.Hyper.Bits = true, codec, 8
		receive(t, c, o)
		return contribution(t, work(c, math.MaxInt)).Vectors
	}
	w, m := welcome(t), model(t)
	dither, err := compress.Lookup(protocol.CodecDither)
	if err != nil {
		t.Fatal(err)
	}
	got := answer(protocol.CodecDither)
	for i, v := range answer(protocol.CodecFloat32) {
		exact := make([]float32, parameters)
		if err := compress.DecodeFloat32(exact, v.Block); err != nil {
			t.Fatal(err)
		}
		options := compress.Options{Bits: 8, Seed: compress.DitherSeed(w.Seed, w.Participant, 4, i)}
		want, err := dither.NewEncoder(compress.TensorsOf(m.Layout())).Append(nil, exact, options)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[i].Block, want) {
			t.Errorf("vector %d is dithered by another seed", i)
		}
	}
}

// Orders of no round in particular age what is fed back too, by their bases.
func TestFeedbackFadesWithoutRounds(t *testing.T) {
	c, w := joined(t)
	l := newLine(t, 6)
	asynchronous := func(number, base uint64) *protocol.Order {
		o := packedOrder(w, number)
		o.Round, o.Base, o.BaseHash = 0, base, l.hash(base)
		return o
	}
	packedAnswer(t, c, asynchronous(1, 0))
	receive(t, c, w) // back after an absence
	receive(t, c, l.message(0, 5))
	o := asynchronous(2, 5)
	receive(t, c, o)
	if c.packedRound != 1 || !c.away {
		t.Fatalf("packed for round %d, away %v", c.packedRound, c.away)
	}
	work(c, math.MaxInt)
	if c.away || c.packedRound != 6 {
		t.Errorf("packed for round %d, away %v after the answer", c.packedRound, c.away)
	}
}

// A refusal flushes what a reload has not unpacked yet, too.
func TestRefusalFlushesSaved(t *testing.T) {
	c, w := joined(t)
	packedAnswer(t, c, packedOrder(w, 1))
	receive(t, c, packedOrder(w, 2))
	work(c, math.MaxInt) // on its way while the tab is reloaded
	again := New(c.cfg)
	if err := again.Restore(c.Save()); err != nil {
		t.Fatal(err)
	}
	receive(t, again, w)
	if again.residual == nil {
		t.Fatal("nothing was saved")
	}
	receive(t, again, &protocol.Ack{Order: 2, Round: 2, Reason: protocol.ReasonOutOfBounds})
	if again.residual != nil {
		t.Error("what was refused is fed back")
	}
}

// The grid codes versions, not answers: such an order is declined at once.
func TestOrderByGrid(t *testing.T) {
	c, w := joined(t)
	o := packedOrder(w, 1)
	o.Hyper.Codec = protocol.CodecGrid
	out := receive(t, c, o)
	if d, ok := out[0].(*protocol.Decline); !ok || d.Reason != protocol.ReasonCodec || c.Ready() {
		t.Errorf("it is answered by %v", out)
	}
}

// A client has the codecs that a simulation adds, and no others beside the build's.
func TestOrderByReferenceCodec(t *testing.T) {
	for _, codecs := range []compress.Extra{nil, reference.Codecs()} {
		c, w := joinedWith(t, Config{Name: "test", Task: "task", Packers: &Packers{Codecs: codecs}})
		if got := slices.Contains(c.Hello().Codecs, reference.Ternary); got != (codecs != nil) {
			t.Errorf("its Hello has the codec: %v, want %v", got, codecs != nil)
		}
		o := packedOrder(w, 1)
		o.Hyper.Codec = reference.Ternary
		out := receive(t, c, o)
		if codecs == nil {
			if d, ok := out[0].(*protocol.Decline); !ok || d.Reason != protocol.ReasonCodec {
				t.Errorf("it is answered by %v, want a Decline", out)
			}
			continue
		}
		got := contribution(t, work(c, math.MaxInt)).Vectors[0]
		if got.Codec != reference.Ternary {
			t.Errorf("the answer is packed by codec %d, want %d", got.Codec, reference.Ternary)
		}
		k, err := codecs.Lookup(reference.Ternary)
		if err != nil {
			t.Fatal(err)
		}
		if err := compress.DecodeWith(k.NewDecoder(), make([]float32, model(t).Layout().Size), got.Block, compress.Options{}); err != nil {
			t.Error(err)
		}
	}
}

// With monitor orders, what packing has lost comes with the next answer where another
// model has taken the place of the client's own. Its own still has it; and where the
// client begins anew from the base, nothing is owed.
func TestMonitorFeedback(t *testing.T) {
	deadzone, err := compress.Lookup(protocol.CodecDeadzone)
	if err != nil {
		t.Fatal(err)
	}
	tensors := compress.TensorsOf(model(t).Layout())
	pack := func(v []float32) []byte {
		t.Helper()
		block, err := deadzone.NewEncoder(tensors).Append(nil, v, compress.Options{Bits: 2})
		if err != nil {
			t.Fatal(err)
		}
		return block
	}
	base := OwnModels().Initial(model(t), 1)
	packed := func(w *protocol.Welcome, number uint64, delta float64) *protocol.Order {
		o := monitorOrder(w, number, delta)
		o.Hyper.Codec, o.Hyper.Bits, o.Hyper.Feedback = protocol.CodecDeadzone, 2, true
		return o
	}
	mean, start := make([]float32, parameters), slices.Clone(base)
	for i := range mean {
		mean[i] = float32(i%5) / 64
		start[i] += mean[i]
	}
	hash := learn.Hash(start)
	for _, test := range []struct {
		name string
		next func(o *protocol.Order)
		want func(own, lost []float32) []float32 // what the next answer packs
	}{
		{"its own model", func(*protocol.Order) {}, func(own, _ []float32) []float32 { return own }},
		{"a mean", func(o *protocol.Order) { o.Start = hash[:] }, func(_, lost []float32) []float32 {
			v := slices.Clone(lost)
			for i := range v {
				v[i] += start[i] - base[i]
			}
			return v
		}},
		{"the base", func(o *protocol.Order) { o.Start = o.BaseHash }, func(_, lost []float32) []float32 { return make([]float32, len(lost)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, w := joined(t)
			receive(t, c, packed(w, 1, 0))
			first := answer(t, c.Work(c.NewWorkspace(), math.MaxInt)).Vectors[0].Block
			own := minus(c.Local(), base)
			if !bytes.Equal(first, pack(own)) {
				t.Fatal("the first answer is not the delta")
			}
			lost := slices.Clone(own)
			sent := make([]float32, parameters)
			if err := compress.Decode(protocol.CodecDeadzone, sent, first); err != nil {
				t.Fatal(err)
			}
			for i, x := range sent {
				lost[i] -= x
			}
			if kernel.SquaredNorm(lost) == 0 {
				t.Fatal("nothing was lost: the test shows nothing")
			}
			receive(t, c, &protocol.Model{Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: w.InitialHash, Block: compress.AppendFloat32(nil, mean)}}})
			o := packed(w, 2, 1000)
			test.next(o)
			receive(t, c, o)
			second := answer(t, receive(t, c, &protocol.Fetch{Order: 2})).Vectors[0].Block
			if !bytes.Equal(second, pack(test.want(own, lost))) {
				t.Error("the next answer packs something else")
			}
		})
	}
}

// A control variate follows differences on a grid around zero, from what came with the
// version that is held.
func TestVariateOnGrid(t *testing.T) {
	l := newLine(t, 3)
	zero, err := compress.NewGrid(compress.TensorsOf(model(t).Layout()), make([]float32, parameters))
	if err != nil {
		t.Fatal(err)
	}
	// Its levels in version v are those of the line's version v + 1, on a finer grid.
	const step = gridStep / 8
	at := func(v uint64) []int32 {
		if v == 0 {
			return nil
		}
		k := slices.Clone(l.levels[v])
		for i := range k {
			k[i] += int32(i % 3)
		}
		return k
	}
	message := func(from, to uint64) *protocol.Model {
		m := l.message(from, to)
		block, err := zero.Append(nil, at(from), at(to), step, 0)
		if err != nil {
			t.Fatal(err)
		}
		m.Vectors = append(m.Vectors, protocol.Vector{Role: protocol.RoleControl, Codec: protocol.CodecGrid, Block: block})
		return m
	}
	c, _ := joined(t)
	for _, v := range []struct{ from, to uint64 }{{0, 1}, {1, 2}, {0, 3}} {
		receive(t, c, message(v.from, v.to))
		want := make([]float32, parameters)
		zero.Points(want, at(v.to), step)
		if !slices.Equal(c.control, want) {
			t.Fatalf("from version %d to %d the control variate is %v, want %v", v.from, v.to, c.control, want)
		}
	}
	broken := message(2, 3)
	broken.Vectors[1].Block = broken.Vectors[1].Block[:8]
	receive(t, c, message(0, 2))
	if _, err := c.Receive(broken); err == nil || !strings.Contains(err.Error(), "control variate") || !errors.Is(err, compress.ErrBlock) {
		t.Errorf("a control variate that is cut off: %v, want compress.ErrBlock that names it", err)
	}
}

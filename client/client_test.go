package client

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/tab"
)

var spec = protocol.ModelSpec{
	Input: []uint32{2, 2},
	Layers: []protocol.Layer{
		{Kind: protocol.LayerDense, Units: 5, Activation: protocol.ActivationReLU},
		{Kind: protocol.LayerDense, Units: 3},
	},
}

const parameters = 4*5 + 5 + 5*3 + 3

func model(t testing.TB) learn.Model {
	m, err := learn.New(SpecOf(spec))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func welcome(t testing.TB) *protocol.Welcome {
	initial := OwnModels().Initial(model(t), 1)
	hash := learn.Hash(initial)
	return &protocol.Welcome{
		Participant: 1, ResumeToken: []byte("token"), Run: "run", Model: spec, Seed: 1,
		InitialHash: hash[:], Parameters: parameters,
	}
}

func order(w *protocol.Welcome, number uint64) *protocol.Order {
	return &protocol.Order{
		Order: number, Kind: protocol.OrderFit, Round: number, BaseHash: w.InitialHash, Seed: 9,
		Hyper: protocol.Hyper{Epochs: 2, Batch: 4, LR: .1},
	}
}

// examples makes n examples of three classes.
func examples(t testing.TB, n int) *data.Set {
	x := make([]uint8, 4*n)
	y := make([]uint8, n)
	for i := range y {
		y[i] = uint8(i % 3)
		x[4*i+i%3] = 255
		x[4*i+3] = uint8(i)
	}
	s, err := data.NewSet(data.Array{Dims: []int{n, 2, 2}, Data: x}, data.Array{Dims: []int{n}, Data: y}, 3)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func receive(t testing.TB, c *Client, m protocol.Message) []protocol.Message {
	t.Helper()
	out, err := c.Receive(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// joined returns a client that has been welcomed and has one shard.
func joined(t testing.TB) (*Client, *protocol.Welcome) {
	return joinedWith(t, Config{Name: "test", Task: "task"})
}

func joinedWith(t testing.TB, cfg Config) (*Client, *protocol.Welcome) {
	c := New(cfg)
	w := welcome(t)
	if out := receive(t, c, w); len(out) != 0 {
		t.Fatalf("a welcome is answered by %v", out)
	}
	receive(t, c, &protocol.Shards{Shards: []uint32{3}, Total: 5})
	if err := c.AddShard(3, examples(t, 22)); err != nil {
		t.Fatal(err)
	}
	return c, w
}

// work lets the client finish its order in slices of some steps.
func work(c *Client, steps int) (out []protocol.Message) {
	b := c.NewWorkspace()
	for c.Ready() {
		out = append(out, c.Work(b, steps)...)
	}
	return out
}

func contribution(t testing.TB, out []protocol.Message) *protocol.Contribution {
	t.Helper()
	if len(out) != 2 {
		t.Fatalf("an order is answered by %d messages, want progress and contribution", len(out))
	}
	if p, ok := out[0].(*protocol.Progress); !ok || p.Examples != 44 {
		t.Fatalf("the first answer is %#v", out[0])
	}
	return out[1].(*protocol.Contribution)
}

// An order is answered by the delta against its base, weighted by the local
// examples; slices of any length give the same bits.
func TestOrder(t *testing.T) {
	var first []byte
	for _, steps := range []int{1, 2, 5, math.MaxInt} {
		c, w := joined(t)
		receive(t, c, order(w, 1))
		got := contribution(t, work(c, steps))
		if got.Weight != 22 || got.Round != 1 || got.Metrics.Examples != 44 || got.Metrics.Steps != 12 {
			t.Fatalf("contribution %+v", got)
		}
		v := got.Vectors[0]
		if !bytes.Equal(v.BaseHash, w.InitialHash) || v.Role != protocol.RoleDelta {
			t.Fatalf("vector %+v", v)
		}
		if first == nil {
			first = v.Block
		}
		if !bytes.Equal(first, v.Block) {
			t.Errorf("slices of %d steps give other bits", steps)
		}
	}
	// The same training by hand.
	m := model(t)
	base := OwnModels().Initial(m, 1)
	local := slices.Clone(base)
	f := learn.NewFit(m)
	if err := f.Start(local, examples(t, 22), learn.FitConfig{Epochs: 2, Batch: 4, LR: .1, Seed: 9}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(math.MaxInt); err != nil {
		t.Fatal(err)
	}
	delta := make([]float32, parameters)
	if err := compress.Decode(protocol.CodecFloat32, delta, first); err != nil {
		t.Fatal(err)
	}
	for i := range delta {
		if want := local[i] - base[i]; delta[i] != want {
			t.Fatalf("element %d is %g, want %g", i, delta[i], want)
		}
	}
}

// A finished contribution is kept until its round is closed, and offered again
// when the order comes again after a lost socket.
func TestKeeps(t *testing.T) {
	c, w := joined(t)
	receive(t, c, order(w, 1))
	first := contribution(t, work(c, 100))
	receive(t, c, w) // a new socket
	again := receive(t, c, order(w, 1))
	if len(again) != 1 || again[0] != protocol.Message(first) {
		t.Fatalf("the order again gives %v, want the same contribution", again)
	}
	receive(t, c, &protocol.Ack{Order: 1})
	if !c.Keeps() {
		t.Error("an acknowledgement means received, not durable")
	}
	receive(t, c, w) // a coordinator that was killed has lost it, and accepts it again
	receive(t, c, order(w, 1))
	receive(t, c, &protocol.Ack{Order: 1})
	receive(t, c, &protocol.Status{Closed: 1, Version: 1})
	if c.Keeps() {
		t.Error("the round is closed, and the contribution is kept still")
	}
	if p := c.Progress(); p.Accepted != 1 || p.Activity != Waiting {
		t.Errorf("progress %+v", p)
	}
}

// Work in progress is given up when it has become useless.
func TestGivesUp(t *testing.T) {
	for _, test := range []struct {
		name string
		m    protocol.Message
		next Activity
	}{
		{"round abandoned", &protocol.Ack{Order: 1, Reason: protocol.ReasonAbandoned}, Waiting},
		{"round closed", &protocol.Status{Closed: 1}, Waiting},
		{"run paused", &protocol.Status{Phase: protocol.PhasePaused}, Waiting},
		{"run over", &protocol.Status{Phase: protocol.PhaseFinished}, Finished},
		{"goodbye", &protocol.Bye{Code: protocol.CloseFinished}, Finished},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, w := joined(t)
			receive(t, c, order(w, 1))
			c.Work(c.NewWorkspace(), 1)
			receive(t, c, test.m)
			if c.Ready() || c.Progress().Activity != test.next {
				t.Errorf("ready %v, %v; want %v", c.Ready(), c.Progress().Activity, test.next)
			}
		})
	}
}

func TestDeclines(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(c *Client, o *protocol.Order)
		want protocol.Reason
	}{
		{"a kind not built", func(_ *Client, o *protocol.Order) { o.Kind = protocol.OrderEvaluate }, protocol.ReasonUnsupported},
		{"an unknown codec", func(_ *Client, o *protocol.Order) { o.Hyper.Codec = 99 }, protocol.ReasonCodec},
		{"paused", func(c *Client, _ *protocol.Order) { c.SetTab(protocol.TabPaused) }, protocol.ReasonPaused},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, w := joined(t)
			o := order(w, 1)
			test.edit(c, o)
			out := receive(t, c, o)
			if d, ok := out[0].(*protocol.Decline); !ok || d.Order != 1 || d.Reason != test.want || c.Ready() {
				t.Errorf("got %#v, want to decline: %v", out[0], test.want)
			}
		})
	}
	t.Run("paused in the middle", func(t *testing.T) {
		c, w := joined(t)
		receive(t, c, order(w, 1))
		c.Work(c.NewWorkspace(), 1)
		out := c.SetTab(protocol.TabPaused)
		if len(out) != 2 || out[1].(*protocol.Decline).Reason != protocol.ReasonPaused || c.Ready() {
			t.Errorf("got %v", out)
		}
	})
	t.Run("paused before an answer came", func(t *testing.T) {
		c, w := joined(t)
		receive(t, c, order(w, 1))
		work(c, 1)
		c.SetTab(protocol.TabPaused)
		receive(t, c, &protocol.Ack{Order: 1})
		if got := c.Progress().Activity; got != Paused {
			t.Errorf("after the answer: %s", got)
		}
		receive(t, c, &protocol.Status{Phase: protocol.PhaseTraining, Closed: 1})
		if got := c.Progress().Activity; got != Paused {
			t.Errorf("after the round: %s", got)
		}
		if c.SetTab(protocol.TabVisible); c.Progress().Activity != Waiting {
			t.Errorf("after the pause: %s", c.Progress().Activity)
		}
	})
	t.Run("paused at the end", func(t *testing.T) {
		c, _ := joined(t)
		receive(t, c, &protocol.Status{Phase: protocol.PhaseFinished})
		for _, s := range []protocol.TabState{protocol.TabPaused, protocol.TabVisible} {
			if c.SetTab(s); c.Progress().Activity != Finished {
				t.Errorf("a tab that is %s: %s", s, c.Progress().Activity)
			}
		}
	})
	t.Run("diverges", func(t *testing.T) {
		c, w := joined(t)
		o := order(w, 1)
		o.Hyper.LR = 1e30
		receive(t, c, o)
		out := work(c, 1)
		if d, ok := out[len(out)-1].(*protocol.Decline); !ok || d.Reason != protocol.ReasonDiverged {
			t.Errorf("got %#v", out)
		}
	})
}

// A client whose version 0 is another one, or that lacks an order's base,
// asks for it, and works once it has come.
func TestWants(t *testing.T) {
	w := welcome(t)
	other := *w
	other.InitialHash = make([]byte, protocol.HashSize)
	c := New(Config{})
	if out := receive(t, c, &other); len(out) != 1 || *out[0].(*protocol.Want) != (protocol.Want{Version: 0, Full: true}) {
		t.Fatalf("another version 0 is answered by %v", out)
	}
	c.SetExamples(examples(t, 9))
	params := make([]float32, parameters)
	hash := learn.Hash(params)
	o := order(w, 5)
	o.Base, o.BaseHash = 4, hash[:]
	if out := receive(t, c, o); len(out) != 1 || out[0].(*protocol.Want).Version != 4 || c.Ready() {
		t.Fatalf("an order on a model that is not here is answered by %v", out)
	}
	m := &protocol.Model{Version: 4, Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleModel, Block: compress.AppendFloat32(nil, params)}}}
	receive(t, c, m)
	if !c.Ready() {
		t.Error("the model has come, and the client does not work")
	}
	if h := c.Hello(); h.Held != 4 || !bytes.Equal(h.HeldHash, hash[:]) {
		t.Errorf("hello says it holds %d", h.Held)
	}
	for name, bad := range map[string]*protocol.Model{
		"wrong hash": {Version: 5, Hash: w.InitialHash, Vectors: m.Vectors},
		"no vector":  {Version: 5, Hash: hash[:]},
		"too short":  {Version: 5, Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleModel, Block: make([]byte, 8)}}},
	} {
		if _, err := c.Receive(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A coordinator that does not keep to the protocol is an error, never a panic.
func TestRefuses(t *testing.T) {
	c := New(Config{})
	if _, err := c.Receive(&protocol.Order{}); err == nil {
		t.Error("an order before the welcome is taken")
	}
	if _, err := c.Receive(&protocol.Bye{Code: protocol.CloseUnknownTask}); err != nil {
		t.Errorf("sent away at the door: %v", err)
	}
	w := welcome(t)
	w.Parameters++
	if _, err := c.Receive(w); err == nil {
		t.Error("a welcome with another number of parameters is taken")
	}
	w = welcome(t)
	w.Model.Layers = nil
	if _, err := c.Receive(w); err == nil {
		t.Error("a model without layers is taken")
	}
	c, _ = joined(t)
	if _, err := c.Receive(&protocol.Hello{}); err == nil {
		t.Error("a hello from a coordinator is taken")
	}
	receive(t, c, &protocol.Shards{Shards: []uint32{1}})
	wide, err := data.NewSet(data.Array{Dims: []int{1, 9}, Data: make([]uint8, 9)}, data.Array{Dims: []int{1}, Data: []uint8{0}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddShard(1, wide); err == nil {
		t.Error("a shard of another shape is taken")
	}
}

// A coordinator that comes back with other data names another source: shards of the
// old one are not used under the same numbers.
func TestShardsOfAnotherSource(t *testing.T) {
	c, w := joined(t)
	assigned := func(source string) *protocol.Shards {
		return &protocol.Shards{Source: source, Shards: []uint32{1, 2}, Total: 8}
	}
	receive(t, c, assigned("/data/a/01"))
	for n := range uint32(2) {
		if err := c.AddShard(n+1, examples(t, 20)); err != nil {
			t.Fatal(err)
		}
	}
	receive(t, c, assigned("/data/a/01")) // the same data: nothing is fetched again
	if got := c.Missing(); len(got) > 0 || c.Examples() != 40 {
		t.Errorf("missing %v, %d examples; want none missing of 40", got, c.Examples())
	}
	again := *w
	again.Run = "another"
	receive(t, c, &again)
	receive(t, c, assigned("/data/a/02"))
	if got := c.Missing(); !slices.Equal(got, []uint32{1, 2}) || c.Examples() != 0 {
		t.Errorf("missing %v, %d examples of another source; want all missing", got, c.Examples())
	}
	if err := c.AddShard(2, examples(t, 5)); err != nil || c.Examples() != 5 {
		t.Errorf("%d examples, %v; want the 5 of the new shard", c.Examples(), err)
	}
}

// Training starts with all shards, or with a quarter if that has to do; what is no longer
// assigned is given up.
func TestShards(t *testing.T) {
	c, w := joined(t)
	receive(t, c, &protocol.Shards{Shards: []uint32{1, 2, 3, 4, 5, 6, 7, 8}})
	receive(t, c, order(w, 1))
	if c.MakeDo(); c.Ready() {
		t.Error("training starts with one shard of eight")
	}
	if got := c.Missing(); !slices.Equal(got, []uint32{1, 2, 4, 5, 6, 7, 8}) {
		t.Errorf("missing %v", got)
	}
	if err := c.AddShard(5, examples(t, 10)); err != nil {
		t.Fatal(err)
	}
	if !c.Ready() || c.Examples() != 32 {
		t.Errorf("ready %v with %d examples", c.Ready(), c.Examples())
	}
	b := c.NewWorkspace()
	c.Work(b, 1)
	receive(t, c, &protocol.Shards{Shards: []uint32{5}})
	if here, assigned := c.Shards(); here != 1 || assigned != 1 {
		t.Errorf("%d of %d shards", here, assigned)
	}
	// The order in work goes on with the data that it began with.
	var got *protocol.Contribution
	for c.Ready() {
		for _, m := range c.Work(b, 1) {
			got, _ = m.(*protocol.Contribution)
		}
	}
	if got == nil || got.Weight != 32 {
		t.Errorf("contribution %+v", got)
	}
}

// A participant that comes back after a reload holds no examples. It does not answer an
// order with those that have come by then: a round that was trained on a quarter of the
// examples made the model worse.
func TestReloadTrainsOnAllShards(t *testing.T) {
	w := welcome(t)
	all := []uint32{1, 2, 3, 4}
	c := New(Config{Task: "task"})
	receive(t, c, w)
	receive(t, c, &protocol.Shards{Shards: all})
	again := New(Config{Task: "task"})
	if err := again.Restore(c.Save()); err != nil {
		t.Fatal(err)
	}
	receive(t, again, w)
	receive(t, again, &protocol.Shards{Shards: all})
	receive(t, again, order(w, 2))
	for i, n := range all {
		if again.Ready() {
			t.Errorf("training starts with %d of %d shards", i, len(all))
		}
		if err := again.AddShard(n, examples(t, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range work(again, math.MaxInt) {
		if got, ok := m.(*protocol.Contribution); ok && got.Weight != 40 {
			t.Errorf("the answer is from %d examples, want 40", got.Weight)
		}
	}
	if got := again.Progress().Activity; got != Sending {
		t.Errorf("activity %v, want an answer", got)
	}
}

// An order that has to do without shards that cannot be fetched says nothing of the next
// one, nor of shards that are assigned anew.
func TestMakeDo(t *testing.T) {
	c, w := joined(t)
	receive(t, c, &protocol.Shards{Shards: []uint32{3, 4, 5, 6}})
	receive(t, c, order(w, 1))
	if c.Ready() {
		t.Error("training starts with one shard of four")
	}
	if c.MakeDo(); !c.Ready() {
		t.Error("training does not start with a quarter that has to do")
	}
	if receive(t, c, &protocol.Shards{Shards: []uint32{3, 4, 5, 7}}); c.Ready() {
		t.Error("training starts with one shard of four that were assigned anew")
	}
	c.MakeDo()
	if receive(t, c, order(w, 2)); c.Ready() {
		t.Error("the next order starts with one shard of four")
	}
}

// What a client keeps does not grow with the rounds.
func TestClientStaysSmall(t *testing.T) {
	c, w := joined(t)
	c.cfg.Watched = true
	var account tab.Account
	b := c.NewWorkspace()
	var out []protocol.Message
	round := func(n uint64) {
		o := order(w, n)
		o.Hyper.Epochs, o.Hyper.Batch = 1, 0
		receive(t, c, o)
		for c.Ready() {
			out = append(out[:0], c.Work(b, math.MaxInt)...)
			for _, m := range out {
				account.Add(c.Entry(m, true))
			}
		}
		receive(t, c, &protocol.Ack{Order: n})
		receive(t, c, &protocol.Status{Round: n, Closed: n})
		account.Take()
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // finalises what the first has found
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for n := uint64(1); n <= 100; n++ {
		round(n)
	}
	before, saved := heap(), len(c.Save())
	for n := uint64(101); n <= 1000; n++ {
		round(n)
	}
	if after := heap(); after > before+before/33+16<<10 {
		t.Errorf("%d bytes after 100 rounds, %d after 1,000; want at most 3%% more", before, after)
	}
	if got := len(c.Save()); got > saved+16 {
		t.Errorf("%d bytes are saved after 100 rounds, %d after 1,000", saved, got)
	}
	runtime.KeepAlive(c)
}

// Pictures that a client shows come from all over what it was given.
func TestPictures(t *testing.T) {
	c, _ := joined(t)
	receive(t, c, &protocol.Shards{Shards: []uint32{1, 2}})
	if pixels, labels, _ := c.Pictures(5); len(pixels) != 0 || len(labels) != 0 {
		t.Errorf("%d pixels and %d labels of no shards", len(pixels), len(labels))
	}
	first, second := examples(t, 4), examples(t, 8)
	for n, s := range []*data.Set{first, second} {
		if err := c.AddShard(uint32(n)+1, s); err != nil {
			t.Fatal(err)
		}
	}
	pixels, labels, shape := c.Pictures(6) // every second one
	want := slices.Concat(first.X[:4], first.X[8:12], second.X[:4], second.X[8:12], second.X[16:20], second.X[24:28])
	if !bytes.Equal(pixels, want) || !bytes.Equal(labels, []byte{0, 2, 0, 2, 1, 0}) || !slices.Equal(shape, []int{2, 2}) {
		t.Errorf("pixels %v of shape %v with labels %v, want %v", pixels, shape, labels, want)
	}
	if _, labels, _ = c.Pictures(100); len(labels) != 12 {
		t.Errorf("%d pictures of 12", len(labels))
	}
	if by, ok := c.Scaling(); !ok || by != first.Scaling() {
		t.Errorf("scaling %v, %v", by, ok)
	}
}

// The models of a client are the version that it holds and, if a person looks on, its
// newest answer before it is combined.
func TestModel(t *testing.T) {
	c, w := joined(t)
	c.cfg.Watched = true
	for _, which := range []tab.Which{tab.OwnAnswer, tab.Alone, tab.Personal, "another"} {
		if params, _ := c.Model(which); params != nil {
			t.Errorf("there is a model %s before any training", which)
		}
	}
	base, version := c.Model(tab.Newest)
	if hash := learn.Hash(base); version != 0 || !bytes.Equal(hash[:], w.InitialHash) {
		t.Errorf("version %d is not the initial one", version)
	}
	receive(t, c, order(w, 1))
	out := work(c, math.MaxInt)
	delta := make([]float32, parameters)
	if err := compress.Decode(protocol.CodecFloat32, delta, out[1].(*protocol.Contribution).Vectors[0].Block); err != nil {
		t.Fatal(err)
	}
	answer, version := c.Model(tab.OwnAnswer)
	if len(answer) != parameters || version != 0 {
		t.Fatalf("%d parameters, version %d", len(answer), version)
	}
	for i := range answer {
		if got := answer[i] - base[i]; got != delta[i] {
			t.Fatalf("parameter %d has moved by %v, the answer says %v", i, got, delta[i])
		}
	}
}

// A person sees that an answer is packed: it has a slice of its own, and is the same.
func TestPackingIsSeen(t *testing.T) {
	c, w := joined(t)
	receive(t, c, order(w, 1))
	want := contribution(t, work(c, math.MaxInt))
	c, w = joined(t)
	c.cfg.Watched = true
	receive(t, c, order(w, 1))
	b := c.NewWorkspace()
	if out := c.Work(b, math.MaxInt); len(out) != 1 || c.Progress().Activity != Packing || !c.Ready() {
		t.Fatalf("after training %d messages and activity %v, want the progress and packing", len(out), c.Progress().Activity)
	}
	out := c.Work(b, math.MaxInt)
	if len(out) != 1 || c.Progress().Activity != Sending {
		t.Fatalf("after packing %d messages and activity %v, want the contribution and sending", len(out), c.Progress().Activity)
	}
	if got := out[0].(*protocol.Contribution); !bytes.Equal(got.Vectors[0].Block, want.Vectors[0].Block) || got.Metrics != want.Metrics {
		t.Errorf("contribution %+v, want %+v", got, want)
	}
}

func TestOutcome(t *testing.T) {
	ack := func(r protocol.Reason, detail string) protocol.Message {
		return &protocol.Ack{Order: 1, Reason: r, Detail: detail}
	}
	for _, test := range []struct {
		name     string
		answered bool // before it comes
		m        protocol.Message
		want     tab.Outcome
		trained  int
	}{
		{"accepted", true, ack(protocol.ReasonAccepted, ""), tab.Outcome{Round: 1, Kind: tab.Accepted, Reason: "accepted"}, 44},
		{"late", true, ack(protocol.ReasonLate, ""), tab.Outcome{Round: 1, Kind: tab.Late, Reason: "late"}, 0},
		{"out of bounds", true, ack(protocol.ReasonOutOfBounds, "norm 9"), tab.Outcome{Round: 1, Kind: tab.Rejected, Reason: "out of bounds", Detail: "norm 9"}, 0},
		{"abandoned with an answer", true, ack(protocol.ReasonAbandoned, "1 of 3"), tab.Outcome{Round: 1, Kind: tab.Abandoned, Reason: "abandoned", Detail: "1 of 3"}, 0},
		{"abandoned in work", false, ack(protocol.ReasonAbandoned, "0 of 3"), tab.Outcome{Round: 1, Kind: tab.Abandoned, Reason: "abandoned", Detail: "0 of 3"}, 0},
		{"closed without it", false, &protocol.Status{Closed: 1}, tab.Outcome{Round: 1, Kind: tab.Late, Reason: "late"}, 0},
		{"nothing yet", false, &protocol.Status{}, tab.Outcome{}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, w := joined(t)
			receive(t, c, order(w, 1))
			if test.answered {
				work(c, math.MaxInt)
			}
			receive(t, c, test.m)
			if p := c.Progress(); p.Outcome != test.want || p.Trained != test.trained {
				t.Errorf("outcome %+v with %d examples, want %+v with %d", p.Outcome, p.Trained, test.want, test.trained)
			}
			c.Forget() // a token that is not known any more
			if p := c.Progress(); p.Outcome != test.want || p.Trained != test.trained {
				t.Errorf("after it was forgotten: outcome %+v with %d examples", p.Outcome, p.Trained)
			}
		})
	}
}

// Training allocates nothing between the first slice and the last.
func TestWorkAllocatesNothing(t *testing.T) {
	c, w := joined(t)
	o := order(w, 1)
	o.Hyper.Epochs = 1000
	receive(t, c, o)
	b := c.NewWorkspace()
	c.Work(b, 1)
	if n := testing.AllocsPerRun(100, func() { c.Work(b, 1) }); n > 0 {
		t.Errorf("%.1f allocations a slice", n)
	}
}

func Example() {
	c := New(Config{Name: "example", Task: "digits"})
	fmt.Println(c.Hello().Protocol, c.Progress().Activity)
	// Output: fedtab.v1 idle
}

// A client sends its invite until it is welcomed, and its newest resume token after.
func TestHelloIdentity(t *testing.T) {
	c := New(Config{Task: "task", Invite: "code"})
	if h := c.Hello(); h.Invite != "code" || h.ResumeToken != nil {
		t.Errorf("a new participant sends invite %q and token %q, want the invite alone", h.Invite, h.ResumeToken)
	}
	w := welcome(t)
	out, err := c.Receive(w)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 || protocol.KindOf(out[0]) != protocol.KindTab {
		t.Errorf("after its welcome it sends %v, want its tab's state", out)
	}
	if out, err = c.Receive(w); err != nil || len(out) > 0 {
		t.Errorf("after a second welcome it sends %v, %v, want nothing", out, err)
	}
	if h := c.Hello(); h.Invite != "" || string(h.ResumeToken) != "token" {
		t.Errorf("a participant sends invite %q and token %q, want the token alone", h.Invite, h.ResumeToken)
	}
	for _, m := range []*protocol.Status{{ResumeToken: []byte("newer")}, {}} {
		if _, err := c.Receive(m); err != nil {
			t.Fatal(err)
		}
		if h := c.Hello(); string(h.ResumeToken) != "newer" {
			t.Errorf("after %+v it sends token %q, want the newer one", m, h.ResumeToken)
		}
	}
	if string(w.ResumeToken) != "token" {
		t.Error("the welcome was changed")
	}
	again := New(Config{Task: "task", Invite: "code"})
	if err := again.Restore(c.Save()); err != nil {
		t.Fatal(err)
	}
	if h := again.Hello(); h.Invite != "" || string(h.ResumeToken) != "newer" {
		t.Errorf("after a reload it sends invite %q and token %q, want the newer token alone", h.Invite, h.ResumeToken)
	}
	again.Forget() // the coordinator does not know it
	if h := again.Hello(); h.Invite != "code" || h.ResumeToken != nil {
		t.Errorf("a participant that was forgotten sends invite %q and token %q, want the invite alone", h.Invite, h.ResumeToken)
	}
}

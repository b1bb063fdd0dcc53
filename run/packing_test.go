package run

import (
	"bytes"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/client"
	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// able is the hello of a client that has every codec.
func able() *protocol.Hello {
	return &protocol.Hello{Protocol: protocol.Version, Codecs: compress.Codecs(), TabState: protocol.TabVisible}
}

// newPacked returns a run of two clients with a packed downlink.
func newPacked(t testing.TB, down protocol.Codec, edit func(*Config, *strategy.Config)) *fixture {
	return newFixture(t, func(c *Config, s *strategy.Config) {
		c.Packing.Down = down
		if down == protocol.CodecGrid {
			c.Packing.Coarseness = 3
		}
		if edit != nil {
			edit(c, s)
		}
	})
}

// holder is a client that holds models and does not train.
type holder struct {
	*fakePeer
	number  uint32
	models  client.Models
	initial []float32
	version uint64
	params  []float32
	read    int // messages
}

func (f *fixture) enter(t testing.TB, h *protocol.Hello) *holder {
	t.Helper()
	c := &holder{fakePeer: &fakePeer{}, models: client.OwnModels()}
	c.initial = c.models.Initial(f.cfg.Model, f.cfg.Seed)
	c.params = c.initial
	var ok bool
	if c.number, ok = f.Join(h, 0, c.fakePeer); !ok {
		t.Fatalf("cannot join: %v", c.closed)
	}
	return c
}

// back lets a client resume on a new socket, with a hello that names a version.
func (f *fixture) back(t testing.TB, c *holder, held uint64, hash [32]byte) {
	t.Helper()
	c.fakePeer, c.read = &fakePeer{}, 0
	h := able()
	h.Held, h.HeldHash = held, hash[:]
	if _, ok := f.Join(h, c.number, c.fakePeer); !ok {
		t.Fatalf("cannot resume: %v", c.closed)
	}
}

// follow applies every model that the client was sent, and returns them.
func (c *holder) follow(t testing.TB) (models []*protocol.Model) {
	t.Helper()
	for _, m := range c.got[c.read:] {
		m, ok := m.(*protocol.Model)
		if !ok {
			continue
		}
		params, _, err := c.models.Unpack(m, len(c.initial), func(version uint64, hash []byte) (params, control []float32) {
			for v, p := range map[uint64][]float32{c.version: c.params, 0: c.initial} {
				if h := learn.Hash(p); v == version && bytes.Equal(hash, h[:]) {
					return p, nil
				}
			}
			return nil, nil
		})
		if err != nil {
			t.Fatalf("version %d from version %d, holding %d: %v", m.Version, m.Base, c.version, err)
		}
		c.version, c.params = m.Version, params
		models = append(models, m)
	}
	c.read = len(c.got)
	return models
}

// round lets clients answer their orders with random deltas of a scale.
func (f *fixture) round(t testing.TB, scale float32, clients ...*holder) {
	t.Helper()
	version, _, _ := f.Model()
	r := rand.New(rand.NewPCG(1, version))
	for _, c := range clients {
		v := make([]float32, f.n)
		for i := range v {
			v[i] = scale * float32(r.NormFloat64())
		}
		o := last[*protocol.Order](c.fakePeer)
		if o == nil {
			t.Fatalf("participant %d has no order", c.number)
		}
		m := &protocol.Contribution{Order: o.Order, Round: o.Round, Weight: 10, Vectors: []protocol.Vector{
			{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, v)},
		}}
		if got := f.offer(c.number, c.fakePeer, m); got != protocol.ReasonAccepted {
			t.Fatalf("participant %d: %v", c.number, got)
		}
	}
	if now, _, _ := f.Model(); now != version+1 {
		t.Fatalf("version %d after the round on version %d", now, version)
	}
}

// holdsNewest checks that a client holds the run's newest version, by one difference
// from base.
func (f *fixture) holdsNewest(t testing.TB, name string, c *holder, base uint64) {
	t.Helper()
	version, hash, params := f.Model()
	models := c.follow(t)
	if len(models) != 1 || models[0].Base != base || models[0].Vectors[0].Codec != protocol.CodecGrid {
		t.Fatalf("%s was sent %d models, the last %+v; want a difference from version %d", name, len(models), models, base)
	}
	if got := learn.Hash(c.params); got != hash || c.version != version || !slices.Equal(c.params, params) {
		t.Fatalf("%s holds version %d with other bits than version %d", name, c.version, version)
	}
}

// The difference that a client is sent leads from the version that it holds to the
// newest, bit for bit.
func TestGridVersions(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	clients := []*holder{a, b}
	var hashes [][32]byte
	note := func() {
		_, hash, params := f.Model()
		hashes = append(hashes, hash)
		if learn.Hash(params) != hash {
			t.Fatal("a version and its hash differ")
		}
	}
	note()
	for v := range uint64(4) {
		f.round(t, 1, clients...)
		note()
		f.holdsNewest(t, "client a of the cohort", a, v)
		f.holdsNewest(t, "client b of the cohort", b, v)
	}
	blockOf := func(c *holder) *byte { return &last[*protocol.Model](c.fakePeer).Vectors[0].Block[0] }
	if blockOf(a) != blockOf(b) {
		t.Error("the same difference was coded twice")
	}

	// b leaves with version 4 and returns two versions later; c is new.
	was := *b
	f.Leave(b.number, b.fakePeer, Lost)
	c := f.enter(t, able())
	if o := last[*protocol.Order](c.fakePeer); o != nil {
		t.Fatal("an order in an open round")
	}
	f.env.advance(6 * time.Second) // b is given up
	f.round(t, 1, a)
	note()
	f.round(t, 1, a, c)
	note()
	c.read = 0
	first := last[*protocol.Model](c.fakePeer)
	if models := all[*protocol.Model](c.fakePeer); models[0].Base != 0 || models[0].Version != 5 {
		t.Errorf("first model of a new client: %+v, want the difference from version 0", models[0])
	}
	if first.Base != 5 {
		t.Errorf("and then a difference from version %d, want 5", first.Base)
	}
	if c.follow(t); c.version != 6 {
		t.Errorf("version of a new client: %d, want 6", c.version)
	}
	a.follow(t)
	for _, test := range []struct {
		name string
		held uint64
		hash [32]byte
		base uint64
	}{
		{"a client with an old version", 4, hashes[4], 4},
		{"a client with version 0", 0, hashes[0], 0},
		{"a client with an unknown hash", 4, [32]byte{1}, 0},
		{"a client with a version that does not exist", 99, hashes[4], 0},
	} {
		h := able()
		h.Held, h.HeldHash = test.held, test.hash[:]
		d := f.enter(t, h)
		d.version, d.params = was.version, was.params
		f.round(t, 1, a, c) // d is chosen in the round after
		note()
		a.follow(t)
		c.follow(t)
		f.holdsNewest(t, test.name, d, test.base)
		f.Leave(d.number, d.fakePeer, Left)
	}

	// Of a version that is too old to be kept only the hash is known.
	f.down.grid.maxBytes = 2 * 4 * int64(f.n)
	f.round(t, 1, a, c)
	a.follow(t)
	c.follow(t)
	if len(f.down.grid.kept) != 2 {
		t.Fatalf("%d versions are kept, want 2", len(f.down.grid.kept))
	}
	if got, want := f.Oldest(), f.down.grid.kept[0].version; got != want || got+1 != f.down.version {
		t.Fatalf("the oldest version is said to be %d, want %d", got, want)
	}
	h := able()
	h.Held, h.HeldHash = 4, hashes[4][:]
	d := f.enter(t, h)
	d.version, d.params = was.version, was.params
	f.round(t, 1, a, c)
	f.holdsNewest(t, "a client with a version that is not kept", d, 0)
}

// The rounding error of the grid is carried into the next version: the public
// version is at most half a step from the exact one, which is the sum of all rounds.
func TestGridLosesNothing(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	exact := slices.Clone(f.down.params)
	const change = .3
	for v := range 20 {
		for _, c := range []*holder{a, b} {
			f.offer(c.number, c.fakePeer, f.contribution(last[*protocol.Order](c.fakePeer), change, 10))
		}
		commit := f.journal.commits[v]
		step := commit.State[stepVector]
		if len(step) != 1 || !(step[0] > 0) {
			t.Fatalf("version %d has the step %v", v+1, step)
		}
		for i, p := range commit.Params {
			exact[i] += change
			if got := commit.State[exactVector][i]; got-exact[i] > 1e-4 || exact[i]-got > 1e-4 {
				t.Fatalf("version %d: parameter %d is exactly %g, want %g", v+1, i, got, exact[i])
			}
			if d := p - exact[i]; d > step[0]/2+1e-4 || d < -step[0]/2-1e-4 {
				t.Fatalf("version %d: parameter %d is %g, exactly %g: more than half of %g apart", v+1, i, p, exact[i], step[0])
			}
		}
	}
}

// The step is halved, once in a round, while the versions change by an eighth or
// less of the first change. Differences from coarser versions stay possible.
func TestGridStepHalves(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	f.round(t, 1, a, b)
	step := f.down.grid.step
	if want := compress.GridStep(difference(f.down.grid.exact, a.initial), 3); step != want {
		t.Fatalf("the first step is %g, want %g", step, want)
	}
	a.follow(t)
	b.follow(t)
	old := *b // holds version 1
	_, oldHash, _ := f.Model()
	f.Leave(b.number, b.fakePeer, Lost)
	f.env.advance(6 * time.Second)
	c := f.enter(t, able())
	f.round(t, 1, a)
	if f.down.grid.step != step {
		t.Errorf("the step is %g after as large a change, want %g", f.down.grid.step, step)
	}
	halved := 0
	for range 8 {
		exact := f.down.grid.exact
		f.round(t, 1./64, a, c)
		suited := compress.GridStep(difference(f.down.grid.exact, exact), 3)
		want := step
		if step > halveBelow*suited {
			want, halved = step/2, halved+1
		}
		if f.down.grid.step != want {
			t.Fatalf("step: %g, want %g: it was %g, and the change asks for %g", f.down.grid.step, want, step, suited)
		}
		step = want
		a.follow(t)
		c.follow(t)
		if _, hash, _ := f.Model(); learn.Hash(a.params) != hash || learn.Hash(c.params) != hash {
			t.Fatal("a client that applies every model does not hold the newest version")
		}
	}
	if halved < 2 {
		t.Fatalf("halvings: %d, want at least 2", halved)
	}
	h := able()
	h.Held, h.HeldHash = 1, oldHash[:]
	d := f.enter(t, h)
	d.version, d.params = 1, old.params
	f.round(t, 1./64, a, c)
	f.holdsNewest(t, "a client with a version on the first grid", d, 1)
}

func difference(x, y []float32) []float32 {
	d := make([]float32, len(x))
	for i := range d {
		d[i] = x[i] - y[i]
	}
	return d
}

// The step has a lower limit, at which the levels still reach the model. No round is
// rolled back because training has converged.
func TestGridStepHasAnEnd(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	delta := make([]float32, f.n)
	delta[0] = 50 // far from version 0, and then only a bias that is 0 moves
	for range 50 {
		for _, c := range []*holder{a, b} {
			m := f.contribution(last[*protocol.Order](c.fakePeer), 0, 10)
			m.Vectors[0].Block = compress.AppendFloat32(nil, delta)
			f.offer(c.number, c.fakePeer, m)
		}
		delta[0], delta[f.n-1] = 0, 1e-9
	}
	if v, _, _ := f.Model(); v != 50 || f.State().Ledger.RolledBack != 0 {
		t.Errorf("version %d and %d rolled back after 50 rounds, the step is %g", v, f.State().Ledger.RolledBack, f.down.grid.step)
	}
	if f.down.grid.step > 1e-3 {
		t.Errorf("step: %g, above the limit that this test needs", f.down.grid.step)
	}
}

// The way back over many rounds is no round's change: the step stays, and what comes next is
// not lost to a coarser one.
func TestGridStepStaysOnTheWayBack(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	_, _, initial := f.Model()
	initial = slices.Clone(initial)
	a, b := f.enter(t, able()), f.enter(t, able())
	for range 1000 { // they add up like the steps of a random walk
		f.round(t, .01, a, b)
	}
	step := f.down.grid.step
	f.Rewind(0, slices.Clone(initial), func(_ uint64, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	a.follow(t)
	b.follow(t)
	if v, hash, params := f.Model(); v != 1001 || f.down.grid.step != step || !slices.Equal(params, initial) || learn.Hash(a.params) != hash || learn.Hash(b.params) != hash {
		t.Errorf("version %d, step %g after %g, the parameters are the first: %v", v, f.down.grid.step, step, slices.Equal(params, initial))
	}
	f.round(t, .01, a, b)
	if f.down.grid.step > step {
		t.Errorf("after one more round the step is %g, want at most %g", f.down.grid.step, step)
	}
}

// A tiny change in the first round does not fix the step: a new grid is made, and
// every client gets the difference from version 0.
func TestGridStepGrows(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	f.round(t, 1e-9, a, b)
	fine := f.down.grid.step
	a.follow(t)
	b.follow(t)
	f.round(t, .01, a, b)
	if f.down.grid.step < 1e5*fine {
		t.Fatalf("step: %g after %g, want a coarser one", f.down.grid.step, fine)
	}
	for range 20 {
		a.follow(t)
		b.follow(t)
		if _, hash, _ := f.Model(); learn.Hash(a.params) != hash || learn.Hash(b.params) != hash {
			t.Fatal("a client that applies every model does not hold the newest version")
		}
		f.round(t, .01, a, b)
	}
	if v, _, _ := f.Model(); v != 22 || f.State().Ledger.RolledBack != 0 {
		t.Errorf("version %d, %d rolled back", v, f.State().Ledger.RolledBack)
	}
}

// A version too large for binary16 is rolled back like one that is not finite. A
// client that cannot make version 0 gets it exactly.
func TestFloat16TooLarge(t *testing.T) {
	f := newPacked(t, protocol.CodecFloat16, func(_ *Config, s *strategy.Config) { s.ServerLR = 1000 })
	a, b := f.enter(t, able()), f.enter(t, able())
	f.Receive(a.number, a.fakePeer, &protocol.Want{Version: 0, Full: true})
	if models := a.follow(t); len(models) != 1 || !slices.Equal(a.params, a.initial) {
		t.Fatalf("asked for version 0, it is sent %d models", len(models))
	}
	delta := make([]float32, f.n)
	delta[3] = protocol.MaxDelta
	for range 2 { // to 64,000, and then beyond 65,504
		for _, c := range []*holder{a, b} {
			m := f.contribution(last[*protocol.Order](c.fakePeer), 0, 10)
			m.Vectors[0].Block = compress.AppendFloat32(nil, delta)
			f.offer(c.number, c.fakePeer, m)
		}
	}
	if v, _, _ := f.Model(); v != 1 || f.State().Ledger.RolledBack != 1 {
		t.Fatalf("version %d, %d rolled back; want the second to be", v, f.State().Ledger.RolledBack)
	}
	f.env.advance(time.Second) // another attempt
	f.round(t, 1e-3, a, b)
	if v, _, _ := f.Model(); v != 2 {
		t.Errorf("version %d, want the run to go on", v)
	}
}

// A restarted run continues from the newest version on the same grid. Of older
// versions it has only the hashes.
func TestGridRestart(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	f.round(t, 1, a, b)
	_, hash1, _ := f.Model()
	a.follow(t)
	older := *a
	f.round(t, 1, a, b)
	a.follow(t)
	b.follow(t)
	saved := &Saved{Participants: 1000, Last: &f.journal.commits[1], Rounds: f.Rounds()}
	g := newPacked(t, protocol.CodecGrid, func(c *Config, _ *strategy.Config) { c.Saved = saved })
	if _, hash, _ := g.Model(); hash != f.down.hash {
		t.Fatal("the restarted run has another version")
	}
	if !slices.Equal(g.down.grid.exact, f.down.grid.exact) || g.down.grid.step != f.down.grid.step {
		t.Fatal("the restarted run has another grid")
	}
	g.back(t, a, 2, f.down.hash)
	g.back(t, b, 1, hash1)
	b.version, b.params = older.version, older.params
	if models := a.follow(t); len(models) != 0 {
		t.Errorf("a client with the newest version is sent %+v", models[0])
	}
	g.holdsNewest(t, "a client with an older version", b, 0)
	f.round(t, 1, inRun(f, a), inRun(f, b))
	g.round(t, 1, a, b)
	g.holdsNewest(t, "after a round", a, 2)
	g.holdsNewest(t, "after a round", b, 2)
	if g.down.hash != f.down.hash || g.down.grid.step != f.down.grid.step || !slices.Equal(g.down.grid.exact, f.down.grid.exact) {
		t.Error("the next version differs from that of the run without a restart")
	}

	for name, edit := range map[string]func(*Commit){
		"a version without a grid":    func(c *Commit) { c.State = nil },
		"a version beside its grid":   func(c *Commit) { c.Params = slices.Clone(c.Params); c.Params[0] += c.State[stepVector][0] / 3 },
		"an exact version cut short":  func(c *Commit) { c.State = map[string][]float32{exactVector: {1}, stepVector: {1}} },
		"a version without its step":  func(c *Commit) { c.State = map[string][]float32{exactVector: c.State[exactVector]} },
		"a version of another length": func(c *Commit) { c.Params = c.Params[1:] },
	} {
		commit := f.journal.commits[1]
		edit(&commit)
		cfg := g.cfg
		cfg.Saved = &Saved{Participants: 1000, Last: &commit}
		if _, err := New(cfg, g.env); err == nil || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("%s: got %v, want an error that names version 2", name, err)
		}
	}
}

// inRun returns client c with its peer in f.
func inRun(f *fixture, c *holder) *holder {
	m := f.roster.members[c.number]
	return &holder{fakePeer: m.peer.(*fakePeer), number: c.number}
}

// With float16 the version is the decoded message, and the rounding error is carried
// into the next one. A client without the codec gets the same bits raw.
func TestFloat16Down(t *testing.T) {
	f := newPacked(t, protocol.CodecFloat16, nil)
	a := f.enter(t, able())
	bare := hello
	b := f.enter(t, &bare)
	for v := range 5 {
		f.round(t, .001, a, b)
		_, hash, params := f.Model()
		for _, test := range []struct {
			c    *holder
			want protocol.Codec
		}{{a, protocol.CodecFloat16}, {b, protocol.CodecFloat32}} {
			models := test.c.follow(t)
			if len(models) != 1 || models[0].Vectors[0].Codec != test.want || learn.Hash(test.c.params) != hash {
				t.Fatalf("version %d came as %+v, want it by %v", v+1, models, test.want)
			}
		}
		for i, exact := range f.journal.commits[v].State[exactVector] {
			if d := params[i] - exact; d > .002 || d < -.002 {
				t.Errorf("version %d: parameter %d is %g, exactly %g", v+1, i, params[i], exact)
			}
		}
	}
	if slices.Equal(f.down.params, f.down.state[exactVector]) {
		t.Error("rounding error: 0, want some for this test")
	}
	last := &f.journal.commits[4]
	g := newPacked(t, protocol.CodecFloat16, func(c *Config, _ *strategy.Config) { c.Saved = &Saved{Participants: 1000, Last: last} })
	if !slices.Equal(g.down.state[exactVector], f.down.state[exactVector]) {
		t.Error("a restart loses the rounding error")
	}
}

// A client that cannot make version 0, or lacks the grid codec, gets full versions
// in the smallest codec that it supports.
func TestGridFallback(t *testing.T) {
	lacks := func(codecs ...protocol.Codec) *protocol.Hello {
		h := able()
		h.Codecs = slices.DeleteFunc(h.Codecs, func(c protocol.Codec) bool { return slices.Contains(codecs, c) })
		return h
	}
	for _, test := range []struct {
		name     string
		hello    *protocol.Hello
		wants    bool
		down, up protocol.Codec
		event    string
	}{
		{"has everything", able(), false, protocol.CodecGrid, protocol.CodecDeadzone, ""},
		{"cannot make version 0", able(), true, protocol.CodecPlanes, protocol.CodecDeadzone, ""},
		{"lacks grid", lacks(protocol.CodecGrid), false, protocol.CodecPlanes, protocol.CodecDeadzone, "codec"},
		{"lacks deadzone", lacks(protocol.CodecDeadzone), false, protocol.CodecGrid, protocol.CodecFloat32, "codec"},
		{"has float32 only", &hello, false, protocol.CodecFloat32, protocol.CodecFloat32, "codec"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newPacked(t, protocol.CodecGrid, func(c *Config, _ *strategy.Config) {
				c.Packing.Up, c.Packing.Bits, c.Packing.Feedback = protocol.CodecDeadzone, .5, true
			})
			c, other := f.enter(t, test.hello), f.enter(t, able())
			if test.wants {
				if err := f.Receive(c.number, c.fakePeer, &protocol.Want{Version: 0, Full: true}); err != nil {
					t.Fatal(err)
				}
				if m := last[*protocol.Model](c.fakePeer); m == nil || m.Version != 0 || m.Vectors[0].Role != protocol.RoleModel {
					t.Fatalf("it is sent %+v, want version 0", m)
				}
				c.follow(t)
			}
			hyper := last[*protocol.Order](c.fakePeer).Hyper
			if hyper.Codec != test.up || (hyper.Bits == .5) != (test.up == protocol.CodecDeadzone) || hyper.Feedback != (test.up == protocol.CodecDeadzone) {
				t.Errorf("its order asks for %v at %g bits, feedback %v; want %v", hyper.Codec, hyper.Bits, hyper.Feedback, test.up)
			}
			for v := range uint64(3) {
				for _, h := range []*holder{c, other} {
					o := last[*protocol.Order](h.fakePeer)
					if got := f.offer(h.number, h.fakePeer, f.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
						t.Fatalf("raw is refused: %v", got)
					}
				}
				models := c.follow(t)
				if len(models) != 1 || models[0].Vectors[0].Codec != test.down || learn.Hash(c.params) != f.down.hash {
					t.Fatalf("version %d came as %+v, want it by %v", v+1, models, test.down)
				}
				f.holdsNewest(t, "the other", other, v)
			}
			f.Flush()
			if slices.Contains(f.journal.kinds, "codec") != (test.event == "codec") {
				t.Errorf("the event log has %v, want %q", f.journal.kinds, test.event)
			}
		})
	}
}

// Control variates lie on a grid of their own. All clients get the same bits, whatever
// version they hold, by a difference or in full, and after a restart; what they get is
// at most half a step from the exact variate, which nothing is rounded off.
func TestVariatesOnAGrid(t *testing.T) {
	scaffold := func(c *Config, s *strategy.Config) {
		s.Kind, s.Correction, s.Fraction, s.MinClients, c.Sums = "fedavg", "scaffold", 1, 3, 2
	}
	f := newPacked(t, protocol.CodecGrid, scaffold)
	// Control variates that clients hold, by version.
	type variates map[uint64][]float32
	unpack := func(c *holder, known variates) (control []float32) {
		t.Helper()
		m := last[*protocol.Model](c.fakePeer)
		if m == nil {
			t.Fatal("no version was sent")
		}
		params, control, err := c.models.Unpack(m, f.n, func(version uint64, hash []byte) ([]float32, []float32) {
			p := c.params
			if version == 0 {
				p = c.initial
			}
			if h := learn.Hash(p); !bytes.Equal(hash, h[:]) {
				return nil, nil
			}
			return p, known[version]
		})
		if err != nil {
			t.Fatalf("version %d from version %d: %v", m.Version, m.Base, err)
		}
		c.version, c.params = m.Version, params
		known[m.Version] = control
		return control
	}
	a, b := f.enter(t, able()), f.enter(t, able())
	full := f.enter(t, &protocol.Hello{Protocol: protocol.Version, Codecs: []protocol.Codec{protocol.CodecFloat32}, TabState: protocol.TabVisible})
	held, others := variates{}, variates{}
	exact := make([]float64, f.n)
	r := rand.New(rand.NewPCG(3, 4))
	for version := range uint64(12) {
		mean := make([]float64, f.n)
		for _, c := range []*holder{a, b, full} {
			o := last[*protocol.Order](c.fakePeer)
			var vectors []protocol.Vector
			for i, role := range []protocol.Role{protocol.RoleDelta, protocol.RoleControl} {
				v := make([]float32, f.n)
				for j := range v {
					v[j] = float32(r.NormFloat64()) / float32(1+version)
					if i == 1 {
						mean[j] += float64(v[j])
					}
				}
				vectors = append(vectors, protocol.Vector{Role: role, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, v)})
			}
			m := &protocol.Contribution{Order: o.Order, Round: o.Round, Weight: 10, Metrics: protocol.Metrics{Steps: 1}, Vectors: vectors}
			if got := f.offer(c.number, c.fakePeer, m); got != protocol.ReasonAccepted {
				t.Fatalf("participant %d: %v", c.number, got)
			}
		}
		if now, _, _ := f.Model(); now != version+1 {
			t.Fatalf("version %d after the round on version %d", now, version)
		}
		// c <- c + |S|/N mean(change), with everybody there: the sum over the 3.
		for j, x := range mean {
			exact[j] += x / 3
		}
		got, step := unpack(a, held), f.down.variates.step
		if m := last[*protocol.Model](a.fakePeer); m.Base != version || m.Vectors[1].Codec != protocol.CodecGrid {
			t.Fatalf("version %d: from version %d, control variate by %v, want a difference from version %d on the grid", m.Version, m.Base, m.Vectors[1].Codec, version)
		}
		for j, x := range got {
			if e := math.Abs(float64(x) - exact[j]); e > float64(step)*.501+1e-6 {
				t.Fatalf("version %d: value %d of the control variate: %g, exactly %g, step %g", version+1, j, x, exact[j], step)
			}
		}
		if whole := unpack(full, others); !slices.Equal(whole, got) {
			t.Fatalf("version %d: a control variate in full differs from the difference's", version+1)
		}
		b.version, b.params = a.version, a.params
	}
	// A client that holds no version gets the variate from zero.
	c := f.enter(t, able())
	c.got = append(c.got, f.modelMessage(f.roster.members[c.number]).Message)
	if got := unpack(c, variates{}); !slices.Equal(got, held[12]) {
		t.Error("a new client gets another control variate")
	}
	// A restart: only the exact variate and the step are stored.
	commit := f.journal.commits[11]
	commit.State = maps.Clone(commit.State)
	d, err := newDownlink(f.cfg.Model, f.cfg.Seed, f.cfg.Packing, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.restore(&commit); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.variate, held[12]) {
		t.Error("after a restart clients get another control variate")
	}
	commit.State[variateStepVector] = []float32{1, 2}
	if err := d.restore(&commit); err == nil || !strings.Contains(err.Error(), "control variate") {
		t.Errorf("with two steps of the variates: %v, want an error that names them", err)
	}
	// A run of a build that sent exact variates begins a grid.
	delete(commit.State, variateStepVector)
	if d, err = newDownlink(f.cfg.Model, f.cfg.Seed, f.cfg.Packing, true); err != nil {
		t.Fatal(err)
	}
	if err := d.restore(&commit); err != nil {
		t.Fatal(err)
	}
	for j, x := range d.variate {
		if e := math.Abs(float64(x) - exact[j]); !(d.variates.step > 0) || e > float64(d.variates.step)*.501+1e-6 {
			t.Fatalf("value %d of the control variate: %g, exactly %g, step %g", j, x, exact[j], d.variates.step)
		}
	}
}

// A client that asks for a full version gets it, and differences again afterwards.
func TestWantFull(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	f.round(t, 1, a, b)
	a.follow(t)
	b.follow(t)
	if err := f.Receive(a.number, a.fakePeer, &protocol.Want{Version: 1, Full: true}); err != nil {
		t.Fatal(err)
	}
	models := a.follow(t)
	if len(models) != 1 || models[0].Vectors[0].Role != protocol.RoleModel || learn.Hash(a.params) != f.down.hash {
		t.Fatalf("it is sent %+v, want all of version 1", models)
	}
	f.round(t, 1, a, b)
	f.holdsNewest(t, "the client that asked", a, 1)
}

// A version is coded off the owner's goroutine. Later messages to the same client
// wait for it; other clients do not. A client that has lost its socket meanwhile is
// sent nothing.
func TestMessagesWaitForAVersion(t *testing.T) {
	f := newPacked(t, protocol.CodecGrid, nil)
	a, b := f.enter(t, able()), f.enter(t, able())
	f.round(t, 1, a, b)
	f.env.busy = true
	for _, c := range []*holder{a, b} {
		c.got = nil
		if err := f.Receive(c.number, c.fakePeer, &protocol.Want{Version: 1, Full: true}); err != nil {
			t.Fatal(err)
		}
	}
	third := f.enter(t, able())
	f.broadcastStatus()
	if len(a.got) != 0 || len(third.got) == 0 {
		t.Fatalf("%d messages before the version is coded, want 0; %d to another client, want some", len(a.got), len(third.got))
	}
	up := f.State().Ledger.Down
	f.Leave(b.number, b.fakePeer, Lost)
	f.env.release()
	if len(a.got) < 2 {
		t.Fatalf("%d messages after the version is coded, want the version and what waited", len(a.got))
	}
	if _, ok := a.got[0].(*protocol.Model); !ok || f.State().Ledger.Down == up {
		t.Errorf("the first message is a %T, want the version", a.got[0])
	}
	if len(b.got) != 0 {
		t.Errorf("%d messages to a socket that was lost", len(b.got))
	}
}

// A balanced model is packed once: clients with and without the codec get the same
// values, which the condition was checked for. The bound lies between the squared norms
// of the mean and of what travels, so that only a run that checks the latter balances.
func TestBalancedModelIsPacked(t *testing.T) {
	model, err := learn.New(learn.MLP([]int{20}, []int{30}, 2))
	if err != nil {
		t.Fatal(err)
	}
	n := model.Layout().Size
	deadzone, err := compress.Lookup(protocol.CodecDeadzone)
	if err != nil {
		t.Fatal(err)
	}
	tensors := compress.TensorsOf(model.Layout())
	pack := func(v []float32, bits float64) (block []byte, got []float32) {
		t.Helper()
		block, err := deadzone.NewEncoder(tensors).Append(nil, v, compress.Options{Bits: bits})
		if err != nil {
			t.Fatal(err)
		}
		got = make([]float32, n)
		if err := compress.Decode(protocol.CodecDeadzone, got, block); err != nil {
			t.Fatal(err)
		}
		return block, got
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 5))
		bits := []float64{1, 2, 4}[seed%3]
		most := []float64{.4, .12, .012}[seed%3] // NMSE
		weights := [2]float64{float64(1 + r.IntN(10)), float64(1 + r.IntN(10))}
		var blocks [2][]byte
		var sent [2][]float32
		for k := range blocks {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(max(-30, min(30, r.NormFloat64()*math.Exp(r.NormFloat64())))) // decoded, within protocol.MaxDelta
			}
			blocks[k], sent[k] = pack(v, bits)
		}
		mean := make([]float32, n)
		exact, err := combine.Mean(mean, sent[:], weights[:])
		if err != nil {
			t.Fatal(err)
		}
		block, want := pack(mean, bits)
		norm2 := combine.SquaredNorm(want)
		if !(norm2 < exact) || combine.SquaredNorm(difference(want, mean)) > most*exact {
			t.Fatalf("seed %d, %v bits: squared norm %g of %g, error %g: the test shows nothing, or packing loses more than %v", seed, bits, norm2, exact, combine.SquaredNorm(difference(want, mean))/exact, most)
		}
		f := newFixture(t, func(c *Config, s *strategy.Config) {
			c.Model = model
			c.Packing = Packing{Up: protocol.CodecDeadzone, Bits: bits, Down: protocol.CodecGrid, Coarseness: 3, Local: protocol.CodecDeadzone, LocalBits: bits}
			*s = strategy.Config{Kind: "dynamic", Batches: 4, LR: .1, MinClients: 4, Deadline: time.Minute, Own: strategy.DynamicSettings{Delta: (norm2 + exact) / 2, Augment: 1, FullShare: 1}}
		})
		few := &protocol.Hello{Protocol: protocol.Version, Codecs: []protocol.Codec{protocol.CodecFloat32}, TabState: protocol.TabVisible}
		clients := []*holder{f.enter(t, able()), f.enter(t, few), f.enter(t, able()), f.enter(t, able())}
		_, version, base := f.Model()
		for k := range blocks {
			o := last[*protocol.Order](clients[k].fakePeer)
			v := protocol.Vector{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Codec: protocol.CodecDeadzone, Block: slices.Clone(blocks[k])}
			if k == 1 {
				v.Codec, v.Block = protocol.CodecFloat32, compress.AppendFloat32(nil, sent[k])
			}
			m := &protocol.Contribution{Order: o.Order, Round: o.Round, Weight: uint64(weights[k]), Vectors: []protocol.Vector{v}}
			if got := f.offer(clients[k].number, clients[k].fakePeer, m); got != protocol.ReasonAccepted {
				t.Fatalf("seed %d: client %d: %v", seed, k, got)
			}
		}
		f.env.advance(time.Second)
		local := make([]float32, n)
		for i := range local {
			local[i] = base[i] + want[i]
		}
		hash := learn.Hash(local)
		for k, c := range clients[:2] {
			m, o := last[*protocol.Model](c.fakePeer), last[*protocol.Order](c.fakePeer)
			if m == nil || !bytes.Equal(m.Hash, hash[:]) || !bytes.Equal(o.Start, hash[:]) || !bytes.Equal(m.Vectors[0].BaseHash, version[:]) {
				t.Fatalf("seed %d: client %d gets %+v and order %+v, want the packed mean %x", seed, k, m, o, hash)
			}
			got := make([]float32, n)
			if err := compress.Decode(m.Vectors[0].Codec, got, m.Vectors[0].Block); err != nil || !slices.Equal(got, want) {
				t.Errorf("seed %d: client %d gets other values (%v)", seed, k, err)
			}
			if packed := m.Vectors[0].Codec == protocol.CodecDeadzone; packed != (k == 0) || packed && !bytes.Equal(m.Vectors[0].Block, block) {
				t.Errorf("seed %d: client %d gets it by %v", seed, k, m.Vectors[0].Codec)
			}
		}
		if last[*protocol.Model](clients[2].fakePeer) != nil || last[*protocol.Fetch](clients[2].fakePeer) != nil {
			t.Errorf("seed %d: a client outside of the set was asked, or sent a model", seed)
		}
	}
}

package faults

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// How parameters travel in a schedule, and what must hold where they do not
// travel as they are.

// drawPacking draws a packing, for two schedules of five; in the others parameters
// travel raw. It is one that a task of this strategy may have, by the rules of
// package task, but for the model's size: there one as small as these is raw. Some
// are made large enough for several classes of rows.
func drawPacking(r *rand.Rand, s *Scheme) {
	if r.Uint64N(5) > 1 {
		return
	}
	if s.Inputs == 3 && maybe(r, 8) {
		s.Inputs = 70
	}
	t := task.Task{
		Name: "faults", Title: "Faults", Model: task.Model{Kind: "logistic"}, Data: task.Data{Source: "mnist"},
		Strategy: s.Config.WithDefaults(), Stop: task.Stop{Rounds: 1}, EvalEvery: 1,
	}
	for range 1000 {
		up := task.Up{
			Codec:    one(r, "deadzone", "deadzone", "dither", "float16", "float32-planes", "float32"),
			Feedback: one(r, "auto", "on", "off"),
		}
		if c, err := compress.Named(up.Codec); err == nil && c.Rated {
			up.Bits = one(r, compress.MinBits, 1, 3, 8, compress.MaxBits)
		}
		down := task.Down{Codec: one(r, "grid", "grid", "float16", "float32-planes", "float32")}
		if down.Codec == "grid" {
			down.Step = one(r, .01, .1, 1, 3, 30)
		}
		t.Compress = task.Compress{Up: up, Down: down}
		if checked, err := task.Parse("faults", t.YAML()); err == nil {
			s.Packing = checked.Compress.Run(math.MaxInt)
			return
		}
	}
	panic(fmt.Sprintf("faults: no packing is right for %+v", s.Config))
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.Uint64N(uint64(len(of)))] }

// drawLacks draws the codecs that a participant does not have: where parameters
// are packed, one in four lacks some.
func (w *world) drawLacks() []protocol.Codec {
	if !w.packed() || w.random.Uint64N(4) > 0 {
		return nil
	}
	return slices.DeleteFunc(compress.Codecs(), func(c protocol.Codec) bool { return c == protocol.CodecFloat32 || w.chance(.6) })
}

// alien makes another version 0, as a machine with another arithmetic would.
type alien struct{ client.Models }

func (a alien) Initial(m learn.Model, seed uint64) []float32 {
	params := slices.Clone(a.Models.Initial(m, seed))
	params[0] += 1
	return params
}

func (w *world) packed() bool { return w.scheme.Packing != run.Packing{} }

// pack packs what nobody has ordered, by any codec or, where parameters are not
// packed, raw.
func (w *world) pack(values []float32) (protocol.Codec, []byte) {
	id := protocol.CodecFloat32
	if w.packed() {
		id = one(w.random, protocol.CodecDeadzone, protocol.CodecDither, protocol.CodecFloat16, protocol.CodecPlanes, protocol.CodecFloat32)
	}
	c, err := compress.Lookup(id)
	if err != nil {
		panic(err)
	}
	block, err := c.NewEncoder(compress.TensorsOf(w.model.Layout())).Append(nil, values, compress.Options{Bits: 4})
	if err != nil {
		panic(err) // they are between 0 and 1
	}
	return id, block
}

// decode unpacks vector i of a contribution of the participant with a number, as
// it travelled.
func (w *world) decode(number uint32, m *protocol.Contribution, i int) ([]float32, error) {
	v := &m.Vectors[i]
	d := w.decoders[v.Codec]
	if d == nil {
		c, err := compress.Lookup(v.Codec)
		if err != nil {
			return nil, err
		}
		d = c.NewDecoder()
		w.decoders[v.Codec] = d
	}
	values := make([]float32, len(w.initial))
	o := compress.Options{Seed: compress.DitherSeed(w.seed, number, m.Order, i)}
	return values, compress.DecodeWith(d, values, v.Block, o)
}

// bounded says whether the values of a vector of m are as large as they may be.
func bounded(m *protocol.Contribution, values []float32) bool {
	bound := float32(protocol.MaxDelta)
	if m.Vectors[0].Role == protocol.RoleGradient {
		bound *= float32(m.Weight)
	}
	return !slices.ContainsFunc(values, func(x float32) bool { return x > bound || x < -bound })
}

// blownUp says whether packing has taken values of a contribution out of bounds:
// dither makes few of them large where it has hardly any bits, as for models as
// small as these.
func (w *world) blownUp(number uint32, m *protocol.Contribution) bool {
	for i := range m.Vectors {
		values, err := w.decode(number, m, i)
		if m.Vectors[i].Codec == protocol.CodecDither && err == nil && !bounded(m, values) {
			return true
		}
	}
	return false
}

// What the server keeps beside a version that is rounded before it is told: the
// one that was not, and the grid's step.
const (
	exactVector = "exact"
	stepVector  = "step"
)

// exact returns the newest durable version as it was before it was rounded.
func (w *world) exact() []float32 {
	if v := w.serverState()[exactVector]; v != nil {
		return v
	}
	return w.newest()
}

// checkRounded: the version that everybody is told is the exact one, rounded to
// what can be told. It adds to state what the server is to keep for that.
func (w *world) checkRounded(c run.Commit, exact []float32, state map[string][]float32) {
	wrong := func(i int) {
		w.violated("a version is the exact one, rounded", "parameter %d of version %d is %v, the exact one %v (step %v)", i, c.Round, c.Params[i], exact[i], c.State[stepVector])
	}
	switch w.scheme.Packing.Down {
	case protocol.CodecGrid:
		state[exactVector], state[stepVector] = exact, c.State[stepVector]
		if len(state[stepVector]) != 1 || !(state[stepVector][0] > 0) {
			w.violated("a version is the exact one, rounded", "version %d has the step %v", c.Round, state[stepVector])
			return
		}
		step := float64(state[stepVector][0])
		for i, p := range c.Params {
			base := float64(w.initial[i])
			point := base + step*math.Round((float64(p)-base)/step)
			if p != float32(point) || math.Abs(float64(exact[i])-point) > step/2*(1+1e-9) {
				wrong(i)
				return
			}
		}
	case protocol.CodecFloat16:
		state[exactVector] = exact
		for i, p := range c.Params {
			if p != float16(exact[i]) {
				wrong(i)
				return
			}
		}
	default:
		if !slices.Equal(c.Params, exact) {
			w.violated("a version is what its contributions make of its base", "version %d is %v, want %v", c.Round, c.Params, exact)
		}
	}
}

// float16 rounds to 11 significant bits, of which the last is at least 2^-24.
func float16(x float32) float32 {
	_, exp := math.Frexp(float64(x))
	last := math.Ldexp(1, max(exp-11, -24))
	return float32(math.RoundToEven(float64(x)/last) * last)
}

// checkReadable: nobody is sent what it cannot unpack.
func (c *conn) checkReadable(m *protocol.Model) {
	for _, v := range m.Vectors {
		if !slices.Contains(c.codecs, v.Codec) {
			c.participant.world.violated("a message is for its receiver to read", "participant %d gets version %d by %v, and has %v", c.number, m.Version, v.Codec, c.codecs)
		}
	}
}

// checkModel looks at a version that is sent to a participant: in full, or as a
// difference from the one that it holds or from version 0.
func (c *conn) checkModel(m *protocol.Model) {
	if m.Vectors[0].Role == protocol.RoleDelta {
		w := c.participant.world
		if m.Base != 0 && m.Base != c.holds {
			w.violated("a difference is from what its receiver holds", "participant %d gets one from version %d, and holds version %d", c.number, m.Base, c.holds)
		}
		w.result.Differences++
	}
	c.holds = m.Version
}

// checkCodec: an order asks for an answer by the task's codec, or raw from who
// does not have that.
func (c *conn) checkCodec(m *protocol.Order) {
	p := c.participant.world.scheme.Packing
	want := run.Packing{Up: protocol.CodecFloat32}
	if slices.Contains(c.codecs, p.Up) {
		want = run.Packing{Up: p.Up, Bits: float64(float32(p.Bits)), Feedback: p.Feedback}
	}
	if h := &m.Hyper; (run.Packing{Up: h.Codec, Bits: float64(h.Bits), Feedback: h.Feedback}) != want {
		c.participant.world.violated("an order says how to pack", "participant %d's order %d says %+v, want %+v", c.number, m.Order, *h, want)
	}
}

// checkHeld: everybody who holds a version holds the bits that are durable.
func (p *participant) checkHeld() {
	w := p.world
	version, params := p.client.Held()
	want := w.initialHash
	if version > 0 {
		want = w.journal.commits[version-1].Hash
	}
	if params != nil && learn.Hash(params) != want {
		w.violated("everybody holds the same bits", "client %d holds version %d as %v", p.index, version, params)
	}
}

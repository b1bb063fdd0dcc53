package run

import (
	"fmt"
	"math"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
)

// downlink encodes the newest version, in full or as the difference from a version
// that a client holds. A message is encoded once for all clients that need it, off
// the owner's goroutine.
type downlink struct {
	packing     Packing
	tensors     []compress.Tensor
	initialHash [32]byte

	version uint64
	hash    [32]byte
	params  []float32            // of version; never written to once published
	state   map[string][]float32 // server vectors of version
	full    map[protocol.Codec]*Shared
	grid    *grid // nil unless versions travel as differences

	// The control variate of version as clients get it: on a grid around zero where
	// versions lie on a grid, otherwise exact. nil: there is none.
	variate  []float32
	variates *grid
}

// variateFiner is the ratio of the coarseness of the grid of versions to that of
// control variates. What rounding takes off a variate is a gradient of the same
// direction at all clients in every step of a round, so it must be small beside the
// gradients; what it takes off a version comes back in the next.
const variateFiner = 4

// newDownlink returns the downlink of version 0. controls says whether versions come
// with control variates.
func newDownlink(model learn.Model, seed uint64, packing Packing, controls bool) (downlink, error) {
	layout := model.Layout()
	d := downlink{packing: packing, tensors: compress.TensorsOf(layout), params: make([]float32, layout.Size), full: map[protocol.Codec]*Shared{}}
	model.Init(d.params, seed)
	d.hash = learn.Hash(d.params)
	d.initialHash = d.hash
	var err error
	if packing.Down == protocol.CodecGrid {
		d.grid, err = newGrid(d.tensors, d.params)
		if err == nil && controls {
			d.variates, err = newGrid(d.tensors, make([]float32, layout.Size))
		}
	}
	return d, err
}

// restore loads the newest version after a restart.
func (d *downlink) restore(c *Commit) error {
	if len(c.Params) != len(d.params) {
		return fmt.Errorf("version %d: %d parameters, want the model's %d", c.Round, len(c.Params), len(d.params))
	}
	d.version, d.hash, d.params, d.state = c.Round, c.Hash, c.Params, c.State
	d.variate = c.State[combine.ControlVector]
	if d.grid == nil {
		return nil
	}
	if err := d.grid.restore(c.Round, c.Params, c.State[exactVector], c.State[stepVector]); err != nil {
		return err
	}
	if d.variates == nil {
		return nil
	}
	var err error
	d.variate, err = d.variates.restoreExact(c.Round, c.State[combine.ControlVector], c.State[variateStepVector], d.packing.Coarseness/variateFiner)
	return err
}

// publish makes a durable version the newest.
func (d *downlink) publish(c *Commit, q quantised) {
	d.version, d.hash, d.params, d.state = c.Round, c.Hash, c.Params, c.State
	d.variate = c.State[combine.ControlVector]
	clear(d.full)
	if d.grid != nil {
		d.grid.commit(q.version, c.State[exactVector])
	}
	if d.variates != nil {
		d.variates.commit(q.variate, d.variate)
		d.variate = q.variatePoints
	}
}

// exact returns the newest version before it was rounded for the downlink.
func (d *downlink) exact() []float32 {
	if exact := d.state[exactVector]; exact != nil {
		return exact
	}
	return d.params
}

// Shared is a message for several peers. Frames belongs to the peers: the first may
// cache its encoding there.
type Shared struct {
	Message protocol.Message // nil while it is being coded
	Frames  any
	entry   Entry
	waiting []func() // what to do when it is coded
}

// Entry returns what one delivery of the message costs. Only the owner of the
// run calls it.
func (s *Shared) Entry() Entry {
	if s.entry == (Entry{}) {
		s.entry = EntryOf(s.Message, false)
	}
	return s.entry
}

// code returns a message that work makes on another goroutine.
func (r *Run) code(work func() protocol.Message) *Shared {
	s := &Shared{}
	var msg protocol.Message
	r.env.Compute(func() { msg = work() }, func() {
		s.Message = msg
		for _, f := range s.waiting {
			f()
		}
		s.waiting = nil
	})
	return s
}

// modelMessage returns the message of the newest version for a participant: the
// difference from the version that it holds, or the full version.
func (r *Run) modelMessage(m *member) *Shared {
	d := &r.down
	if d.grid == nil || d.version == 0 || m.initDiffers || !m.can(protocol.CodecGrid) {
		return r.fullModel(m)
	}
	held := uint64(0)
	if m.holds && m.held < d.version {
		held = m.held
	}
	from, ok := d.grid.find(held)
	var fromVariate, newestVariate levels
	if d.variates != nil {
		var both bool
		if fromVariate, both = d.variates.find(held); ok && !both {
			from, ok = levels{}, false
		}
		newestVariate = d.variates.newest()
	}
	if !ok {
		held, fromVariate = 0, levels{}
	}
	if s := d.grid.messages[held]; s != nil {
		return s
	}
	base, _ := r.hashOf(held)
	newest := d.grid.newest()
	version, hash, params, control := d.version, d.hash, d.params, d.variate
	s := r.code(func() protocol.Message {
		block, err := d.grid.difference(from, newest)
		vectors := []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: base[:], Codec: protocol.CodecGrid, Block: block}}
		if err == nil && d.variates != nil {
			block, err = d.variates.difference(fromVariate, newestVariate)
			vectors = append(vectors, protocol.Vector{Role: protocol.RoleControl, Codec: protocol.CodecGrid, Block: block})
		}
		if err != nil {
			r.log.Error("cannot code a difference between versions, sending all of the version", "version", version, "held", held, "error", err)
			return d.message(version, hash, params, control, protocol.CodecFloat32)
		}
		return &protocol.Model{Transfer: version, Version: version, Hash: hash[:], Base: held, Vectors: vectors}
	})
	d.grid.messages[held] = s
	return s
}

// fullModel returns the message of the full newest version, in a codec that the
// participant supports.
func (r *Run) fullModel(to *member) *Shared {
	d := &r.down
	codec := d.packing.Down
	if codec == protocol.CodecGrid || codec == protocol.CodecFloat16 && d.version == 0 {
		codec = protocol.CodecPlanes // version 0 was never rounded
	}
	codec = to.able(codec)
	if d.full[codec] == nil {
		version, hash, params, control := d.version, d.hash, d.params, d.variate
		d.full[codec] = r.code(func() protocol.Message { return d.message(version, hash, params, control, codec) })
	}
	return d.full[codec]
}

func (d *downlink) message(version uint64, hash [32]byte, params, control []float32, codec protocol.Codec) *protocol.Model {
	v := protocol.Vector{Role: protocol.RoleModel, Codec: codec, Block: d.pack(codec, params)}
	return &protocol.Model{
		Transfer: version, Version: version, Hash: hash[:],
		Vectors: append([]protocol.Vector{v}, d.controlVector(control)...),
	}
}

// controlVector returns the server's control variate of the newest version, if
// there is one.
func (d *downlink) controlVector(control []float32) []protocol.Vector {
	if control == nil {
		return nil
	}
	return []protocol.Vector{{Role: protocol.RoleControl, Codec: protocol.CodecFloat32, Block: d.pack(protocol.CodecFloat32, control)}}
}

// localModel returns the message of a mean, a delta against the newest version.
func (r *Run) localModel(m *mean, to *member) *Shared {
	d := &r.down
	codec := protocol.CodecFloat32
	switch {
	case m.block != nil && to.can(d.packing.Local):
		codec = d.packing.Local
	case d.packing.Down != codec:
		codec = to.able(protocol.CodecPlanes)
	}
	if m.message[codec] == nil {
		version, hash := d.version, d.hash
		m.message[codec] = r.code(func() protocol.Message {
			block := m.block
			if block == nil || codec != d.packing.Local {
				block = d.pack(codec, m.delta)
			}
			return &protocol.Model{
				Transfer: version, Version: version, Base: version, Hash: m.hash[:],
				Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: hash[:], Codec: codec, Block: block}},
			}
		})
	}
	return m.message[codec]
}

// packLocal packs a mean by the codec of local models and replaces it by what the
// block decodes to. It returns nil and leaves the mean as it is where local models
// travel without loss, and where the codec refuses it.
func (d *downlink) packLocal(mean []float32) []byte {
	c, err := compress.Lookup(d.packing.Local)
	if err != nil || c.Lossless {
		return nil
	}
	o := compress.Options{Bits: d.packing.LocalBits}
	block, err := c.NewEncoder(d.tensors).Append(nil, mean, o)
	if err != nil {
		return nil
	}
	decoded := make([]float32, len(mean))
	if err := compress.DecodeWith(c.NewDecoder(), decoded, block, o); err != nil {
		return nil
	}
	copy(mean, decoded)
	return block
}

// pack encodes a vector with a codec that has no options. Its values are in the
// range of the codec.
func (d *downlink) pack(codec protocol.Codec, v []float32) []byte {
	c, err := compress.Lookup(codec)
	if err == nil {
		var b []byte
		if b, err = c.NewEncoder(d.tensors).Append(nil, v, compress.Options{}); err == nil {
			return b
		}
	}
	panic(fmt.Sprintf("run: packing with %v: %v", codec, err)) // the task is validated, and versions are finite
}

// sendModel sends the newest version.
func (r *Run) sendModel(m *member) {
	r.sendShared(m, r.modelMessage(m))
	m.holds, m.held = true, r.down.version
}

// Oldest returns the oldest version from which a difference may still be sent,
// version 0 apart. A client need not hold an older one.
func (r *Run) Oldest() uint64 {
	if g := r.down.grid; g != nil && len(g.kept) > 0 {
		return g.kept[0].version
	}
	return r.down.version
}

// quantised is a version that was rounded for the downlink.
type quantised struct {
	version, variate levels    // zero without the grid
	variatePoints    []float32 // the control variate that clients get, on the grid
}

// quantise rounds the next version for the downlink, and its control variate where
// both lie on a grid. It keeps the exact ones as server vectors for the next round. given
// says that its parameters are those of an earlier version, or of another run's.
func (d *downlink) quantise(version uint64, v *combine.Vectors, given bool) (q quantised, err error) {
	switch d.packing.Down {
	case protocol.CodecGrid:
		exact := v.Next
		v.Next, q.version, err = d.grid.round(version, exact, d.packing.Coarseness, given)
		v.State[exactVector], v.State[stepVector] = exact, []float32{q.version.step}
		if err == nil && d.variates != nil {
			if v.State[combine.ControlVector] == nil { // on the way back to an earlier version
				v.State[combine.ControlVector] = make([]float32, len(exact))
			}
			q.variatePoints, q.variate, err = d.variates.round(version, v.State[combine.ControlVector], d.packing.Coarseness/variateFiner, given)
			v.State[variateStepVector] = []float32{q.variate.step}
		}
	case protocol.CodecFloat16:
		exact := v.Next
		v.State[exactVector], v.Next = exact, make([]float32, len(exact))
		var block []byte
		if block, err = compress.Append(protocol.CodecFloat16, nil, exact); err == nil {
			err = compress.Decode(protocol.CodecFloat16, v.Next, block)
		}
	}
	return q, err
}

// enqueue calls f at once, or after the messages to the member that are being
// coded.
func (m *member) enqueue(f func()) {
	if m.blocked {
		m.outbox = append(m.outbox, f)
		return
	}
	f()
}

// drain calls the functions in the outbox, up to the next message being coded.
func (m *member) drain() {
	m.blocked = false
	for !m.blocked && len(m.outbox) > 0 {
		f := m.outbox[0]
		m.outbox = m.outbox[1:]
		f()
	}
}

// send passes a message to a participant's peer, if it is connected, and counts it.
func (r *Run) send(m *member, msg protocol.Message) {
	if m.peer == nil {
		return
	}
	m.enqueue(func() {
		r.accounts.count(m.number, msg, false)
		m.peer.Send(msg)
	})
}

func (r *Run) sendShared(m *member, s *Shared) {
	if m.peer == nil {
		return
	}
	m.enqueue(func() { r.deliver(m, s) })
}

func (r *Run) deliver(m *member, s *Shared) {
	if s.Message == nil {
		m.blocked = true
		peer := m.peer
		s.waiting = append(s.waiting, func() {
			if m.peer == peer {
				r.deliver(m, s)
				m.drain()
			}
		})
		return
	}
	r.accounts.book(m.number, s.Entry())
	m.peer.SendShared(s)
}

// closePeer ends a participant's connection after the messages before it.
func (m *member) closePeer(code protocol.CloseCode, detail string) {
	if peer := m.peer; peer != nil {
		m.enqueue(func() { peer.Close(code, detail) })
	}
}

func (r *Run) status() *protocol.Status {
	s := &protocol.Status{
		Phase: r.shownPhase(), Round: r.down.version, Version: r.down.version, Participants: uint32(len(r.roster.present)),
		Closed: r.closed, Reason: r.finished,
	}
	switch {
	case r.finished == "" && r.durable.err != nil:
		s.Reason = retryReason
	case s.Phase == protocol.PhasePaused:
		s.Reason = r.paused
	}
	if r.open != nil {
		s.Round = r.open.Round
	}
	if e := r.evaluated; e != nil {
		s.Evaluated, s.TestLoss = e.Version, e.Loss
		if !math.IsNaN(e.Accuracy) { // 0 stands for none
			s.TestAccuracy = e.Accuracy
		}
	}
	return s
}

func (r *Run) broadcastStatus() {
	s := &Shared{Message: r.status()}
	for _, p := range r.roster.present {
		r.sendShared(r.roster.members[p], s)
	}
}

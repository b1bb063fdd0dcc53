package protocol

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of every message, twice: as they are written and as they are
// read. The numbers are those of fedtab.proto, and are frozen with v1.

// message writes the fields of m. The switch keeps the calls static, so that
// w stays on the stack.
func (w *writer) message(m Message) {
	switch m := m.(type) {
	case *Hello:
		m.write(w)
	case *Welcome:
		m.write(w)
	case *Shards:
		m.write(w)
	case *Order:
		m.write(w)
	case *Model:
		m.write(w)
	case *Contribution:
		m.write(w)
	case *Ack:
		m.write(w)
	case *Decline:
		m.write(w)
	case *Want:
		m.write(w)
	case *Fetch:
		m.write(w)
	case *Progress:
		m.write(w)
	case *Tab:
		m.write(w)
	case *Status:
		m.write(w)
	case *Bye:
		m.write(w)
	case *Chunk:
		m.write(w)
	}
}

// message reads a message of kind k, which must be known.
func (r *reader) message(k Kind) Message {
	switch k {
	case KindHello:
		m := new(Hello)
		m.read(r)
		return m
	case KindWelcome:
		m := new(Welcome)
		m.read(r)
		return m
	case KindShards:
		m := new(Shards)
		m.read(r)
		return m
	case KindOrder:
		m := new(Order)
		m.read(r)
		return m
	case KindModel:
		m := new(Model)
		m.read(r)
		return m
	case KindContribution:
		m := new(Contribution)
		m.read(r)
		return m
	case KindAck:
		m := new(Ack)
		m.read(r)
		return m
	case KindDecline:
		m := new(Decline)
		m.read(r)
		return m
	case KindWant:
		m := new(Want)
		m.read(r)
		return m
	case KindFetch:
		m := new(Fetch)
		m.read(r)
		return m
	case KindProgress:
		m := new(Progress)
		m.read(r)
		return m
	case KindTab:
		m := new(Tab)
		m.read(r)
		return m
	case KindStatus:
		m := new(Status)
		m.read(r)
		return m
	case KindBye:
		m := new(Bye)
		m.read(r)
		return m
	case KindChunk:
		m := new(Chunk)
		m.read(r)
		return m
	}
	panic("protocol: message of " + k.String())
}

func (m *Hello) write(w *writer) {
	w.string(1, m.Protocol)
	w.string(2, m.Task)
	w.bytes(3, m.ResumeToken)
	w.text(4, m.Client)
	packed(w, 5, m.Codecs)
	w.uint(6, m.Held)
	w.bytes(7, m.HeldHash)
	w.uint(8, uint64(m.TabState))
	packed(w, 9, m.Payloads)
	w.string(10, m.Invite)
}

func (m *Hello) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Protocol = r.text("protocol", MaxName)
		case 2:
			m.Task = r.text("task", MaxName)
		case 3:
			m.ResumeToken = r.bytes("resume_token", MaxToken)
		case 4:
			m.Client = r.text("client", MaxText)
		case 5:
			m.Codecs = unpack(r, "codecs", m.Codecs, MaxCodecs, math.MaxInt32)
		case 6:
			m.Held = r.uint64("held")
		case 7:
			m.HeldHash = r.hash("held_hash")
		case 8:
			m.TabState = TabState(r.enum("tab_state"))
		case 9:
			m.Payloads = unpack(r, "payloads", m.Payloads, MaxCodecs, math.MaxInt32)
		case 10:
			m.Invite = r.text("invite", MaxToken)
		default:
			r.skip()
		}
	}
}

func (m *Welcome) write(w *writer) {
	w.uint(1, m.Session)
	w.uint(2, uint64(m.Participant))
	w.bytes(3, m.ResumeToken)
	w.string(4, m.Run)
	w.text(5, m.Title)
	if n := m.Model.size(); n > 0 {
		w.open(6, n)
		m.Model.write(w)
	}
	w.uint(7, m.Seed)
	w.bytes(8, m.InitialHash)
	w.uint(9, m.Parameters)
	w.uint(10, m.Version)
	w.uint(11, uint64(m.PingInterval))
}

func (m *Welcome) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Session = r.uint64("session")
		case 2:
			m.Participant = r.uint32("participant")
		case 3:
			m.ResumeToken = r.bytes("resume_token", MaxToken)
		case 4:
			m.Run = r.text("run", MaxName)
		case 5:
			m.Title = r.text("title", MaxText)
		case 6:
			if sub, ok := r.nested("model"); ok {
				m.Model.read(&sub)
				r.join("model", &sub)
			}
		case 7:
			m.Seed = r.uint64("seed")
		case 8:
			m.InitialHash = r.hash("initial_hash")
		case 9:
			m.Parameters = r.announced("parameters", MaxParameters)
		case 10:
			m.Version = r.uint64("version")
		case 11:
			m.PingInterval = r.uint32("ping_interval")
		default:
			r.skip()
		}
	}
}

func (m *ModelSpec) size() int {
	w := writer{counting: true}
	m.write(&w)
	return w.n
}

func (m *ModelSpec) write(w *writer) {
	packed(w, 1, m.Input)
	for i := range m.Layers {
		l := &m.Layers[i]
		w.open(2, l.size())
		l.write(w)
	}
	w.uint(3, uint64(m.Loss))
	w.float(4, m.Epsilon)
	w.float(5, m.L1)
	w.float(6, m.L2)
	packedFloats(w, 7, m.ClassWeights)
}

func (m *ModelSpec) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Input = unpack(r, "input", m.Input, MaxDimensions, math.MaxUint32)
		case 2:
			if sub, ok := r.element("layers", len(m.Layers), MaxLayers); ok {
				var l Layer
				l.read(&sub)
				r.joinElement("layers", len(m.Layers), &sub)
				m.Layers = append(m.Layers, l)
			}
		case 3:
			m.Loss = Loss(r.enum("loss"))
		case 4:
			m.Epsilon = r.float("epsilon")
		case 5:
			m.L1 = r.float("l1")
		case 6:
			m.L2 = r.float("l2")
		case 7:
			m.ClassWeights = unpackFloats(r, "class_weights", m.ClassWeights, MaxClasses)
		default:
			r.skip()
		}
	}
}

func (l *Layer) size() int {
	w := writer{counting: true}
	l.write(&w)
	return w.n
}

func (l *Layer) write(w *writer) {
	w.uint(1, uint64(l.Kind))
	w.uint(2, uint64(l.Units))
	w.uint(3, uint64(l.Activation))
	w.uint(4, uint64(l.Size))
	w.uint(5, uint64(l.Stride))
	w.bool(6, l.Same)
	w.float(7, l.Rate)
	w.float(8, l.Gamma)
	w.uint(9, l.Seed)
}

func (l *Layer) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			l.Kind = LayerKind(r.enum("kind"))
		case 2:
			l.Units = r.uint32("units")
		case 3:
			l.Activation = Activation(r.enum("activation"))
		case 4:
			l.Size = r.uint32("size")
		case 5:
			l.Stride = r.uint32("stride")
		case 6:
			l.Same = r.bool("same")
		case 7:
			l.Rate = r.float("rate")
		case 8:
			l.Gamma = r.float("gamma")
		case 9:
			l.Seed = r.uint64("seed")
		default:
			r.skip()
		}
	}
}

func (m *Shards) write(w *writer) {
	w.uint(1, m.Assignment)
	w.string(2, m.Source)
	packed(w, 3, m.Shards)
	w.uint(4, uint64(m.Total))
}

func (m *Shards) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Assignment = r.uint64("assignment")
		case 2:
			m.Source = r.text("source", MaxText)
		case 3:
			m.Shards = unpack(r, "shards", m.Shards, MaxShards, math.MaxUint32)
		case 4:
			m.Total = r.uint32("total")
		default:
			r.skip()
		}
	}
}

func (m *Order) write(w *writer) {
	w.uint(1, m.Order)
	w.uint(2, uint64(m.Kind))
	w.uint(3, m.Round)
	w.uint(4, m.Base)
	w.bytes(5, m.BaseHash)
	if n := m.Hyper.size(); n > 0 {
		w.open(6, n)
		m.Hyper.write(w)
	}
	w.uint(7, m.Seed)
	w.uint(8, uint64(m.Deadline))
	w.bytes(9, m.Start)
	for i := range m.Payloads {
		c := w.counter()
		m.Payloads[i].write(&c)
		w.open(10, c.n)
		m.Payloads[i].write(w)
	}
}

func (m *Order) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Order = r.uint64("order")
		case 2:
			m.Kind = OrderKind(r.enum("kind"))
		case 3:
			m.Round = r.uint64("round")
		case 4:
			m.Base = r.uint64("base")
		case 5:
			m.BaseHash = r.hash("base_hash")
		case 6:
			if sub, ok := r.nested("hyper"); ok {
				m.Hyper.read(&sub)
				r.join("hyper", &sub)
			}
		case 7:
			m.Seed = r.uint64("seed")
		case 8:
			m.Deadline = r.uint32("deadline")
		case 9:
			m.Start = r.hash("start")
		case 10:
			sub, ok := r.element("payloads", len(m.Payloads), MaxPayloads)
			if !ok {
				continue
			}
			var p Payload
			p.read(&sub)
			r.joinElement("payloads", len(m.Payloads), &sub)
			m.Payloads = append(m.Payloads, p)
		default:
			r.skip()
		}
	}
}

func (p *Payload) write(w *writer) {
	w.uint(1, uint64(p.Kind))
	w.string(2, p.Name)
	w.uint(3, uint64(p.Bits))
	w.uint(4, p.Count)
	w.uint(5, p.MaxBytes)
}

func (p *Payload) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			p.Kind = PayloadKind(r.enum("kind"))
		case 2:
			p.Name = r.text("name", MaxName)
		case 3:
			p.Bits = r.uint32("bits")
		case 4:
			p.Count = r.announced("count", MaxCount)
		case 5:
			p.MaxBytes = r.announced("max_bytes", MaxBlock)
		default:
			r.skip()
		}
	}
	r.integers(p.Kind, p.Count, p.Bits)
}

func (h *Hyper) size() int {
	w := writer{counting: true}
	h.write(&w)
	return w.n
}

func (h *Hyper) write(w *writer) {
	w.uint(1, uint64(h.Epochs))
	w.uint(2, uint64(h.Steps))
	w.uint(3, uint64(h.Batch))
	w.float(4, h.LR)
	w.uint(5, uint64(h.Codec))
	w.uint(6, uint64(h.Optimiser))
	w.float(7, h.Momentum)
	w.float(8, h.Beta2)
	w.float(9, h.Epsilon)
	w.float(10, h.WeightDecay)
	w.float(11, h.Clip)
	w.uint(12, uint64(h.Schedule))
	w.uint(13, uint64(h.Every))
	w.float(14, h.Factor)
	w.uint(15, uint64(h.Warmup))
	w.float(16, h.Prox)
	w.bool(17, h.Control)
	w.bool(18, h.Stream)
	w.double(19, h.Delta)
	w.uint(20, uint64(h.Parts))
	w.float(21, h.Bits)
	w.bool(22, h.Feedback)
}

func (h *Hyper) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			h.Epochs = r.uint32("epochs")
		case 2:
			h.Steps = r.uint32("steps")
		case 3:
			h.Batch = r.uint32("batch")
		case 4:
			h.LR = r.float("lr")
		case 5:
			h.Codec = Codec(r.enum("codec"))
		case 6:
			h.Optimiser = Optimiser(r.enum("optimiser"))
		case 7:
			h.Momentum = r.float("momentum")
		case 8:
			h.Beta2 = r.float("beta2")
		case 9:
			h.Epsilon = r.float("epsilon")
		case 10:
			h.WeightDecay = r.float("weight_decay")
		case 11:
			h.Clip = r.float("clip")
		case 12:
			h.Schedule = Schedule(r.enum("schedule"))
		case 13:
			h.Every = r.uint32("every")
		case 14:
			h.Factor = r.float("factor")
		case 15:
			h.Warmup = r.uint32("warmup")
		case 16:
			h.Prox = r.float("prox")
		case 17:
			h.Control = r.bool("control")
		case 18:
			h.Stream = r.bool("stream")
		case 19:
			h.Delta = r.double("delta")
		case 20:
			h.Parts = r.uint32("parts")
		case 21:
			h.Bits = r.float("bits")
		case 22:
			h.Feedback = r.bool("feedback")
		default:
			r.skip()
		}
	}
}

// vectors writes a repeated field of vectors.
func (w *writer) vectors(num protowire.Number, vectors []Vector) {
	for i := range vectors {
		v := &vectors[i]
		c := w.counter()
		v.write(&c)
		w.open(num, c.n)
		v.write(w)
	}
}

// vector reads one more element of a repeated field of vectors.
func (r *reader) vector(vectors []Vector) []Vector {
	sub, ok := r.element("vectors", len(vectors), MaxVectors)
	if !ok {
		return vectors
	}
	var v Vector
	v.read(&sub)
	r.joinElement("vectors", len(vectors), &sub)
	return append(vectors, v)
}

func (v *Vector) write(w *writer) {
	w.uint(1, uint64(v.Role))
	w.bytes(2, v.BaseHash)
	w.uint(3, uint64(v.Part))
	w.uint(4, uint64(v.Codec))
	if w.announcing {
		w.uint(6, uint64(len(v.Block)))
	} else {
		w.bytes(5, v.Block)
		w.uint(6, v.Size)
	}
	w.uint(7, uint64(v.Kind))
	w.string(8, v.Name)
	w.uint(9, uint64(v.Bits))
	w.uint(10, v.Count)
}

func (v *Vector) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			v.Role = Role(r.enum("role"))
		case 2:
			v.BaseHash = r.hash("base_hash")
		case 3:
			v.Part = r.uint32("part")
		case 4:
			v.Codec = Codec(r.enum("codec"))
		case 5:
			v.Block = r.alias("block", MaxFrame)
		case 6:
			v.Size = r.announced("size", MaxBlock)
		case 7:
			v.Kind = PayloadKind(r.enum("kind"))
		case 8:
			v.Name = r.text("name", MaxName)
		case 9:
			v.Bits = r.uint32("bits")
		case 10:
			v.Count = r.announced("count", MaxCount)
		default:
			r.skip()
		}
	}
	r.integers(v.Kind, v.Count, v.Bits)
	if v.Size > 0 && len(v.Block) > 0 {
		r.fail("size", ErrMixedBody, "the block is inline")
	}
}

// integers records an error when the integers of a payload take more than a block.
func (r *reader) integers(kind PayloadKind, count uint64, bits uint32) {
	if size := integersSize(count, bits); kind == PayloadIntegers && size > MaxBlock {
		r.fail("count", ErrAnnouncedSize, strconv.FormatUint(size, 10)+" bytes of integers, want at most "+strconv.Itoa(MaxBlock))
	}
}

// either records an error when some blocks are inline and some announced.
func (r *reader) either(vectors []Vector) {
	var inline, announced bool
	for i := range vectors {
		inline = inline || len(vectors[i].Block) > 0
		announced = announced || vectors[i].Size > 0
	}
	if inline && announced {
		r.fail("vectors", ErrMixedBody, "some blocks inline, some in chunks")
	}
}

func (m *Model) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Version)
	w.bytes(3, m.Hash)
	w.uint(4, m.Base)
	w.vectors(5, m.Vectors)
}

func (m *Model) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Version = r.uint64("version")
		case 3:
			m.Hash = r.hash("hash")
		case 4:
			m.Base = r.uint64("base")
		case 5:
			m.Vectors = r.vector(m.Vectors)
		default:
			r.skip()
		}
	}
	r.either(m.Vectors)
}

func (m *Contribution) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Order)
	w.uint(3, m.Round)
	w.uint(4, m.Weight)
	if n := m.Metrics.size(); n > 0 {
		w.open(5, n)
		m.Metrics.write(w)
	}
	w.vectors(6, m.Vectors)
}

func (m *Contribution) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Order = r.uint64("order")
		case 3:
			m.Round = r.uint64("round")
		case 4:
			m.Weight = r.uint64("weight")
		case 5:
			if sub, ok := r.nested("metrics"); ok {
				m.Metrics.read(&sub)
				r.join("metrics", &sub)
			}
		case 6:
			m.Vectors = r.vector(m.Vectors)
		default:
			r.skip()
		}
	}
	r.either(m.Vectors)
}

func (m *Metrics) size() int {
	w := writer{counting: true}
	m.write(&w)
	return w.n
}

func (m *Metrics) write(w *writer) {
	w.uint(1, m.Examples)
	w.uint(2, m.Steps)
	w.double(3, m.LossSum)
	w.uint(4, m.Correct)
	w.uint(5, uint64(m.Millis))
}

func (m *Metrics) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Examples = r.uint64("examples")
		case 2:
			m.Steps = r.uint64("steps")
		case 3:
			m.LossSum = r.double("loss_sum")
		case 4:
			m.Correct = r.uint64("correct")
		case 5:
			m.Millis = r.uint32("millis")
		default:
			r.skip()
		}
	}
}

func (m *Ack) write(w *writer) {
	w.uint(1, m.Order)
	w.uint(2, uint64(m.Reason))
	w.text(3, m.Detail)
	w.uint(4, m.Round)
}

func (m *Ack) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Order = r.uint64("order")
		case 2:
			m.Reason = Reason(r.enum("reason"))
		case 3:
			m.Detail = r.text("detail", MaxText)
		case 4:
			m.Round = r.uint64("round")
		default:
			r.skip()
		}
	}
}

func (m *Decline) write(w *writer) {
	w.uint(1, m.Order)
	w.uint(2, uint64(m.Reason))
	w.text(3, m.Detail)
}

func (m *Decline) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Order = r.uint64("order")
		case 2:
			m.Reason = Reason(r.enum("reason"))
		case 3:
			m.Detail = r.text("detail", MaxText)
		default:
			r.skip()
		}
	}
}

func (m *Want) write(w *writer) {
	w.uint(1, m.Version)
	w.bool(2, m.Full)
}

func (m *Want) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Version = r.uint64("version")
		case 2:
			m.Full = r.bool("full")
		default:
			r.skip()
		}
	}
}

func (m *Fetch) write(w *writer) {
	w.uint(1, m.Order)
	w.uint(2, uint64(m.Codec))
}

func (m *Fetch) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Order = r.uint64("order")
		case 2:
			m.Codec = Codec(r.enum("codec"))
		default:
			r.skip()
		}
	}
}

func (m *Progress) write(w *writer) {
	w.uint(1, m.Order)
	w.uint(2, m.Examples)
}

func (m *Progress) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Order = r.uint64("order")
		case 2:
			m.Examples = r.uint64("examples")
		default:
			r.skip()
		}
	}
}

func (m *Tab) write(w *writer) {
	w.uint(1, uint64(m.State))
}

func (m *Tab) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.State = TabState(r.enum("state"))
		default:
			r.skip()
		}
	}
}

func (m *Status) write(w *writer) {
	w.uint(1, uint64(m.Phase))
	w.uint(2, m.Round)
	w.uint(3, m.Version)
	w.uint(4, uint64(m.Participants))
	w.uint(5, m.Evaluated)
	w.double(6, m.TestLoss)
	w.double(7, m.TestAccuracy)
	w.uint(8, m.Closed)
	w.text(9, m.Reason)
	w.bytes(10, m.ResumeToken)
}

func (m *Status) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Phase = Phase(r.enum("phase"))
		case 2:
			m.Round = r.uint64("round")
		case 3:
			m.Version = r.uint64("version")
		case 4:
			m.Participants = r.uint32("participants")
		case 5:
			m.Evaluated = r.uint64("evaluated")
		case 6:
			m.TestLoss = r.double("test_loss")
		case 7:
			m.TestAccuracy = r.double("test_accuracy")
		case 8:
			m.Closed = r.uint64("closed")
		case 9:
			m.Reason = r.text("reason", MaxText)
		case 10:
			m.ResumeToken = r.bytes("resume_token", MaxToken)
		default:
			r.skip()
		}
	}
}

func (m *Bye) write(w *writer) {
	w.uint(1, uint64(m.Code))
	w.text(2, m.Detail)
}

func (m *Bye) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Code = CloseCode(r.atMost("code", math.MaxUint16))
		case 2:
			m.Detail = r.text("detail", MaxText)
		default:
			r.skip()
		}
	}
}

func (m *Chunk) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Offset)
	w.bytes(3, m.Data)
}

func (m *Chunk) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Offset = r.uint64("offset")
		case 3:
			m.Data = r.alias("data", ChunkSize)
		default:
			r.skip()
		}
	}
}

package protocol

import "math"

// The fields of the messages that open, describe and close a session.

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
	if n := m.Secure.size(); n > 0 {
		w.open(12, n)
		m.Secure.write(w)
	}
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
		case 12:
			if sub, ok := r.nested("secure"); ok {
				m.Secure.read(&sub)
				r.join("secure", &sub)
			}
		default:
			r.skip()
		}
	}
}

func (m *SecureTerms) size() int {
	w := writer{counting: true}
	m.write(&w)
	return w.n
}

func (m *SecureTerms) write(w *writer) {
	w.uint(1, uint64(m.Min))
	w.uint(2, uint64(m.Max))
	w.double(3, m.Dropout)
	w.double(4, m.Corrupt)
	w.uint(5, uint64(m.Examples))
	w.uint(6, uint64(m.Bits))
	w.double(7, m.Subset)
	w.bytes(8, m.Members)
	w.double(9, m.Noise)
	w.double(10, m.Clip)
	w.uint(11, uint64(m.Participations))
}

func (m *SecureTerms) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Min = r.uint32("min")
		case 2:
			m.Max = r.uint32("max")
		case 3:
			m.Dropout = r.double("dropout")
		case 4:
			m.Corrupt = r.double("corrupt")
		case 5:
			m.Examples = r.uint32("examples")
		case 6:
			m.Bits = r.uint32("bits")
		case 7:
			m.Subset = r.double("subset")
		case 8:
			m.Members = r.hash("members")
		case 9:
			m.Noise = r.double("noise")
		case 10:
			m.Clip = r.double("clip")
		case 11:
			m.Participations = r.uint32("participations")
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

func (m *Constants) write(w *writer) {
	packedDoubles(w, 1, m.Mean)
	packedDoubles(w, 2, m.Deviation)
}

func (m *Constants) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Mean = unpackDoubles(r, "mean", m.Mean, MaxNumbers)
		case 2:
			m.Deviation = unpackDoubles(r, "deviation", m.Deviation, MaxNumbers)
		default:
			r.skip()
		}
	}
}

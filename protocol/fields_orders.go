package protocol

// The fields of orders, and of the messages that answer them without a body.

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
	w.bool(23, h.Reproducible)
	w.double(24, h.Bound)
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
		case 23:
			h.Reproducible = r.bool("reproducible")
		case 24:
			h.Bound = r.double("bound")
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

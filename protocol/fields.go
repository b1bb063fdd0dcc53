package protocol

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
	case *Constants:
		m.write(w)
	case *Secure:
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
	case KindConstants:
		m := new(Constants)
		m.read(r)
		return m
	case KindSecure:
		m := new(Secure)
		m.read(r)
		return m
	}
	panic("protocol: message of " + k.String())
}

package adversary

import (
	"math"

	"fedtab/privacy/terms"
	"fedtab/protocol"
)

// Masks changes the integers that the member's client has made of an update, before they are
// masked, where they are summed unseen. It keeps to no bound: a parameter is limited only to
// what wraps no sum beside honest ones, which would be no more than noise. Weight and loss are
// the client's own.
//
// Kinds that collude have nothing to go by, as no client's update is seen: they change nothing.
func (m *Member) Masks(o *protocol.Order, values []uint32) {
	switch m.group.cfg.Kind {
	case SignFlip, Scale, Noise, Backdoor:
	default:
		return
	}
	if !m.lies {
		return
	}
	_, f, err := terms.Of(m.welcome.Secure, nil, m.welcome.Run, int(m.welcome.Parameters))
	if err != nil {
		panic(err) // a bug: the client takes part
	}
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	shift := 32 - f.Bits
	own := make([]float32, f.Sent())
	for i := range own {
		own[i] = float32(int32(values[i]<<shift) >> shift)
	}
	g.attack(m, &protocol.Contribution{Order: o.Order, Round: o.Round}, 0, own, 1)
	limit := float64(int(1)<<(f.Bits-1) - 1 - (f.Clients-1)*f.Levels())
	for i, x := range own {
		values[i] = uint32(int32(math.Round(min(max(float64(x), -limit), limit))))
	}
}

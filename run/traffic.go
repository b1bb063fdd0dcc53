package run

import (
	"fedtab/protocol"
)

// Traffic counts bytes by the rules of docs/protocol.md: every frame of every
// message, WebSocket header and mask included. It also counts models: a vector of
// the length of the parameters is one, in any codec.
type Traffic struct {
	Up, Down             int64
	ModelsUp, ModelsDown int64
	Kinds                [protocol.Kinds + 1]KindTraffic // by protocol.Kind; 0: rejected frames
}

// KindTraffic is the part of one kind of message.
type KindTraffic struct {
	Up   int64 `json:"up"` // bytes
	Down int64 `json:"down"`
}

// ClientTraffic is what one participant has sent and received.
type ClientTraffic struct {
	Participant uint32
	Traffic
}

// Add adds another account to t.
func (t *Traffic) Add(u *Traffic) {
	t.Up += u.Up
	t.Down += u.Down
	t.ModelsUp += u.ModelsUp
	t.ModelsDown += u.ModelsDown
	for k, n := range u.Kinds {
		t.Kinds[k].Up += n.Up
		t.Kinds[k].Down += n.Down
	}
}

// Subtract undoes Add.
func (t *Traffic) Subtract(u *Traffic) {
	t.Up -= u.Up
	t.Down -= u.Down
	t.ModelsUp -= u.ModelsUp
	t.ModelsDown -= u.ModelsDown
	for k, n := range u.Kinds {
		t.Kinds[k].Up -= n.Up
		t.Kinds[k].Down -= n.Down
	}
}

// Density is what parameters have cost to move. What is undefined is nil.
type Density struct {
	BitsUp   *float64 `json:"bits_up"`   // per parameter of the models sent up; nil if there are none
	BitsDown *float64 `json:"bits_down"` // the same down
	RawRatio *float64 `json:"raw_ratio"` // size of the models sent as raw float32, divided by the bytes sent
}

// Density divides all bytes of a direction, orders and answers included, by the
// models of that direction, of the given number of parameters.
func (t *Traffic) Density(parameters int) Density {
	n := float64(parameters)
	return Density{
		BitsUp:   per(8*float64(t.Up), float64(t.ModelsUp)*n),
		BitsDown: per(8*float64(t.Down), float64(t.ModelsDown)*n),
		RawRatio: per(4*float64(t.ModelsUp+t.ModelsDown)*n, float64(t.Up+t.Down)),
	}
}

// per returns a/b, or nil if either is 0: no model was sent, or its bytes are not
// counted.
func per(a, b float64) *float64 {
	if a <= 0 || b <= 0 {
		return nil
	}
	q := a / b
	return &q
}

// KindName returns the name of entry k of Traffic.Kinds.
func KindName(k int) string {
	if k == 0 {
		return "refused"
	}
	return protocol.Kind(k).String()
}

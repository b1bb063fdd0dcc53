package run

import (
	"fedtab/protocol"
)

// Traffic counts bytes as docs/protocol.md says: every frame of every message
// to and from every participant, WebSocket header and mask included. It also
// counts models, the way papers do: a vector as long as the model's parameters
// is one, however it is packed.
type Traffic struct {
	Up, Down             int64
	ModelsUp, ModelsDown int64
	Kinds                [protocol.Kinds + 1]KindTraffic // by protocol.Kind; 0 is what was no message
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

// Add enters what another account has.
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
	BitsUp   *float64 `json:"bits_up"`   // for a parameter of a model that went up: nil if none did
	BitsDown *float64 `json:"bits_down"` // the same down
	RawRatio *float64 `json:"raw_ratio"` // what the models that travelled are as raw float32, by the bytes that did
}

// Density spreads the bytes over the models, which have so many parameters. All
// bytes of a direction count, whatever the message: frames, orders and answers are
// part of the price.
func (t *Traffic) Density(parameters int) Density {
	n := float64(parameters)
	return Density{
		BitsUp:   per(8*float64(t.Up), float64(t.ModelsUp)*n),
		BitsDown: per(8*float64(t.Down), float64(t.ModelsDown)*n),
		RawRatio: per(4*float64(t.ModelsUp+t.ModelsDown)*n, float64(t.Up+t.Down)),
	}
}

// per returns a by b, nil unless there is something of both: where no model has
// travelled, and where its bytes are not counted, there is nothing to compare.
func per(a, b float64) *float64 {
	if a <= 0 || b <= 0 {
		return nil
	}
	q := a / b
	return &q
}

// KindName names the entry k of Traffic.Kinds.
func KindName(k int) string {
	if k == 0 {
		return "refused"
	}
	return protocol.Kind(k).String()
}

package hubtest

import (
	"math"

	"fedtab/compress"
	"fedtab/protocol"
)

// Lie is something that a contribution can be wrong about.
type Lie struct {
	Name string
	Want protocol.Reason // with which the coordinator answers
	Edit func(c *protocol.Contribution)
}

// Lies returns lies about a raw contribution of at least 20,001 parameters.
func Lies() []Lie { return lies }

var lies = []Lie{
	{"NaN", protocol.ReasonNotFinite, func(c *protocol.Contribution) { SetValue(c, 7, float32(math.NaN())) }},
	{"infinity", protocol.ReasonNotFinite, func(c *protocol.Contribution) { SetValue(c, 20_000, float32(math.Inf(-1))) }},
	{"an absurd value", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { SetValue(c, 0, protocol.MaxDelta+1) }},
	{"no weight", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Weight = 0 }},
	{"an absurd weight", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Weight = protocol.MaxWeight }},
	{"too few values", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[4:] }},
	{"too many values", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = append(c.Vectors[0].Block, 0, 0, 0, 0) }},
	{"half a value", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[2:] }},
	{"no vector", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors = nil }},
	{"two vectors", protocol.ReasonWrongShape, func(c *protocol.Contribution) {
		v := c.Vectors[0]
		v.Block = v.Block[:100]
		c.Vectors = []protocol.Vector{v, v}
	}},
	{"another role", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Role = protocol.RoleModel }},
	{"another base", protocol.ReasonWrongBase, func(c *protocol.Contribution) { c.Vectors[0].BaseHash = make([]byte, 32) }},
	{"an unknown codec", protocol.ReasonCodec, func(c *protocol.Contribution) { c.Vectors[0].Codec = 77 }},
	{"a deadzone block cut off", protocol.ReasonCodec, packed(protocol.CodecDeadzone, func(b []byte) []byte { return b[:len(b)-3] })},
	{"a dither block that goes on", protocol.ReasonCodec, packed(protocol.CodecDither, func(b []byte) []byte { return append(b, 1) })},
	{"planes of nothing", protocol.ReasonCodec, packed(protocol.CodecPlanes, func([]byte) []byte { return nil })},
	{"a block of another size", protocol.ReasonCodec, packed(protocol.CodecDeadzone, func(b []byte) []byte { b[1] ^= 1; return b })},
	{"a block of another version", protocol.ReasonCodec, packed(protocol.CodecDither, func(b []byte) []byte { b[0]++; return b })},
	{"infinity by float16", protocol.ReasonNotFinite, packed(protocol.CodecFloat16, func(b []byte) []byte { b[0], b[1] = 0, 0x7c; return b })},
	{"an absurd value by float16", protocol.ReasonOutOfBounds, packed(protocol.CodecFloat16, func(b []byte) []byte { b[0], b[1] = 0, 0x7b; return b })},
	{"a difference on the grid", protocol.ReasonCodec, func(c *protocol.Contribution) { c.Vectors[0].Codec = protocol.CodecGrid }},
	{"no round", protocol.ReasonUnordered, func(c *protocol.Contribution) { c.Round = 0 }},
	{"an attempt that is over", protocol.ReasonLate, func(c *protocol.Contribution) { c.Order = 0 }},
	{"a round to come", protocol.ReasonUnordered, func(c *protocol.Contribution) { c.Round += 1000 }},
	{"an order never given", protocol.ReasonUnordered, func(c *protocol.Contribution) { c.Order += 1000 }},
}

// packed replaces a contribution's values by others in a block by a codec, which is
// then forged.
func packed(codec protocol.Codec, forge func([]byte) []byte) func(*protocol.Contribution) {
	return func(c *protocol.Contribution) {
		v := make([]float32, len(c.Vectors[0].Block)/4)
		for i := range v {
			v[i] = float32(i%13-6) / 100
		}
		k, err := compress.Lookup(codec)
		if err != nil {
			panic(err)
		}
		block, err := k.NewEncoder(compress.Flat(len(v))).Append(nil, v, compress.Options{Bits: 2, Seed: 1})
		if err != nil {
			panic(err)
		}
		c.Vectors[0].Codec, c.Vectors[0].Block = codec, forge(block)
	}
}

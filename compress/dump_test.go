package compress_test

import (
	"fedtab/compress"
	"fedtab/protocol"
	"fmt"
	"math"
	"testing"
)

func nmse(x, y []float32) float64 {
	e, s := 0.0, 0.0
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		e += d * d
		s += float64(x[i]) * float64(x[i])
	}
	return e / s
}
func TestDump(t *testing.T) {
	r := recorded(t)
	c, _ := compress.Lookup(protocol.CodecDeadzone)
	enc := c.NewEncoder(r.tensors)
	dec := c.NewDecoder()
	encf := c.NewEncoder(compress.Flat(199210))
	for _, bits := range []float64{.015625, .02, .05, .1, .2, .3, .5, 1, 1.1, 2, 3.85, 4, 6, 8, 12} {
		s := ""
		for _, u := range r.updates[:3] {
			b, err := enc.Append(nil, u, compress.Options{Bits: bits})
			if err != nil {
				t.Fatal(err)
			}
			out := make([]float32, len(u))
			if err := compress.DecodeWith(dec, out, b, compress.Options{}); err != nil {
				t.Fatal(err)
			}
			bf, _ := encf.Append(nil, u, compress.Options{Bits: bits})
			step := 0.0
			_ = step
			s += fmt.Sprintf(" %.4f %.5f (flat %.4f)", float64(len(b))*8/float64(len(u)), nmse(u, out), float64(len(bf))*8/float64(len(u)))
		}
		t.Log(bits, s)
	}
	_ = math.Abs
}

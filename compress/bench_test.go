package compress

import (
	"fmt"
	"testing"
	"time"

	"fedtab/protocol"
)

// The figures to look at are Mparam/s and the ratio to copying the floats,
// which is measured in the same run.
func BenchmarkCodecs(b *testing.B) {
	r := recorded(b)
	u := r.updates[0]
	out := make([]float32, len(u))
	for _, test := range []struct {
		codec protocol.Codec
		bits  float64
	}{
		{protocol.CodecDeadzone, .3}, {protocol.CodecDeadzone, 1}, {protocol.CodecDeadzone, 4}, {protocol.CodecDither, 1},
		{protocol.CodecFloat16, 0}, {protocol.CodecPlanes, 0}, {protocol.CodecFloat32, 0},
	} {
		c, err := Lookup(test.codec)
		if err != nil {
			b.Fatal(err)
		}
		o := Options{Bits: test.bits, Seed: 1}
		name := c.Name
		if c.Rated {
			name = fmt.Sprintf("%s-%v", c.Name, test.bits)
		}
		enc, dec := c.NewEncoder(r.tensors), c.NewDecoder()
		block, err := enc.Append(nil, u, o)
		if err != nil {
			b.Fatal(err)
		}
		for _, part := range []struct {
			name string
			do   func() error
		}{
			{"encode", func() (err error) { block, err = enc.Append(block[:0], u, o); return err }},
			{"decode", func() error { return DecodeWith(dec, out, block, o) }},
			{"add", func() error { return AddWith(dec, out, 1e-9, block, o) }},
		} {
			b.Run(name+"/"+part.name, func(b *testing.B) {
				b.ReportAllocs()
				if err := part.do(); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if err := part.do(); err != nil {
						b.Fatal(err)
					}
				}
				took := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(float64(len(u))/took/1e6, "Mparam/s")
				b.ReportMetric(took/copying(out, u), "copies")
				b.ReportMetric(float64(8*len(block))/float64(len(u)), "bits")
			})
		}
	}
}

// copying returns how many seconds it takes to copy src.
func copying(dst, src []float32) float64 {
	const times = 100
	start := time.Now()
	for range times {
		copy(dst, src)
	}
	return time.Since(start).Seconds() / times
}

package secagg_test

import (
	"fmt"
	"sync"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
)

// parameters of the 2NN.
const parameters2NN = 199_210

// One mask of a vector of the 2NN.
func BenchmarkExpand(b *testing.B) {
	for _, bits := range []int{12, 22} {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(parameters2NN) // "MB/s" are millions of integers
			dst, key := make([]uint32, parameters2NN), make([]byte, secagg.KeySize)
			expand := secagg.Expand(native.Primitives{})
			for b.Loop() {
				if err := expand(dst, key, bits, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One masked vector of the 2NN is added to a sum.
func BenchmarkSumAdd(b *testing.B) {
	for _, bits := range []int{12, 22} {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(parameters2NN)
			packed := secagg.AppendPacked(nil, make([]uint32, parameters2NN), bits)
			sum := secagg.NewSum(parameters2NN, bits)
			for b.Loop() {
				if err := sum.Add(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// 1,000 clients of the 2NN of which 10% have dropped out, k and threshold for 30% and 20%, on two
// cores.
func BenchmarkUnmask1000(b *testing.B) {
	p, err := terms().Parameters(1000)
	if err != nil {
		b.Fatal(err)
	}
	for _, bits := range []int{16, 22} {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			u := secagg.NewUnmasking(native.Primitives{}, parameters2NN, bits, p.Threshold, 900, 100, p.Neighbours*9/10)
			for b.Loop() {
				parts := u.Split(2)
				answers := make([]secagg.Answer, len(parts))
				var wg sync.WaitGroup
				for i, part := range parts {
					wg.Go(func() { answers[i] = part.Execute(native.Primitives{}) })
				}
				wg.Wait()
				if a := secagg.Join(answers).(secagg.Unmasked); a.Err != nil {
					b.Fatal(a.Err)
				}
			}
		})
	}
}

// What a client of the 2NN computes beside training: keys, shares,
// the inbox and all masks.
func BenchmarkClient(b *testing.B) {
	terms := terms()
	terms.Length, terms.Bits = parameters2NN, 16
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
			p, err := terms.Parameters(n)
			if err != nil {
				b.Fatal(err)
			}
			requests := secagg.ClientRequests(native.Primitives{}, terms, p)
			for b.Loop() {
				for _, r := range requests {
					if a, broken := r.Execute(native.Primitives{}).(secagg.Broken); broken {
						b.Fatal(a.Err)
					}
				}
			}
		})
	}
}

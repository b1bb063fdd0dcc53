package webcrypto_test

import (
	"slices"
	"testing"
	"time"

	"fedtab/privacy/secagg"
	"fedtab/wasm/webcrypto"
)

// parameters2NN are those of the 2NN.
const parameters2NN = 199_210

// goal is how much longer than without secure aggregation a round may take in a tab, in milliseconds.
const goal = 300

// What a client of 100 computes beside training the 2NN.
func TestClientSpeed(t *testing.T) {
	const clients = 100 // 48 neighbours
	var p webcrypto.Primitives
	for _, bits := range []int{16, 22} {
		terms := terms(0)
		terms.Length, terms.Bits = parameters2NN, bits
		a := newAttempt(t, terms, clients)
		requests := map[int][]secagg.Request{}
		var measured int
		a.execute = func(client int, r secagg.Request) secagg.Answer {
			requests[client] = append(requests[client], r)
			measured, a.over = client, len(requests[client]) == 3 // the third opens its inbox
			return r.Execute(p)
		}
		a.run()
		var ms [3]float64
		for i, r := range requests[measured] {
			ms[i] = milliseconds(func() { r.Execute(p) })
		}
		t.Logf("a client, %d bits: keys %.1f, shares %.1f, inbox %.1f ms: %.0f of %d", bits, ms[0], ms[1], ms[2], ms[0]+ms[1]+ms[2], goal)
	}
}

// The key stream of one mask of the 2NN, of up to 16 bits and wider.
func TestStreamSpeed(t *testing.T) {
	const streams = 10 // Firefox's clock has milliseconds
	key, b := make([]byte, secagg.KeySize), make([]byte, 16<<10)
	for _, width := range []int{2, 4} {
		ms := milliseconds(func() {
			for range streams {
				s, err := webcrypto.Primitives{}.Stream(key)
				for left := width * parameters2NN; left > 0 && err == nil; left -= len(b) {
					err = s.Next(b[:min(left, len(b))])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		t.Logf("a stream, %d bytes for an integer: %.2f ms", width, ms/streams)
	}
}

// milliseconds returns the median time of a call.
func milliseconds(f func()) float64 {
	var times []float64
	for range 9 {
		begin := time.Now()
		f()
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

package secagg_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
)

// A world is what could have happened in an attempt: vectors, own masks, and masks of pairs. All
// are by number in the roster.
type world struct {
	vectors, own map[int][]uint32
	pairs        map[[2]int][]uint32 // by lower number, higher number
}

// masked returns the vector that client i has sent in the world.
func (w *world) masked(i, bits int) []byte {
	sum := secagg.NewSum(len(w.vectors[i]), bits)
	sum.AddValues(w.vectors[i])
	sum.AddValues(w.own[i])
	for pair, m := range w.pairs {
		switch i {
		case pair[0]:
			sum.AddValues(m)
		case pair[1]:
			sum.Subtract(m)
		}
	}
	return secagg.AppendPacked(nil, sum.Values(nil), bits)
}

// transcript is an attempt with drop-outs, as a world, and what the server has received of masked
// vectors, by number.
func transcript(t *testing.T, n int) (real *world, masked map[int][]byte, w *network) {
	real = &world{map[int][]uint32{}, map[int][]uint32{}, map[[2]int][]uint32{}}
	masked = map[int][]byte{}
	number := map[uint64]int{}
	w = newNetwork(t, terms(), n, 3)
	w.drops = spread(n, map[byte]int{secagg.KindShares: 2, secagg.KindMasked: 4, secagg.KindReveal: 2})
	w.computes = func(id uint64, r secagg.Request) {
		i, own, pairs, ok := secagg.MasksOf(r, native.Primitives{})
		if !ok {
			return
		}
		number[id], real.own[i], real.vectors[i] = i, own, w.vectors[id-1]
		for j, m := range pairs {
			pair := [2]int{min(i, j), max(i, j)}
			if other := real.pairs[pair]; other != nil && !slices.Equal(other, m) {
				t.Errorf("clients %d and %d have different masks", i, j)
			}
			real.pairs[pair] = m
		}
	}
	w.changes = func(id uint64, up bool, m []byte) [][]byte {
		if up && m[0] == secagg.KindMasked {
			masked[number[id]] = m[secagg.HeaderSize:]
		}
		return one(m)
	}
	w.run().wantSum(n - 6)
	return real, masked, w
}

// tree returns the honest survivors with the one by which each is reached, the root first, or nil
// if they are not connected.
func tree(real *world, honest map[int]bool) (order []int, parent map[int]int) {
	parent = map[int]int{}
	for _, root := range slices.Sorted(maps.Keys(honest))[:1] {
		order, parent[root] = []int{root}, -1
	}
	for at := 0; at < len(order); at++ {
		for pair := range real.pairs {
			for side := range 2 {
				next := pair[1-side]
				if _, seen := parent[next]; pair[side] == order[at] && honest[next] && !seen {
					order, parent[next] = append(order, next), order[at]
				}
			}
		}
	}
	if len(order) != len(honest) {
		return nil, nil
	}
	return order, parent
}

// All that the server has received, and the secrets of t-1 participants, are explained by other
// vectors of the same sum: whatever the honest survivors' vectors are changed by, if it adds up to
// nothing there are masks of their pairs with which each sends the same bytes. These masks are all
// that differs: none is of a client that colludes or has dropped out.
func TestOtherVectorsExplainTheTranscript(t *testing.T) {
	const n = 40
	real, masked, w := transcript(t, n)
	p, err := w.terms.Parameters(n)
	if err != nil {
		t.Fatal(err)
	}
	bits, length := w.terms.Bits, w.terms.Length
	for i, bytesOf := range masked {
		if got := real.masked(i, bits); !bytes.Equal(got, bytesOf) {
			t.Fatalf("client %d has sent %x, and the masks explain %x", i, bytesOf, got)
		}
	}
	for trial := range 20 {
		survivors := slices.Sorted(maps.Keys(masked))
		w.rng.Shuffle(len(survivors), func(i, j int) { survivors[i], survivors[j] = survivors[j], survivors[i] })
		honest := map[int]bool{}
		for _, i := range survivors[p.Threshold-1:] {
			honest[i] = true
		}
		order, parent := tree(real, honest)
		if order == nil {
			t.Fatalf("trial %d: the honest survivors are not connected", trial)
		}

		other := &world{maps.Clone(real.vectors), real.own, maps.Clone(real.pairs)}
		carried := map[int][]uint32{} // what is left to make up for, from the leaves on
		total := make([]uint32, length)
		for _, i := range slices.Backward(order) {
			change := make([]uint32, length)
			for j := range change {
				if change[j] = w.rng.Uint32(); parent[i] < 0 {
					change[j] = -total[j]
				}
				total[j] += change[j]
			}
			vector := slices.Clone(real.vectors[i])
			for j := range vector {
				vector[j] += change[j]
				if carried[i] != nil {
					change[j] += carried[i][j]
				}
			}
			other.vectors[i] = vector
			up := parent[i]
			if up < 0 {
				if slices.ContainsFunc(change, func(x uint32) bool { return x != 0 }) {
					t.Fatal("the changes do not add up to nothing")
				}
				continue
			}
			pair := [2]int{min(i, up), max(i, up)}
			mask := slices.Clone(real.pairs[pair])
			if carried[up] == nil {
				carried[up] = make([]uint32, length)
			}
			for j := range mask {
				if i < up {
					mask[j] -= change[j]
				} else {
					mask[j] += change[j]
				}
				carried[up][j] += change[j]
			}
			other.pairs[pair] = mask
		}

		for i, bytesOf := range masked {
			if got := other.masked(i, bits); !bytes.Equal(got, bytesOf) {
				t.Fatalf("trial %d: client %d would have sent %x, want %x", trial, i, got, bytesOf)
			}
			if same := slices.Equal(other.vectors[i], real.vectors[i]); same == honest[i] {
				t.Fatalf("trial %d: the vector of client %d is the same: %v", trial, i, same)
			}
		}
		for pair, mask := range other.pairs {
			if !slices.Equal(mask, real.pairs[pair]) && !(honest[pair[0]] && honest[pair[1]]) {
				t.Fatalf("trial %d: a mask that the server knows is another: %d", trial, pair)
			}
		}
	}
}

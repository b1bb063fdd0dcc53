package secagg

import (
	"encoding/binary"
	"slices"

	"fedtab/learn/digest"
)

// A Graph says which clients of an attempt share masks and secrets.
//
// The clients stand on a ring in a random order, and the neighbours of each are the k/2
// before and the k/2 after it (a Harary graph, algorithm 2 of the paper); with k = n-1 it
// is complete. The order follows from a digest of all public keys, so that every
// client computes it itself.
type Graph struct {
	Parameters
	ring  []int // clients by place
	place []int // places by client
}

// NewGraph returns the graph that follows from a digest.
func NewGraph(p Parameters, seed [digest.Size]byte) *Graph {
	g := &Graph{p, make([]int, p.Clients), make([]int, p.Clients)}
	for i := range g.ring {
		g.ring[i] = i
	}
	s := shuffler{seed: seed}
	for i := len(g.ring) - 1; i > 0; i-- {
		j := s.below(uint64(i + 1))
		g.ring[i], g.ring[j] = g.ring[j], g.ring[i]
	}
	for place, client := range g.ring {
		g.place[client] = place
	}
	return g
}

// Neighbours returns the neighbours of a client, ascending.
func (g *Graph) Neighbours(client int) []int {
	n := make([]int, 0, g.Parameters.Neighbours)
	if g.complete() {
		for i := range g.Clients {
			if i != client {
				n = append(n, i)
			}
		}
		return n
	}
	at := g.place[client]
	for d := 1; d <= g.Parameters.Neighbours/2; d++ {
		n = append(n, g.ring[(at+d)%g.Clients], g.ring[(at-d+g.Clients)%g.Clients])
	}
	slices.Sort(n)
	return n
}

func (g *Graph) complete() bool { return g.Parameters.Neighbours == g.Clients-1 }

// A shuffler draws numbers from SHA-256 of a seed and a counter.
type shuffler struct {
	seed  [digest.Size]byte
	count uint64
	left  []byte
}

func (s *shuffler) uint64() uint64 {
	if len(s.left) == 0 {
		sum := digest.Sum(binary.LittleEndian.AppendUint64(s.seed[:len(s.seed):len(s.seed)], s.count))
		s.count++
		s.left = sum[:]
	}
	x := binary.LittleEndian.Uint64(s.left)
	s.left = s.left[8:]
	return x
}

// below returns a number below n, each as likely as the others.
func (s *shuffler) below(n uint64) uint64 {
	for limit := -n % n; ; { // 2^64 modulo n
		if x := s.uint64(); x >= limit {
			return x % n
		}
	}
}

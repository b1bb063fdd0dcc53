package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"fedtab/learn/rng"
)

// The partitions below divide n examples among clients: part k lists the
// numbers of client k's examples, and every example is in exactly one part.
// They depend on nothing but their arguments. An error wraps ErrSettings.

// IID deals examples at random, so that all parts have the same distribution.
// Their sizes differ by at most one.
func IID(n, clients int, seed uint64) ([][]int32, error) {
	if err := check(n, clients); err != nil {
		return nil, err
	}
	return cut(permutation(n, rng.Stream(seed, "iid")), clients), nil
}

// LabelShards is the pathological division of McMahan et al. (2017): sort by
// label, cut into clients * shardsPerClient equal shards, and deal each client
// shardsPerClient of them. A client sees few labels: as many as it has shards,
// and more only where a shard spans a border between labels.
func LabelShards(labels []uint8, clients, shardsPerClient int, seed uint64) ([][]int32, error) {
	n := len(labels)
	if err := check(n, clients); err != nil {
		return nil, err
	}
	if shardsPerClient < 1 || shardsPerClient > n/clients {
		return nil, fmt.Errorf("data: %d shards per client, want 1 to %d for %d examples and %d clients: %w",
			shardsPerClient, n/clients, n, clients, ErrSettings)
	}
	sorted := make([]int32, 0, n)
	for _, c := range byLabel(labels) {
		sorted = append(sorted, c...)
	}
	shards := cut(sorted, clients*shardsPerClient)
	deal := permutation(len(shards), rng.Stream(seed, "label shards"))
	parts := make([][]int32, clients)
	for k := range parts {
		for _, s := range deal[k*shardsPerClient:][:shardsPerClient] {
			parts[k] = append(parts[k], shards[s]...)
		}
	}
	return parts, nil
}

// Classes gives every client the same number of classes, one for instance, and
// divides each class evenly among the clients that have it: "#C = k" of Li,
// Diao, Chen and He (2022). Classes without examples are not dealt. There must be
// enough clients for every class to have one, and enough examples of a class for
// all that have it.
func Classes(labels []uint8, clients, perClient int, seed uint64) ([][]int32, error) {
	if err := check(len(labels), clients); err != nil {
		return nil, err
	}
	of := byLabel(labels)
	var present []int
	for c := range of {
		if len(of[c]) > 0 {
			present = append(present, c)
		}
	}
	if perClient < 1 || perClient > len(present) {
		return nil, fmt.Errorf("data: %d classes per client, want 1 to %d, as many as there are: %w", perClient, len(present), ErrSettings)
	}
	if clients*perClient < len(present) {
		return nil, fmt.Errorf("data: %d clients with %d classes each cannot hold all %d classes: %w", clients, perClient, len(present), ErrSettings)
	}
	// Each client gets the classes that the fewest have got so far, at random
	// among equals, so that no two classes differ by more than one client.
	r := rng.Stream(seed, "classes")
	holders := make([][]int, 256)
	for k := range clients {
		r.Shuffle(len(present), func(i, j int) { present[i], present[j] = present[j], present[i] })
		slices.SortStableFunc(present, func(a, b int) int { return len(holders[a]) - len(holders[b]) })
		for _, c := range present[:perClient] {
			holders[c] = append(holders[c], k)
		}
	}
	parts := make([][]int32, clients)
	for c, class := range of {
		if len(class) == 0 {
			continue
		}
		if len(class) < len(holders[c]) {
			return nil, fmt.Errorf("data: label %d has %d examples for %d clients, want at least one each: %w", c, len(class), len(holders[c]), ErrSettings)
		}
		r.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
		for j, piece := range cut(class, len(holders[c])) {
			k := holders[c][j]
			parts[k] = append(parts[k], piece...)
		}
	}
	return parts, nil
}

// PowerLaw gives every client a random sample. The client at rank i = 1, 2, ...
// of a random order gets a share proportional to i^-exponent: 0 makes all equal,
// 1 is Zipf's law. Everybody gets one example at least.
func PowerLaw(n, clients int, exponent float64, seed uint64) ([][]int32, error) {
	if err := check(n, clients); err != nil {
		return nil, err
	}
	if !(exponent >= 0) || math.IsInf(exponent, 1) {
		return nil, fmt.Errorf("data: exponent is %v, want 0 or a positive number: %w", exponent, ErrSettings)
	}
	r := rng.Stream(seed, "power law")
	share, sum := make([]float64, clients), 0.0
	for i := range share {
		share[i] = math.Pow(float64(i+1), -exponent)
		sum += share[i]
	}
	for i := range share {
		share[i] /= sum
	}
	r.Shuffle(clients, func(i, j int) { share[i], share[j] = share[j], share[i] })
	return sized(n, share, r), nil
}

// sized divides n examples at random by the given shares, after everybody has
// got one.
func sized(n int, share []float64, r *rand.Rand) [][]int32 {
	order := permutation(n, r)
	parts := make([][]int32, len(share))
	rest, from, below, before := n-len(share), 0, 0.0, 0
	for k := range parts {
		below += share[k]
		upTo := rest
		if k < len(parts)-1 {
			upTo = min(max(int(math.Round(below*float64(rest))), before), rest)
		}
		to := from + 1 + upTo - before
		parts[k] = order[from:to:to]
		from, before = to, upTo
	}
	return parts
}

func check(n, clients int) error {
	switch {
	case clients < 1:
		return fmt.Errorf("data: %d clients, want at least 1: %w", clients, ErrSettings)
	case clients > n:
		return fmt.Errorf("data: %d clients for %d examples, want at least one example each: %w", clients, n, ErrSettings)
	case n > math.MaxInt32:
		return fmt.Errorf("data: %d examples, want at most %d: %w", n, math.MaxInt32, ErrSettings)
	}
	return nil
}

func permutation(n int, r *rand.Rand) []int32 {
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(i)
	}
	r.Shuffle(n, func(i, j int) { p[i], p[j] = p[j], p[i] })
	return p
}

// cut cuts index into parts whose sizes differ by at most one.
func cut(index []int32, parts int) [][]int32 {
	cuts := make([][]int32, parts)
	from := 0
	for k := range cuts {
		to := from + (len(index)-from)/(parts-k)
		cuts[k] = index[from:to:to]
		from = to
	}
	return cuts
}

// byLabel returns the numbers of the examples with each label, in order.
func byLabel(labels []uint8) [256][]int32 {
	var of [256][]int32
	for i, y := range labels {
		of[y] = append(of[y], int32(i))
	}
	return of
}

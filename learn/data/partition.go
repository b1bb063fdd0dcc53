package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"fedtab/learn/rng"
)

// A partition divides n examples into one part for each client: part k lists the
// indices of client k's examples, and every example is in exactly one part. It
// depends on its arguments alone. Errors wrap ErrSettings.

// IID gives every client a random sample. Sizes differ by at most one.
func IID(n, clients int, seed uint64) ([][]int32, error) {
	if err := check(n, clients); err != nil {
		return nil, err
	}
	return cut(permutation(n, rng.Stream(seed, "iid")), clients), nil
}

// LabelShards is the pathological non-IID partition of McMahan et al. (2017): sort
// by label, cut into clients * shardsPerClient equal shards, and assign
// shardsPerClient of them to each client at random. A client has at most
// shardsPerClient labels, plus one for each shard that spans two labels.
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

// Classes gives every client perClient classes and divides each class evenly among
// its clients: "#C = k" of Li, Diao, Chen and He (2022), who draw the classes
// independently; here the numbers of clients of two classes differ by at most one.
// Classes without examples are ignored. Every class needs at least one client, and
// an example for each of its clients.
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
		return nil, fmt.Errorf("data: %d classes per client, want 1 to %d, the number of classes: %w", perClient, len(present), ErrSettings)
	}
	if clients*perClient < len(present) {
		return nil, fmt.Errorf("data: %d clients with %d classes each, want clients * classes >= %d, the number of classes: %w", clients, perClient, len(present), ErrSettings)
	}
	// Each client gets the classes with the fewest clients so far, ties broken at
	// random, so that no two classes differ by more than one client.
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
			return nil, fmt.Errorf("data: label %d has %d examples for %d clients, want at least one for each: %w", c, len(class), len(holders[c]), ErrSettings)
		}
		r.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
		for j, piece := range cut(class, len(holders[c])) {
			k := holders[c][j]
			parts[k] = append(parts[k], piece...)
		}
	}
	return parts, nil
}

// PowerLaw gives every client a random sample. The client at rank i = 1, 2, ... of
// a random order gets a share proportional to i^-exponent: exponent 0 makes all
// sizes equal, 1 is Zipf's law. Every client gets at least one example.
func PowerLaw(n, clients int, exponent float64, seed uint64) ([][]int32, error) {
	if err := check(n, clients); err != nil {
		return nil, err
	}
	if !(exponent >= 0) || math.IsInf(exponent, 1) {
		return nil, fmt.Errorf("data: exponent is %v, want a finite number >= 0: %w", exponent, ErrSettings)
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

// sized divides n examples at random. Every client gets one example; the others
// follow the shares.
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
		return fmt.Errorf("data: %d clients, want at least one: %w", clients, ErrSettings)
	case clients > n:
		return fmt.Errorf("data: %d clients for %d examples, want at most as many clients as examples: %w", clients, n, ErrSettings)
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

// cut divides index into parts whose sizes differ by at most one.
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

// byLabel returns the indices of the examples of each label, in ascending order.
func byLabel(labels []uint8) [256][]int32 {
	var of [256][]int32
	for i, y := range labels {
		of[y] = append(of[y], int32(i))
	}
	return of
}

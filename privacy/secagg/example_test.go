package secagg_test

import (
	"fmt"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
)

// Five clients, one of which leaves before it has sent its masked vector. All run in one loop
// here; elsewhere what is sent travels, what is computed is computed beside, and what is
// persisted is written to a disk.
func Example() {
	terms := secagg.Terms{
		Run: [32]byte{1}, Min: 4, Length: 3, Bits: 16,
		Risk: secagg.Risk{Dropout: .2, Corrupt: .2, Privacy: 40, Failure: 20},
	}
	attempt := secagg.Attempt{Round: 1, Number: 1}
	server, err := secagg.NewServer(terms, attempt, []uint64{1, 2, 3, 4, 5})
	if err != nil {
		panic(err)
	}
	sum := secagg.NewSum(terms.Length, terms.Bits)
	clients := map[uint64]*secagg.Client{}

	var toServer func(secagg.Event)
	var toClient func(uint64, secagg.Event)
	toClient = func(id uint64, e secagg.Event) {
		for _, effect := range clients[id].Step(e) {
			switch f := effect.(type) {
			case secagg.Send:
				toServer(secagg.Received{From: id, Message: f.Message})
			case secagg.Compute:
				toClient(id, secagg.Computed{Answer: f.Request.Execute(native.Primitives{})})
			case secagg.Persist:
				toClient(id, secagg.Persisted{})
			}
		}
	}
	toServer = func(e secagg.Event) {
		for _, effect := range server.Step(e) {
			switch f := effect.(type) {
			case secagg.Send:
				toClient(f.To, secagg.Received{Message: f.Message})
			case secagg.Compute:
				toServer(secagg.Computed{Answer: f.Request.Execute(native.Primitives{})})
			case secagg.Add:
				if err := sum.Add(f.Vector); err != nil {
					panic(err)
				}
			case secagg.Journal:
				sum.Subtract(f.Masks)
				toServer(secagg.Persisted{})
			case secagg.Finished:
				fmt.Println(sum.Values(nil), "of", f.Survivors, "without", f.Dropped)
			}
		}
	}

	for id := uint64(1); id <= 5; id++ {
		if clients[id], err = secagg.NewClient(terms, attempt, 0, secagg.History{}); err != nil {
			panic(err)
		}
	}
	for id := uint64(1); id <= 5; id++ {
		toClient(id, secagg.Begin{})
	}
	for id := uint64(1); id <= 4; id++ {
		toClient(id, secagg.Vector{Update: 1, Values: []uint32{uint32(id), 10, 1000}})
	}
	toServer(secagg.Left{From: 5})
	// Output:
	// [10 40 4000] of [1 2 3 4] without [{5 masked}]
}

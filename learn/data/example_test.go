package data_test

import (
	"fmt"

	"fedtab/learn/data"
)

// The pathological non-IID partition of the federated averaging paper: each client
// has two labels.
func ExampleLabelShards() {
	labels := []uint8{0, 1, 2, 3, 0, 1, 2, 3}
	parts, err := data.LabelShards(labels, 2, 2, 1)
	if err != nil {
		panic(err)
	}
	for k, counts := range data.Statistics(parts, labels, 4) {
		fmt.Println("client", k, "has", counts)
	}
	// Output:
	// client 0 has [0 2 0 2]
	// client 1 has [2 0 2 0]
}

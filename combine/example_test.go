package combine_test

import (
	"fmt"

	"fedtab/combine"
)

// Three points on a line and one beside it: the middle one of the three lies
// in the hull of the other two, and a point outside does not count.
func ExampleRadonPoint() {
	point := make([]float64, 2)
	if err := combine.RadonPoint(point, [][]float64{{5, 7}, {0, 0}, {1, 0}, {2, 0}}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("(%.3f, %.3f)\n", point[0], point[1])
	fmt.Println("441 models of 19 parameters make a tree of height", combine.Height(19, 441))
	fmt.Println("a network of 199,210 parameters needs at least", combine.Need(199_210, 1))
	// Output:
	// (1.000, 0.000)
	// 441 models of 19 parameters make a tree of height 2
	// a network of 199,210 parameters needs at least 199212
}

// One client of five is out of its mind.
func ExampleMedian() {
	deltas := [][]float32{{.1, .2}, {.2, .1}, {-1e6, 1e6}, {.3, .3}, {.2, .2}}
	out := make([]float32, 2)
	combine.Mean(out, deltas, nil)
	fmt.Println("mean        ", out)
	combine.Median(out, deltas)
	fmt.Println("median      ", out)
	combine.TrimmedMean(out, deltas, combine.DefaultTrim)
	fmt.Println("trimmed mean", out)
	chosen, _ := combine.Krum(out, deltas, 1, 1)
	fmt.Println("Krum        ", out, "of client", chosen[0])
	// Output:
	// mean         [-199999.84 200000.16]
	// median       [0.2 0.2]
	// trimmed mean [0.16666667 0.23333333]
	// Krum         [0.2 0.2] of client 4
}

// FedAdam: the mean update of a round is a pseudo-gradient for the server's
// optimiser, whose moments are stored with the model.
func ExampleServer_Step() {
	adam := combine.DefaultServer(combine.Adam)
	model, state := []float32{1}, map[string][]float32{}
	for range 3 {
		if err := adam.Step(model, model, []float32{.01}, state); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.4f\n", model[0])
	}
	// Output:
	// 1.0415
	// 1.1112
	// 1.2020
}

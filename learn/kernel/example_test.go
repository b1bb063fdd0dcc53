package kernel_test

import (
	"fmt"

	"fedtab/learn/kernel"
)

// One example through a layer of two inputs and three units.
func ExampleForward() {
	x := []float32{1, 2}
	w := []float32{
		1, 0, -1, // from input 0
		0, 1, -1, // from input 1
	}
	b := []float32{0.5, 0, 0}
	y := make([]float32, 3)
	kernel.Forward(y, x, w, b, 1, 2, 3, true)
	fmt.Println(y)
	// Output: [1.5 2 0]
}

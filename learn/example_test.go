package learn_test

import (
	"fmt"

	"fedtab/learn"
	"fedtab/learn/data"
)

// Training as a client does it: version 0 from the run's seed, then local SGD
// in slices.
func ExampleFit() {
	// Eight images of one pixel: bright ones are of class 1.
	set, err := data.NewSet(
		data.Array{Dims: []int{8, 1}, Data: []uint8{0, 10, 20, 30, 220, 230, 240, 250}},
		data.Array{Dims: []int{8}, Data: []uint8{0, 0, 0, 0, 1, 1, 1, 1}}, 2)
	if err != nil {
		panic(err)
	}
	model, err := learn.New(learn.MLP([]int{1}, []int{4}, 2))
	if err != nil {
		panic(err)
	}
	params := make([]float32, model.Layout().Size)
	model.Init(params, 1)

	fit := learn.NewFit(model)
	if err := fit.Start(params, set, learn.FitConfig{Epochs: 200, Batch: 4, LR: 0.5, Seed: 1}); err != nil {
		panic(err)
	}
	for done := false; !done; {
		if done, err = fit.Run(10); err != nil {
			panic(err)
		}
		// Here a tab returns to the browser's event loop.
	}
	sums, err := learn.Evaluate(model, params, set, 1)
	fmt.Println(fit.Steps(), "steps,", sums.Correct, "of", sums.Examples, "correct", err)
	// Output: 400 steps, 8 of 8 correct <nil>
}

package export_test

import (
	"fmt"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// A model of one column predicts a price from an area.
func Example() {
	spec := learn.MLP([]int{1}, nil, 1)
	spec.Loss = learn.Squared
	m := &export.Model{
		Task: "prices", Run: "prices-1", Version: 3,
		Spec: spec, Params: []float32{1, 0},
		Encoding: &data.Encoding{
			Columns: []data.EncodedColumn{{Name: "area", Mean: 100, Deviation: 50}},
			Target:  data.EncodedTarget{Name: "price", Mean: 250000, Deviation: 125000},
		},
	}
	m.Hash = learn.Hash(m.Params)
	file, err := m.Safetensors()
	if err != nil {
		panic(err)
	}
	got, err := export.Read(file)
	if err != nil {
		panic(err)
	}
	model, err := learn.New(got.Spec)
	if err != nil {
		panic(err)
	}
	x := make([]float32, 1)
	got.Encoding.Encode(x, []float64{150}) // a raw row
	z, err := learn.Outputs(model, got.Params, x)
	if err != nil {
		panic(err)
	}
	target := got.Encoding.Target
	fmt.Println(target.Name, target.Mean+target.Deviation*float64(z[0]))
	// Output: price 375000
}

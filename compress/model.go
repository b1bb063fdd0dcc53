package compress

import "fedtab/learn"

// TensorsOf returns the layout of a model's parameters.
func TensorsOf(l learn.Layout) []Tensor {
	all := make([]Tensor, len(l.Tensors))
	for i, t := range l.Tensors {
		all[i] = Tensor{Size: t.Size(), Row: t.Row()}
	}
	return all
}

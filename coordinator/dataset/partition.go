package dataset

import (
	"fmt"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// everything returns the indices of n examples.
func everything(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// partition divides n examples with labels y of a number of classes, nil and 0 where
// numbers are predicted, among the clients. Some kinds need labels.
func partition(n int, y []uint8, classes int, p task.Partition, seed uint64) ([][]int32, error) {
	switch p.Kind {
	case task.IID:
		return data.IID(n, p.Clients, seed)
	case task.DirichletSizes:
		return data.DirichletSizes(n, p.Clients, p.Alpha, seed)
	case task.PowerLaw:
		return data.PowerLaw(n, p.Clients, p.Exponent, seed)
	}
	if y == nil {
		return nil, fmt.Errorf("kind is %q, want one without classes (iid, dirichlet-sizes, power-law): the examples have no labels", p.Kind)
	}
	switch p.Kind {
	case task.Shards:
		return data.LabelShards(y, p.Clients, p.PerClient, seed)
	case task.Dirichlet:
		return data.Dirichlet(y, classes, p.Clients, p.Alpha, seed)
	case task.DirichletClients:
		return data.DirichletClients(y, classes, p.Clients, p.Alpha, seed)
	case task.Classes:
		return data.Classes(y, p.Clients, p.ClassesPerClient, seed)
	}
	return nil, fmt.Errorf("kind is %q", p.Kind)
}

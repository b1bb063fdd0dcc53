package dataset

import (
	"fmt"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// partition divides the training examples among the clients. Some kinds need
// labels.
func partition(train *data.Set, p task.Partition, seed uint64) ([][]int32, error) {
	n := train.Len()
	switch p.Kind {
	case task.IID:
		return data.IID(n, p.Clients, seed)
	case task.DirichletSizes:
		return data.DirichletSizes(n, p.Clients, p.Alpha, seed)
	case task.PowerLaw:
		return data.PowerLaw(n, p.Clients, p.Exponent, seed)
	}
	if train.Y == nil {
		return nil, fmt.Errorf("kind is %q, want one without classes (iid, dirichlet-sizes, power-law): the examples have no labels", p.Kind)
	}
	switch p.Kind {
	case task.Shards:
		return data.LabelShards(train.Y, p.Clients, p.PerClient, seed)
	case task.Dirichlet:
		return data.Dirichlet(train.Y, train.Classes(), p.Clients, p.Alpha, seed)
	case task.DirichletClients:
		return data.DirichletClients(train.Y, train.Classes(), p.Clients, p.Alpha, seed)
	case task.Classes:
		return data.Classes(train.Y, p.Clients, p.ClassesPerClient, seed)
	}
	return nil, fmt.Errorf("kind is %q", p.Kind)
}

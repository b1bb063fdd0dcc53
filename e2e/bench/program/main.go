//go:build !js

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "program is fedtab's part of the browser benchmark: make bench-browser builds it with GOOS=js GOARCH=wasm")
	os.Exit(2)
}

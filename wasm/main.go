//go:build !js

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "wasm is the tab's program: build it with GOOS=js GOARCH=wasm (make build)")
	os.Exit(2)
}

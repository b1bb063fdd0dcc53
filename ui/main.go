//go:build !js

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/staticrender"
)

// main prints the page as it is before anything has arrived.
func main() {
	if err := printPage(os.Stdout, &Page{}); err != nil {
		fmt.Fprintln(os.Stderr, "ui:", err)
		os.Exit(1)
	}
}

// printPage writes what Vugu would draw for p, as HTML.
func printPage(w io.Writer, p *Page) error {
	renderer := staticrender.New(w)
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		return err
	}
	return renderer.Render(env.RunBuild(&Root{Page: p}))
}

//go:build !js

package ui

import (
	"io"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/staticrender"
)

// Write writes what Vugu would draw for p, as HTML. The coordinator sends it as the
// first view.
func Write(w io.Writer, p *Page) error {
	renderer := staticrender.New(w)
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		return err
	}
	return renderer.Render(build(env, &Root{Page: p}))
}

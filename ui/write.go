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
	return renderer.Render(build(env, root(p)))
}

// root returns the component of a kind of page.
func root(p *Page) vugu.Builder {
	switch p.Kind {
	case HomeKind:
		return &Home{Page: p}
	case ScreenKind:
		return &Screen{Page: p}
	case AbsentKind:
		return &Absent{Page: p}
	}
	return &Root{Page: p}
}

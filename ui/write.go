//go:build !js

package ui

import (
	"io"
	"slices"

	"fedtab/ui/draw"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/staticrender"
)

// Write writes what Vugu would draw for p, as HTML. The coordinator sends it as the
// first view. On the page of a task, hidden elements are empty: the program fills them
// before it can show one, and they are half of the bytes.
func Write(w io.Writer, p *Page) error { return write(w, root(p), p.Kind == TaskKind) }

// WriteBench is Write for the page that measures.
func WriteBench(w io.Writer, c *Bench) error { return write(w, c, false) }

// write writes a page; sparse leaves out what is in hidden elements.
func write(w io.Writer, page vugu.Builder, sparse bool) error {
	renderer := staticrender.New(w)
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		return err
	}
	results := draw.Build(env, page)
	if sparse {
		empty(results, results.Out.Out[0])
	}
	return renderer.Render(results)
}

// empty removes what is in hidden elements at and below n.
func empty(results *vugu.BuildResults, n *vugu.VGNode) {
	if n.Component != nil {
		empty(results, results.ResultFor(n.Component).Out[0])
		return
	}
	if slices.ContainsFunc(n.Attr, func(a vugu.VGAttribute) bool { return a.Key == "hidden" }) {
		n.FirstChild, n.LastChild, n.InnerHTML = nil, nil, nil
		return
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		empty(results, c)
	}
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

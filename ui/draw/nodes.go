// Package draw has what pages are drawn with: the nodes that components are made of, the loop
// in which all changes of a page happen, and the messages between the program and the page.
package draw

// What components are made of. The functions are not inlined: hundreds of calls are a fifth
// of the tab's program.

import (
	"strings"

	"github.com/vugu/vugu"
)

// Element makes an element of a component, in its parent unless that is nil. Attributes are
// lines of the form key=value. Generated components call it (ui/shorten).
func Element(parent *vugu.VGNode, namespace, name, attributes string) *vugu.VGNode {
	n := &vugu.VGNode{Type: vugu.ElementNode, Namespace: namespace, Data: name}
	for line := range strings.Lines(attributes) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		n.Attr = append(n.Attr, vugu.VGAttribute{Key: key, Val: value})
	}
	if parent != nil {
		parent.AppendChild(n)
	}
	return n
}

// Text makes a text of a component, in its parent.
//
//go:noinline
func Text(parent *vugu.VGNode, words string) {
	parent.AppendChild(&vugu.VGNode{Type: vugu.TextNode, Data: words})
}

// Attribute gives an element an attribute, unless its value is false or nil.
//
//go:noinline
func Attribute[T any](n *vugu.VGNode, key string, value T) { n.AddAttrInterface(key, value) }

// Content makes a value all that is in an element.
//
//go:noinline
func Content[T any](n *vugu.VGNode, value T) { n.SetInnerHTML(value) }

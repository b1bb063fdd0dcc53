package main

import (
	"strings"
	"testing"
)

func TestShorten(t *testing.T) {
	got, err := shorten(`package ui

import "fmt"
import "log"
import js "github.com/vugu/vugu/js"

	vgn = &vugu.VGNode{Type: vugu.VGNodeType(3), Namespace: "", Data: "p", Attr: []vugu.VGAttribute{{Namespace: "", Key: "id", Val: "a=b"}, vugu.VGAttribute{Namespace: "", Key: "hidden", Val: ""}}}
	vgout.Out = append(vgout.Out, vgn) // root for output
	vgn.AddAttrInterface("class", fmt.Sprint(1))
	{
		vgn = &vugu.VGNode{Type: vugu.VGNodeType(1), Data: "a \"quote\" {x}\n"}
		vgparent.AppendChild(vgn)
		vgn = &vugu.VGNode{Type: vugu.VGNodeType(3), Namespace: "svg", Data: "g", Attr: []vugu.VGAttribute(nil)}
		vgparent.AppendChild(vgn)
		vgn.SetInnerHTML(c.words())
	}

// 'fix' unused imports
var _ fmt.Stringer
var _ log.Logger
var _ js.Value
`)
	want := `package ui

import "fedtab/ui/draw"
import "fmt"

	vgn = draw.Element(nil, "", "p", "id=a=b\nhidden=")
vgout.Out = append(vgout.Out, vgn) // root for output
	draw.Attribute(vgn, "class", fmt.Sprint(1))
	{
		draw.Text(vgparent, "a \"quote\" {x}\n")
		vgn = draw.Element(vgparent, "svg", "g", "")
		draw.Content(vgn, c.words())
	}
`
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// Lines that are not known are refused, so that no node is lost.
func TestShortenUnknown(t *testing.T) {
	element := func(attributes string) string {
		return `vgn = &vugu.VGNode{Type: vugu.VGNodeType(3), Namespace: "", Data: "p", Attr: []vugu.VGAttribute{` + attributes + "}}\nvgparent.AppendChild(vgn)\n"
	}
	for source, want := range map[string]string{
		element(`{Namespace: "x", Key: "id", Val: "a"}`):        "form of attributes",
		element(`{Namespace: "", Key: "id", Val: "a\nb"}`):      "line break",
		"vgn = &vugu.VGNode{Type: vugu.VGNodeType(5)}\n":        "unknown form",
		"vgn = &vugu.VGNode{Type: vugu.VGNodeType(1), Data: x}": "unknown form",
	} {
		if _, err := shorten(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", source, err, want)
		}
	}
}

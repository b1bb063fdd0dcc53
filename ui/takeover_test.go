//go:build !js

package ui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"fedtab/ui/draw"

	"github.com/vugu/vugu"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The program takes over the first view in place: what a browser parses of the
// coordinator's HTML has, node by node, what Vugu draws. Two texts beside each other
// would become one, and all behind them be replaced.
func TestTakeover(t *testing.T) {
	for name, p := range map[string]*Page{
		"task": shown(t), "own pictures": ownShown(t),
	} {
		var b bytes.Buffer
		if err := write(&b, root(p), false); err != nil {
			t.Fatal(err)
		}
		body := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
		parsed, err := html.ParseFragment(&b, body)
		if err != nil || len(parsed) == 0 {
			t.Fatalf("%s: %d nodes, %v", name, len(parsed), err)
		}
		env, err := vugu.NewBuildEnv()
		if err != nil {
			t.Fatal(err)
		}
		built := draw.Build(env, &Root{Page: p})
		want := drawn(built, built.Out.Out[0])
		if got := parsedTree(parsed[0]); got != want {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			from := max(0, i-200)
			t.Errorf("%s: a browser has\n%s\nwhere Vugu draws\n%s", name, got[from:min(len(got), i+80)], want[from:min(len(want), i+80)])
		}
	}
}

// ownShown is a page of a task that wants pictures.
func ownShown(t *testing.T) *Page {
	p := shown(t)
	p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "data": {"own": {"images": {"width": 8, "height": 8, "channels": 1, "classes": ["cat", "dog"], "drawn": true}}}}`))
	return p
}

// drawn writes the nodes that Vugu draws: names of elements and # for texts.
func drawn(built *vugu.BuildResults, n *vugu.VGNode) string {
	if n.Component != nil {
		return drawn(built, built.ResultFor(n.Component).Out[0])
	}
	if n.Type == vugu.TextNode {
		return "#"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<%s>", n.Data)
	if n.InnerHTML != nil && *n.InnerHTML != "" {
		b.WriteString("#") // vg-content
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(drawn(built, c))
	}
	return b.String() + "</" + n.Data + ">"
}

func parsedTree(n *html.Node) string {
	if n.Type == html.TextNode {
		return "#"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<%s>", n.Data)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(parsedTree(c))
	}
	return b.String() + "</" + n.Data + ">"
}

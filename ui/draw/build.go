package draw

import (
	"strings"

	"github.com/vugu/vugu"
)

// Build has Vugu build a page, without the white space between elements that are on
// lines of their own. A browser makes one text of two that are beside each other, so
// that the program, which matches nodes by position, could not take over the HTML of
// the coordinator in place.
func Build(env *vugu.BuildEnv, root vugu.Builder) *vugu.BuildResults {
	results := env.RunBuild(root)
	tidy(results, results.Out.Out[0])
	return results
}

func tidy(results *vugu.BuildResults, n *vugu.VGNode) {
	if n.Component != nil {
		tidy(results, results.ResultFor(n.Component).Out[0])
		return
	}
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		if c.Type == vugu.TextNode && c.Component == nil && strings.Contains(c.Data, "\n") && strings.TrimSpace(c.Data) == "" {
			n.RemoveChild(c)
		} else {
			tidy(results, c)
		}
		c = next
	}
}

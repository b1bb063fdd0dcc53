//go:build !js

package ui

import (
	"slices"
	"strings"
	"testing"
)

// The model is offered as files where the organiser hands it out, once there is one.
func TestKeepWords(t *testing.T) {
	p := shown(t)
	c := Keep{p}
	if got, want := c.words(), "The organiser does not hand out this model."; got != want || c.handed() {
		t.Errorf("%q, handed out %v, want %q", got, c.handed(), want)
	}
	p.Task.Download, p.Root = true, "../"
	if got := c.words(); !strings.HasPrefix(got, "Take the newest model with you, in about 800 kB.") || !c.handed() || !c.evaluated() {
		t.Errorf("%q", got)
	}
	if opening, _ := tag(t, render(t, p), "keep-onnx"); !strings.Contains(opening, `href="../api/tasks/mnist-2nn/models/newest.onnx"`) {
		t.Errorf("the link is %s", opening)
	}
	p.Fold("code")
	if got, want := c.codeWords(), "Getting the code"; got != want || c.expanded() != "true" {
		t.Errorf("%q, expanded %s, want %q", got, c.expanded(), want)
	}
	p.OnSnippets(nil)
	if got, want := c.codeWords(), "The code could not be fetched: close this and open it again."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p.OnSnippets(decode(t, `{"snippets": [{"language": "Python", "library": "numpy", "format": "safetensors", "code": "a < b"}]}`))
	p.Copied = 1
	if page := render(t, p); c.codeWords() != "" || !strings.Contains(page, "Python, with numpy and the safetensors file:") || !strings.Contains(page, ">a &lt; b</pre>") || !strings.Contains(page, ">Copied</button>") {
		t.Errorf("the code is not shown: %q", c.codeWords())
	}
	p.Task.Version = 0
	if got, want := c.words(), "Once the first round is done, you can take the model with you."; got != want || c.handed() {
		t.Errorf("%q, want %q", got, want)
	}
}

// The picture to share has the tab's part, and nothing about the person.
func TestCard(t *testing.T) {
	p := shown(t)
	if (&Keep{p}).shares() {
		t.Error("a tab without a contribution can share it")
	}
	p.Local.Contributions, p.Local.Trained = 12, 3400
	want := []string{
		"Handwritten digits", "I added 12 contributions from my browser.", "It trained on 3,400 examples; none of them left it.",
		"The model of all together: 94% right.",
	}
	if got := p.card(); !slices.Equal(got, want) || !(&Keep{p}).shares() {
		t.Errorf("%q, want %q", got, want)
	}
}

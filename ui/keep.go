package ui

import (
	"fedtab/api"
	"fedtab/fields"
)

// Keep is what a person takes away: the model as a file, and a summary of the own part in
// it as a picture.
type Keep struct {
	Page *Page
}

func (c *Keep) look() string {
	if c.Page.Task.Version > 0 {
		return "step keep"
	}
	return "step keep later"
}

// headBytes is about what a model's file takes beside its parameters.
const headBytes = 1500

// words says what can be kept.
func (c *Keep) words() string {
	p := c.Page
	switch {
	case p.Loaded && !p.Task.Download:
		return p.say("keep.closed")
	case p.Task.Version == 0:
		return p.say("keep.later")
	}
	return p.say("keep.lead", p.size(4*int64(p.Task.Model.Parameters)+headBytes))
}

// handed reports whether there are files of the model.
func (c *Keep) handed() bool { return c.Page.Task.Download && c.Page.Task.Version > 0 }

// evaluated reports whether one of the versions is known to be the best.
func (c *Keep) evaluated() bool { return c.handed() && c.Page.Task.Evaluated > 0 }

// file is the address of a model.
func (c *Keep) file(which, format string) string {
	return c.Page.Root + "api/tasks/" + c.Page.Task.Name + "/models/" + which + "." + format
}

// open reports whether code that loads the model is shown.
func (c *Keep) open() bool { return c.handed() && c.Page.Open["code"] }

func (c *Keep) expanded() string {
	if c.open() {
		return "true"
	}
	return "false"
}

// codeWords says why there is no code yet.
func (c *Keep) codeWords() string {
	switch p := c.Page; {
	case !c.open() || len(p.Snippets) > 0:
		return ""
	case p.Uncoded:
		return p.say("keep.code.none")
	}
	return c.Page.say("keep.code.loading")
}

// snippetWords says what a piece of code is for.
func (c *Keep) snippetWords(s api.Snippet) string {
	return c.Page.say("keep.code.of", s.Language, s.Library, s.Format)
}

// copyWords is the text of the button that copies the i-th piece of code.
func (c *Keep) copyWords(i int) string {
	if c.Page.Copied == i+1 {
		return c.Page.say("keep.copied")
	}
	return c.Page.say("keep.copy")
}

// OnSnippets takes in code that loads the newest version (api.Versions); nil if it could
// not be had.
func (p *Page) OnSnippets(v any) {
	var versions api.Versions
	o, _ := v.(map[string]any)
	fields.Fill(&versions, o)
	p.Snippets, p.Copied = versions.Snippets, 0
	p.Uncoded = len(p.Snippets) == 0
}

// shares reports whether the tab has a part in the model that it can show.
func (c *Keep) shares() bool { return c.Page.Local.Contributions > 0 }

// card returns what the picture to share says: lines, of which the first is the title. It
// has nothing that tells who the person is.
func (p *Page) card() []string {
	l := &p.Local
	lines := []string{
		p.heading(p.Task.Name, p.Task.Title, p.Task.Translations),
		p.say("card.part", l.Contributions),
		p.say("card.examples", l.Trained),
	}
	var accuracy, rmse *float64
	if accuracy = p.Task.TestAccuracy; accuracy == nil && p.Task.Evaluation != nil {
		rmse = p.Task.Evaluation.RMSE
	}
	if result := p.resultWords(accuracy, rmse); result != "" {
		lines = append(lines, p.say("card.result", result))
	}
	return lines
}
